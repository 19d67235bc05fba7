/** The settings that come from the environment, read once at start. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { AppError } from './base/errors.ts'
import type { SettingView } from './control/setting.ts'

export interface Settings {
  readonly port: number
  readonly host: string
  readonly dataDir: string
  /** Null: `./zendo.jsonc` if it exists. */
  readonly configPath: string | null
  readonly publicUrl: string | null
  readonly logLevel: string
  /** How long SIGTERM waits for requests under way. */
  readonly shutdownMs: number
  /** Processes that serve. */
  readonly workers: number
  /** How long a process may be silent before others end what it held. */
  readonly nodeGraceMs: number
  /** `postgres://…`; null: the embedded file in the data directory. */
  readonly databaseUrl: string | null
  /** What all machines of one instance share; null: the data directory's own secrets. */
  readonly masterKey: string | null
  /** Those before it, or about to follow it: they open what they sealed, and seal nothing. */
  readonly previousMasterKeys: readonly string[]
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** @throws AppError invalid_request that names the variable and what it takes. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const logLevel = env.ZENDO_LOG_LEVEL ?? 'warn'
  if (!LOG_LEVELS.includes(logLevel)) throw wrong('ZENDO_LOG_LEVEL', `one of ${LOG_LEVELS.join(', ')}`)
  return {
    port: readInteger(env, 'ZENDO_PORT', 7070, 0, 65535),
    host: env.ZENDO_HOST || '127.0.0.1',
    dataDir: resolve(env.ZENDO_DATA_DIR || './data'),
    configPath: env.ZENDO_CONFIG ? resolve(env.ZENDO_CONFIG) : null,
    publicUrl: readUrl(env.ZENDO_PUBLIC_URL),
    logLevel,
    shutdownMs: readInteger(env, 'ZENDO_SHUTDOWN_MS', 30_000, 0, 3_600_000),
    workers: readInteger(env, 'ZENDO_WORKERS', 1, 1, 64),
    nodeGraceMs: readInteger(env, 'ZENDO_NODE_GRACE_MS', 300_000, 500, 86_400_000),
    databaseUrl: readDatabaseUrl(env.DATABASE_URL),
    masterKey: findMasterKey(env),
    previousMasterKeys: (env.ZENDO_MASTER_KEY_PREVIOUS ?? '')
      .split(',')
      .map((key) => readMasterKey('ZENDO_MASTER_KEY_PREVIOUS', key.trim()))
      .filter((key) => key !== null),
  }
}

/** The same to be shown: the value of a secret is not. */
export function describeEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  settings: Settings,
): SettingView[] {
  const view = (name: keyof Settings, variable: string): SettingView => {
    const value = settings[name]
    const isSecret = name === 'databaseUrl' || name === 'masterKey' || name === 'previousMasterKeys'
    const source = env[variable] ? 'environment' : 'default'
    return { name, value: isSecret ? null : value, source, where: variable, isLocked: true }
  }
  return [
    ...[view('port', 'ZENDO_PORT'), view('host', 'ZENDO_HOST'), view('publicUrl', 'ZENDO_PUBLIC_URL')],
    ...[view('dataDir', 'ZENDO_DATA_DIR'), view('configPath', 'ZENDO_CONFIG')],
    ...[view('databaseUrl', 'DATABASE_URL'), view('logLevel', 'ZENDO_LOG_LEVEL')],
    ...[view('workers', 'ZENDO_WORKERS'), view('shutdownMs', 'ZENDO_SHUTDOWN_MS')],
    ...[view('nodeGraceMs', 'ZENDO_NODE_GRACE_MS')],
    view('masterKey', env.ZENDO_MASTER_KEY_FILE ? 'ZENDO_MASTER_KEY_FILE' : 'ZENDO_MASTER_KEY'),
    view('previousMasterKeys', 'ZENDO_MASTER_KEY_PREVIOUS'),
  ]
}

function readInteger(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max) throw wrong(name, `a whole number from ${min} to ${max}`)
  return value
}

function readUrl(text: string | undefined): string | null {
  if (!text) return null
  if (!URL.canParse(text) || !/^https?:/.test(text)) throw wrong('ZENDO_PUBLIC_URL', 'an http or https URL')
  return text.replace(/\/+$/, '')
}

/** Its value may hold a password: it stands in no message. */
function readDatabaseUrl(text: string | undefined): string | null {
  if (!text) return null
  if (!URL.canParse(text) || !/^postgres(?:ql)?:/.test(text)) throw wrong('DATABASE_URL', 'a postgres:// address')
  return text
}

/** Its own value, or the content of a file, which an orchestrator may mount. */
function findMasterKey(env: Readonly<Record<string, string | undefined>>): string | null {
  const { ZENDO_MASTER_KEY: value, ZENDO_MASTER_KEY_FILE: path } = env
  if (!path) return readMasterKey('ZENDO_MASTER_KEY', value)
  if (value) throw new AppError('invalid_request', 'Set either ZENDO_MASTER_KEY or ZENDO_MASTER_KEY_FILE, not both.')
  const key = readMasterKey('What ZENDO_MASTER_KEY_FILE names', readSecretFile(path).trim())
  if (key === null) throw wrong('What ZENDO_MASTER_KEY_FILE names', '32 or more random characters')
  return key
}

function readSecretFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new AppError('invalid_request', 'The file that ZENDO_MASTER_KEY_FILE names cannot be read.', { cause })
  }
}

/** None of them stands in a message. */
function readMasterKey(name: string, text: string | undefined): string | null {
  if (!text) return null
  if (text.length < 32) throw wrong(name, '32 or more random characters')
  return text
}

function wrong(name: string, takes: string): AppError {
  return new AppError('invalid_request', `${name} must be ${takes}.`)
}
