/** The data directory of an instance: where its database is, and the secrets that it made for itself. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../base/errors.ts'

/** Secrets of one instance; other instances have others. */
export interface InstanceSecrets {
  /** Keys the hash under which client addresses are counted: 32 random bytes, base64url. */
  readonly addressSalt: string
}

/** Returns that many random bytes. */
export type RandomBytes = (count: number) => Uint8Array

const SALT_BYTES = 32

export function databasePath(dataDir: string): string {
  return join(dataDir, 'zendo.db')
}

function secretsPath(dataDir: string): string {
  return join(dataDir, 'secrets.json')
}

/** Creates the directory if need be, for its owner alone. @throws AppError storage_unavailable */
export function prepareDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AppError('storage_unavailable', `the data directory ${dataDir} cannot be made: ${reason}`, { cause })
  }
}

/**
 * The secrets of the directory, made on the first call. A crash in between leaves none or all of them; of several
 * processes that make them at once, all get the same.
 * @throws AppError storage_unavailable when the file is damaged; it is never replaced, for what it keyed would be lost.
 */
export function ensureInstanceSecrets(dataDir: string, randomBytes: RandomBytes): InstanceSecrets {
  if (!existsSync(secretsPath(dataDir))) {
    writeSecrets(dataDir, { addressSalt: Buffer.from(randomBytes(SALT_BYTES)).toString('base64url') })
  }
  return loadInstanceSecrets(dataDir)
}

export function hasInstanceSecrets(dataDir: string): boolean {
  return existsSync(secretsPath(dataDir))
}

/** @throws AppError storage_unavailable when the file is missing or damaged. */
export function loadInstanceSecrets(dataDir: string): InstanceSecrets {
  const path = secretsPath(dataDir)
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new AppError('storage_unavailable', `the instance's secrets cannot be read from ${path}`, { cause })
  }
  const { addressSalt } = (content ?? {}) as Partial<Record<keyof InstanceSecrets, unknown>>
  if (typeof addressSalt !== 'string' || Buffer.from(addressSalt, 'base64url').length !== SALT_BYTES) {
    throw new AppError('storage_unavailable', `${path} holds no addressSalt of ${SALT_BYTES} bytes; restore the file`)
  }
  return { addressSalt }
}

/** Written beside and linked, so that the name never stands for half a file, nor for another one later. */
function writeSecrets(dataDir: string, secrets: InstanceSecrets): void {
  const path = secretsPath(dataDir)
  const unfinished = `${path}.${process.pid}.tmp`
  writeFileSync(unfinished, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flush: true })
  try {
    linkSync(unfinished, path)
  } catch {
    // Another process was first, and its secrets are the instance's; or this file system has no links.
    if (!existsSync(path)) renameSync(unfinished, path)
  } finally {
    rmSync(unfinished, { force: true })
  }
  const directory = openSync(dataDir, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
