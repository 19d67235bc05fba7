/** What comes before an instance serves: its directory, its lock, its database, and what earlier processes left behind. */
import { hkdfSync, randomBytes, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { databasePath, ensureInstanceSecrets, hasInstanceSecrets, prepareDataDir } from './control/instance.ts'
import { type ControlSecrets, deriveSecrets } from './control/key-encryption.ts'
import { type Places, recoverPlaces } from './ledger/node.ts'
import type { Settings } from './settings.ts'
import type { Database } from './store/database.ts'
import { lockDataDir } from './store/lock.ts'
import { openDatabase } from './store/open-database.ts'

/** Takes the directory for this process and its workers; the returned function gives it back. */
export function claimDataDir({ dataDir }: Settings): () => void {
  prepareDataDir(dataDir)
  return lockDataDir(dataDir)
}

/** Opens the database and brings it to the newest schema. @throws AppError storage_unavailable */
export function openInstanceDatabase({ dataDir, databaseUrl }: Settings): Promise<Database> {
  const place = databaseUrl === null ? { path: databasePath(dataDir) } : { url: databaseUrl }
  return openDatabase(place, { nowMs: Date.now() })
}

/** Ends the requests that earlier processes of this directory, or one worker of it, did not. */
export async function recover(settings: Settings, database: Database, log: Logger, worker?: number): Promise<void> {
  const { settled, released } = await recoverPlaces(database, placesOf(settings.dataDir, worker), Date.now())
  if (settled > 0) log.warn({ settled }, 'wrote what an interrupted run could not')
  if (released > 0) log.warn({ released }, 'released what an interrupted run still held; nothing was charged for it')
}

function placesOf(dataDir: string, worker: number | undefined): Places {
  const directory = directoryId(dataDir)
  if (worker === undefined) {
    const files = readdirSync(dataDir).filter((name) => /^spill-\d+\.bin$/.test(name))
    const isOurs = (place: string): boolean => place.startsWith(`${directory}#`)
    return { isOurs, spills: files.map((name) => join(dataDir, name)) }
  }
  const own = placeOf(dataDir, worker)
  return { isOurs: (place) => place === own, spills: [spillPath(dataDir, worker)] }
}

/** Names the place of one worker: two processes that run at once have two. */
export function placeOf(dataDir: string, worker: number): string {
  return `${directoryId(dataDir)}#${worker}`
}

export function spillPath(dataDir: string, worker: number): string {
  return join(dataDir, `spill-${worker}.bin`)
}

/** Tells this directory from those of other machines; made on the first call. */
function directoryId(dataDir: string): string {
  const path = join(dataDir, 'place')
  try {
    writeFileSync(path, randomUUID(), { flag: 'wx', flush: true, mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  return readFileSync(path, 'utf8').trim()
}

/** Keys the hashes of addresses and bodies: the same on all machines that share a master key. */
export function hashSalt({ dataDir, masterKey }: Settings): string {
  const { addressSalt } = ensureInstanceSecrets(dataDir, randomBytes)
  if (masterKey === null) return addressSalt
  return Buffer.from(hkdfSync('sha256', masterKey, '', 'zendo address salt', 32)).toString('base64url')
}

/**
 * What the control plane keys hashes and seals secrets with. The directory's own secrets still open what was sealed before
 * there was a master key.
 */
export function controlSecrets({ dataDir, masterKey, previousMasterKeys }: Settings): ControlSecrets {
  if (masterKey !== null && !hasInstanceSecrets(dataDir)) return deriveSecrets([masterKey, ...previousMasterKeys])
  const { addressSalt } = ensureInstanceSecrets(dataDir, randomBytes)
  return deriveSecrets([masterKey ?? addressSalt, ...previousMasterKeys, ...(masterKey === null ? [] : [addressSalt])])
}
