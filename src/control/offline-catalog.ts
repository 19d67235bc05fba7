/** The catalogue as the operator's file has it, for commands that only show it: no credential is looked up. */
import { BUILT_IN_CATALOG } from '../domain/built-in-catalog.ts'
import type { Catalog } from '../domain/catalog.ts'
import { buildCatalog } from '../domain/catalog-build.ts'
import { type ConfigProblem, parseConfig } from '../domain/config-parse.ts'
import { configPathOf, readConfigText } from './catalog-source.ts'

export type OfflineCatalog =
  | { readonly ok: true; readonly catalog: Catalog }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** Nothing is sent there: the simulated upstream has an address only inside a running server. */
const NOWHERE = 'http://simulated.invalid/v1'

/**
 * Providers come without credentials, so that the command line works where the server's environment is not set.
 * `configPath` as for `loadCatalog`.
 */
export async function loadOfflineCatalog(configPath: string | null): Promise<OfflineCatalog> {
  const path = configPathOf({ configPath, env: {}, simulatedBaseUrl: NOWHERE })
  const text = await readConfigText(path)
  const refuse = (reason: string): OfflineCatalog => ({
    ok: false,
    problems: [{ file: path, line: 1, column: 1, path: '', reason }],
  })
  if (text instanceof Error) return refuse('the file cannot be read')
  if (text === null && configPath !== null) return refuse('there is no such file')
  const parsed = text === null ? { ok: true as const, config: null } : parseConfig(text, path)
  if (!parsed.ok) return parsed
  const options = { simulatedBaseUrl: NOWHERE }
  return { ok: true, catalog: buildCatalog(BUILT_IN_CATALOG, parsed.config, new Map(), options) }
}
