/** Loads the catalogue: the operator's file if there is one, its secrets resolved, over the built-in entries. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { BUILT_IN_CATALOG } from '../domain/built-in-catalog.ts'
import type { Catalog } from '../domain/catalog.ts'
import { buildCatalog } from '../domain/catalog-build.ts'
import type { BuiltInCatalog } from '../domain/catalog-merge.ts'
import { DEFAULTS } from '../domain/config-defaults.ts'
import { buildMailConfig, MAIL_URL_FORM, parseMailUrl } from '../domain/config-mail-schema.ts'
import { type ConfigProblem, parseConfig, problemAt } from '../domain/config-parse.ts'
import type { Config } from '../domain/config-schema.ts'
import { isCredential } from '../domain/config-values.ts'
import { isWebhookSecret, WEBHOOK_SECRET_FORM } from '../domain/config-webhooks-schema.ts'
import { buildSignIn, type MailConfig, type SignInConfig } from '../domain/sign-in-config.ts'
import { mergeStored, type SettingView, type StoredSettings, viewSettings } from './setting.ts'

/** A secret file is a key and a line end; more is the wrong file. */
const MAX_SECRET_BYTES = 65_536

export interface CatalogSourceOptions {
  /** The file that was asked for, which then must exist; null: `./zendo.jsonc`, which may be absent. */
  readonly configPath: string | null
  /** What `env:NAME` is looked up in. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where the simulated upstream listens: `http://127.0.0.1:40001/v1`. */
  readonly simulatedBaseUrl: string
  /** What was changed at run time, below what the file says; asked at each load. */
  readonly stored?: () => StoredSettings
  /** Other than the shipped one in tests only. */
  readonly builtIn?: BuiltInCatalog
}

/** The part of the file that is not catalogue, with defaults filled in. */
export interface ServerConfig {
  /** Addresses and ranges of proxies whose `x-forwarded-for` is believed. */
  readonly trustedProxies: readonly string[]
  readonly maxBodyBytes: number
}

export interface CatalogSnapshot {
  readonly catalog: Catalog
  readonly server: ServerConfig
  readonly signIn: SignInConfig
  /** Null: no mail leaves. */
  readonly mail: MailConfig | null
  readonly settings: readonly SettingView[]
  /** The file it was built from; null when there was none. */
  readonly configPath: string | null
}

export type LoadedCatalog =
  | { readonly ok: true; readonly snapshot: CatalogSnapshot }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** Never throws: whatever is wrong with the file, a secret in it or its absence is a problem with a place. */
export async function loadCatalog(options: CatalogSourceOptions): Promise<LoadedCatalog> {
  return snapshotOf(await readConfigText(configPathOf(options)), options)
}

export function configPathOf(options: CatalogSourceOptions): string {
  return resolve(options.configPath ?? 'zendo.jsonc')
}

/** The text of the file, null when there is none, or the reason why it cannot be read. */
export async function readConfigText(path: string): Promise<string | null | Error> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return codeOf(error) === 'ENOENT' ? null : error
  }
}

/** Builds a snapshot from what `readConfigText` returned; no file, unless one was asked for, means the built-in entries. */
export async function snapshotOf(text: string | null | Error, options: CatalogSourceOptions): Promise<LoadedCatalog> {
  const path = configPathOf(options)
  const builtIn = options.builtIn ?? BUILT_IN_CATALOG
  if (text === null && options.configPath !== null) return fileProblem(path, 'there is no such file')
  if (text instanceof Error) return fileProblem(path, `the file cannot be read (${codeOf(text)})`)
  const parsed = text === null ? { ok: true as const, config: null } : parseConfig(text, path, builtIn)
  if (!parsed.ok) return parsed
  const find = (reference: string) => resolveSecret(reference, options.env, dirname(path))
  const apiKeys = await resolveApiKeys(parsed.config, find)
  const webhooks = await resolveWebhookSecrets(parsed.config, find)
  const mail = await resolveMail(parsed.config, find)
  const clients = await resolveClientSecrets(parsed.config, find)
  const faults = [...apiKeys.faults, ...webhooks.faults, ...mail.faults, ...clients.faults]
  if (faults.length > 0) {
    return { ok: false, problems: faults.map((fault) => problemAt(text ?? '', path, fault.path, fault.reason)) }
  }
  const { simulatedBaseUrl } = options
  const config = mergeStored(parsed.config, options.stored?.() ?? new Map(), builtIn)
  const catalog = buildCatalog(builtIn, config, apiKeys.secrets, {
    simulatedBaseUrl,
    webhookSecrets: webhooks.secrets,
  })
  const configPath = text === null ? null : path
  const signIn = buildSignIn(config?.signIn, clients.secrets)
  const settings = viewSettings({ file: parsed.config, merged: config, path: configPath }, builtIn)
  return {
    ok: true,
    snapshot: { catalog, server: serverConfig(config), signIn, mail: mail.config, settings, configPath },
  }
}

function fileProblem(file: string, reason: string): LoadedCatalog {
  return { ok: false, problems: [{ file, line: 1, column: 1, path: '', reason }] }
}

function serverConfig(config: Config | null): ServerConfig {
  return {
    trustedProxies: config?.server?.trustedProxies ?? [],
    maxBodyBytes: config?.server?.maxBodyBytes ?? DEFAULTS.maxBodyBytes,
  }
}

interface SecretFault {
  readonly path: readonly string[]
  readonly reason: string
}

interface ResolvedSecrets {
  /** By the id of the entry. */
  readonly secrets: Map<string, string>
  readonly faults: SecretFault[]
}

type FindSecret = (reference: string) => Promise<{ value: string } | { reason: string }>

async function resolveApiKeys(config: Config | null, find: FindSecret): Promise<ResolvedSecrets> {
  const resolved: ResolvedSecrets = { secrets: new Map(), faults: [] }
  for (const [provider, entry] of Object.entries(config?.providers ?? {})) {
    if (entry?.apiKey === undefined) continue
    const found = await find(entry.apiKey)
    if ('value' in found) resolved.secrets.set(provider, found.value)
    else resolved.faults.push({ path: ['providers', provider, 'apiKey'], reason: found.reason })
  }
  return resolved
}

async function resolveWebhookSecrets(config: Config | null, find: FindSecret): Promise<ResolvedSecrets> {
  const resolved: ResolvedSecrets = { secrets: new Map(), faults: [] }
  for (const [name, { secret }] of Object.entries(config?.webhooks ?? {})) {
    const path = ['webhooks', name, 'secret']
    const found = await find(secret)
    if ('reason' in found) resolved.faults.push({ path, reason: found.reason })
    else if (isWebhookSecret(found.value)) resolved.secrets.set(name, found.value)
    else resolved.faults.push({ path, reason: `what this names is not a signing secret: ${WEBHOOK_SECRET_FORM}` })
  }
  return resolved
}

async function resolveMail(
  config: Config | null,
  find: FindSecret,
): Promise<{ config: MailConfig | null; faults: SecretFault[] }> {
  if (!config?.mail) return { config: null, faults: [] }
  const { url, from } = config.mail
  const found = await find(url)
  if ('value' in found && parseMailUrl(found.value) !== null) {
    return { config: buildMailConfig(found.value, from), faults: [] }
  }
  const reason = 'reason' in found ? found.reason : `what this names is not a mail server: ${MAIL_URL_FORM}`
  return { config: null, faults: [{ path: ['mail', 'url'], reason }] }
}

async function resolveClientSecrets(config: Config | null, find: FindSecret): Promise<ResolvedSecrets> {
  const resolved: ResolvedSecrets = { secrets: new Map(), faults: [] }
  for (const [provider, { clientSecret }] of Object.entries(config?.signIn?.providers ?? {})) {
    const found = await find(clientSecret)
    if ('value' in found) resolved.secrets.set(provider, found.value)
    else resolved.faults.push({ path: ['signIn', 'providers', provider, 'clientSecret'], reason: found.reason })
  }
  return resolved
}

/** Reasons name the variable or file, never what is in it. */
async function resolveSecret(
  reference: string,
  env: Readonly<Record<string, string | undefined>>,
  directory: string,
): Promise<{ value: string } | { reason: string }> {
  if (reference.startsWith('env:')) {
    const name = reference.slice('env:'.length)
    const value = env[name]
    if (value === undefined || value === '') return { reason: `the environment variable ${name} is not set` }
    return isCredential(value) ? { value } : { reason: `the environment variable ${name} does not hold a credential` }
  }
  if (!reference.startsWith('file:')) return { value: reference }
  const name = reference.slice('file:'.length)
  const content = await readConfigText(resolve(directory, name))
  if (content === null) return { reason: `there is no file ${name}` }
  if (content instanceof Error) return { reason: `the file ${name} cannot be read (${codeOf(content)})` }
  const value = content.slice(0, MAX_SECRET_BYTES).replace(/[\r\n]+$/, '')
  return isCredential(value) ? { value } : { reason: `the file ${name} does not hold a credential on one line` }
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : 'unknown error'
}
