/**
 * Settings that an operator changes while the instance runs, below what the environment and the configuration file say:
 * a closed list, each of the form that it has in the file.
 */
import { AppError } from '../base/errors.ts'
import type { BuiltInCatalog } from '../domain/catalog-merge.ts'
import { formatProblems, parseConfig } from '../domain/config-parse.ts'
import { type Config, configJsonSchema } from '../domain/config-schema.ts'
import type { Database, Sql } from '../store/database.ts'
import { deleteSetting, listSettings, saveSetting } from '../store/setting.ts'
import { type Acting, changeOnRecord } from './acting.ts'

/** By its place in the file. */
const CHANGEABLE = [
  'anonymous.requestsPerDay',
  'limits.key.requestsPerMinute',
  'limits.key.burst',
  'limits.key.inFlight',
  'limits.address.requestsPerMinute',
  'limits.address.burst',
  'limits.loop.repeats',
  'limits.loop.seconds',
  'limits.api.read',
  'limits.api.write',
  'limits.api.signIn',
  'limits.api.probe',
  'server.keepAliveSeconds',
  'signIn.registration',
] as const

/** What the file alone says: secrets stand among it, or in what it leads to. */
const FILE_ONLY = ['server.trustedProxies', 'server.maxBodyBytes', 'signIn.password'] as const
/** Of these only the names are shown: entries may hold credentials. */
const FILE_ENTRIES = ['providers', 'models', 'aliases', 'webhooks', 'signIn.providers'] as const

const MAX_VALUE_LENGTH = 20_000

/** As JSON says it, by name. */
export type StoredSettings = ReadonlyMap<string, unknown>

export type SettingSource = 'environment' | 'file' | 'console' | 'default'

export interface SettingView {
  readonly name: string
  /** Null for a secret, and for what is not set. */
  readonly value: unknown
  readonly source: SettingSource
  /** The variable, or the path of the file. */
  readonly where: string | null
  /** Whether it cannot be changed here, because of what it is or where it is fixed. */
  readonly isLocked: boolean
}

export async function loadSettings(sql: Sql): Promise<StoredSettings> {
  // What else stands there is none of the configuration's.
  const rows = (await listSettings(sql)).filter(({ name }) => isChangeable(name))
  return new Map(rows.map(({ name, value }): [string, unknown] => [name, JSON.parse(value)]))
}

/** The file's configuration with what is stored below it. What no longer fits is left out, as if it were not there. */
export function mergeStored(file: Config | null, stored: StoredSettings, builtIn: BuiltInCatalog): Config | null {
  let merged = file
  for (const [name, value] of stored) {
    if (!isChangeable(name) || valueAt(file, name) !== undefined) continue
    const parsed = parseConfig(JSON.stringify(withValue(merged ?? {}, name, value)), 'settings', builtIn)
    if (parsed.ok) merged = parsed.config
  }
  return merged
}

/** Every setting of the configuration: as the file has it, or the console, or as it is by default. */
export function viewSettings(
  {
    file,
    merged,
    path,
  }: { readonly file: Config | null; readonly merged: Config | null; readonly path: string | null },
  builtIn: BuiltInCatalog,
): SettingView[] {
  const view = (name: string): SettingView => {
    const isInFile = valueAt(file, name) !== undefined
    const value = valueAt(merged, name)
    return {
      ...{ name, value: value ?? defaultOf(name) },
      source: isInFile ? 'file' : value === undefined ? 'default' : 'console',
      where: isInFile ? path : null,
      isLocked: isInFile || !isChangeable(name),
    }
  }
  const entries = FILE_ENTRIES.map((name): SettingView => {
    const found = view(name)
    return { ...found, value: Object.keys((found.value as object | null) ?? {}) }
  })
  const plans = new Set([...builtIn.plans.keys(), ...Object.keys(merged?.plans ?? {})])
  const planViews = [...plans].map((id) => {
    const found = view(`plans.${id}`)
    return { ...found, value: { ...builtIn.plans.get(id), ...merged?.plans?.[id] } }
  })
  return [...CHANGEABLE.map(view), ...planViews, ...FILE_ONLY.map(view), ...entries]
}

/** Settings in force, from wherever they come. */
export interface SettingChange {
  readonly name: string
  readonly value: unknown
  /** As they stand. */
  readonly inForce: readonly SettingView[]
}

/** @throws AppError not_found, conflict when it is fixed elsewhere, invalid_request when the value is none for it */
export async function changeSetting(db: Database, acting: Acting, change: SettingChange): Promise<SettingView> {
  const { name, value } = change
  checkChangeable(change)
  checkValue(name, value)
  return await changeOnRecord(db, acting, async (sql, put) => {
    const before = (await loadSettings(sql)).get(name)
    await saveSetting(sql, { name, value: JSON.stringify(value) }, acting.nowMs)
    await put({
      ...{ action: 'setting.update', workspaceId: null, target: name },
      ...{ before: { value: before ?? null }, after: { value } },
    })
    return { name, value, source: 'console', where: null, isLocked: false }
  })
}

/** Back to what it is by default. @throws AppError not_found, also when nothing was stored; conflict */
export async function resetSetting(
  db: Database,
  acting: Acting,
  change: Omit<SettingChange, 'value'>,
): Promise<SettingView> {
  const { name } = change
  checkChangeable(change)
  return await changeOnRecord(db, acting, async (sql, put) => {
    const before = (await loadSettings(sql)).get(name)
    if (!(await deleteSetting(sql, name))) throw new AppError('not_found', 'There is no such setting that was changed.')
    await put({
      ...{ action: 'setting.reset', workspaceId: null, target: name },
      ...{ before: { value: before ?? null }, after: null },
    })
    return { name, value: defaultOf(name), source: 'default', where: null, isLocked: false }
  })
}

function checkChangeable({ name, inForce }: Omit<SettingChange, 'value'>): void {
  const known = inForce.find((setting) => setting.name === name)
  if (known?.source === 'environment' || known?.source === 'file') {
    const what = known.source === 'file' ? `the file ${known.where}` : `the variable ${known.where}`
    throw new AppError('conflict', `${name} is fixed by ${what}. Change it there.`)
  }
  if (isChangeable(name)) return
  if (known) throw new AppError('conflict', `${name} can only be set in the environment or the configuration file.`)
  throw new AppError('not_found', 'There is no such setting. GET /api/settings lists them.')
}

/** @throws AppError invalid_request */
function checkValue(name: string, value: unknown): void {
  const text = JSON.stringify(withValue({}, name, value))
  if (text.length > MAX_VALUE_LENGTH) throw invalid(`It is longer than ${MAX_VALUE_LENGTH} characters.`)
  const parsed = parseConfig(text, name)
  if (!parsed.ok) {
    const reasons = parsed.problems.map((problem) => formatProblems([problem]).replace(/^[^ ]+ /, ''))
    throw invalid(reasons.join('; '))
  }
  if (valueAt(parsed.config, name) === undefined) throw invalid('There is no value. DELETE takes a change back.')
}

function invalid(reason: string): AppError {
  return new AppError('invalid_request', reason, { param: 'value' })
}

function isChangeable(name: string): boolean {
  return (CHANGEABLE as readonly string[]).includes(name) || /^plans\.[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)
}

/** Ids of plans may have dots. */
function pathOf(name: string): string[] {
  return name.startsWith('plans.') ? ['plans', name.slice('plans.'.length)] : name.split('.')
}

function valueAt(config: object | null, name: string): unknown {
  return pathOf(name).reduce<unknown>((node, key) => memberOf(node, key), config ?? undefined)
}

function memberOf(node: unknown, key: string): unknown {
  return typeof node === 'object' && node !== null && Object.hasOwn(node, key)
    ? (node as Readonly<Record<string, unknown>>)[key]
    : undefined
}

function withValue(config: object, name: string, value: unknown): object {
  return withMember(config, pathOf(name), value)
}

function withMember(node: unknown, [key = '', ...rest]: readonly string[], value: unknown): object {
  const members = typeof node === 'object' && node !== null ? node : {}
  return { ...members, [key]: rest.length === 0 ? value : withMember(memberOf(members, key), rest, value) }
}

let schema: unknown

/** What the schema of the file says an absent key means. */
function defaultOf(name: string): unknown {
  schema ??= configJsonSchema()
  const node = pathOf(name).reduce<unknown>((found, key) => memberOf(memberOf(found, 'properties'), key), schema)
  return memberOf(node, 'default') ?? null
}
