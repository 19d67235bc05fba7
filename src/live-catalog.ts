/** The catalogue in force while the server runs, and the settings of the server that stand in the same file. */
import type { BlockList } from 'node:net'
import type { Logger } from 'pino'
import type { ServerOptions } from './api/routes.ts'
import type { CatalogSnapshot } from './control/catalog-source.ts'
import { watchCatalog } from './control/catalog-watch.ts'
import { createObservedShapes } from './control/observed-shapes.ts'
import { recordPrices } from './control/price-book.ts'
import { loadSettings, type SettingView } from './control/setting.ts'
import type { Catalog } from './domain/catalog.ts'
import { parseTrustedProxies } from './domain/client-address.ts'
import { formatProblems } from './domain/config-parse.ts'
import type { MailConfig, SignInConfig } from './domain/sign-in-config.ts'
import type { Settings } from './settings.ts'
import type { Database } from './store/database.ts'

export interface LiveCatalog {
  catalog(): Catalog
  signIn(): SignInConfig
  settings(): readonly SettingView[]
  /** Null: no mail leaves. */
  mail(): MailConfig | null
  /** `publicUrl` is how clients reach the server. */
  serverOptions(publicUrl: string): ServerOptions
  /** Reads the file and its secrets again, also when the file itself did not change. */
  reload(): void
  /** Takes over what was changed at run time, if anything was. */
  refresh(): Promise<void>
  close(): void
}

export interface LiveCatalogOptions {
  readonly settings: Settings
  readonly simulatedBaseUrl: string
  readonly database: Database
  readonly log: Logger
}

/** @throws AppError invalid_request with every problem and its line when the file is bad at the start. */
export async function startLiveCatalog(options: LiveCatalogOptions): Promise<LiveCatalog> {
  const { settings, simulatedBaseUrl, database, log } = options
  const observedShape = createObservedShapes(database, Date.now)
  let proxies: { snapshot: CatalogSnapshot; list: BlockList } | null = null

  let stored = await loadSettings(database)

  const watch = await watchCatalog({
    stored: () => stored,
    configPath: settings.configPath,
    env: process.env,
    simulatedBaseUrl,
    async onChange(snapshot) {
      // A request may name a price version only after its rates are on record.
      await recordPrices(database, snapshot.catalog, Date.now())
      log.warn({ file: snapshot.configPath }, 'the configuration was read again and is in force')
    },
    onProblems: (problems) => log.error(`the configuration was not taken over:\n${formatProblems(problems)}`),
  })
  await recordPrices(database, watch.current().catalog, Date.now())

  return {
    catalog: () => watch.current().catalog,
    signIn: () => watch.current().signIn,
    mail: () => watch.current().mail,
    settings: () => watch.current().settings,
    serverOptions(publicUrl) {
      const snapshot = watch.current()
      if (proxies?.snapshot !== snapshot) {
        proxies = { snapshot, list: parseTrustedProxies(snapshot.server.trustedProxies) }
      }
      const { maxBodyBytes } = snapshot.server
      const processShare = 1 / settings.workers
      return { maxBodyBytes, trustedProxies: proxies.list, publicUrl, processShare, observedShape }
    },
    reload: () => void watch.reload(),
    async refresh() {
      const now = await loadSettings(database)
      if (JSON.stringify([...now]) === JSON.stringify([...stored])) return
      stored = now
      await watch.reload()
    },
    close: () => watch.close(),
  }
}
