/**
 * Which master key an instance is under. Its database names it, so that a machine that has another one does not go on
 * with that: what it seals nobody else could open, and what it puts on record would look like forged.
 */
import { createHash } from 'node:crypto'
import { AppError } from '../base/errors.ts'
import type { Database, Sql } from '../store/database.ts'
import { claimSetting, loadSetting, saveSetting } from '../store/setting.ts'

/** Beside the settings; none of them has this name. */
const NAME = 'masterKeyId'
const ID_LENGTH = 16

/** The trail keys of this process: they follow from its master keys, the one in use first. */
export type TrailKeys = readonly string[]

/** Gives no key away. */
function idOf(trailKey: string): string {
  return createHash('sha256').update(`zendo master key id\n${trailKey}`).digest('base64url').slice(0, ID_LENGTH)
}

/** Names the key in use for an instance that has none yet. Returns whether this process has the key of the instance. */
export async function claimMasterKey(db: Database, trailKeys: TrailKeys, nowMs: number): Promise<boolean> {
  const [newest] = trailKeys
  if (newest !== undefined) await claimSetting(db, { name: NAME, value: JSON.stringify(idOf(newest)) }, nowMs)
  return await hasMasterKey(db, trailKeys)
}

/** True also where nobody has claimed the instance. */
export async function hasMasterKey(sql: Sql, trailKeys: TrailKeys): Promise<boolean> {
  const kept = await loadSetting(sql, NAME)
  return kept === undefined || trailKeys.some((key) => JSON.stringify(idOf(key)) === kept)
}

/** @throws AppError conflict */
export async function requireMasterKey(sql: Sql, trailKeys: TrailKeys): Promise<void> {
  if (!(await hasMasterKey(sql, trailKeys))) throw otherMasterKey()
}

/** From now on the instance is under this one. */
export async function moveMasterKey(sql: Sql, trailKey: string, nowMs: number): Promise<void> {
  await saveSetting(sql, { name: NAME, value: JSON.stringify(idOf(trailKey)) }, nowMs)
}

/** For whoever looks after the machine. */
export const OTHER_MASTER_KEY =
  'this machine has another master key than the one that the instance is under: own keys of workspaces do not open here, and nothing can be changed; requests that need neither are served. Set ZENDO_MASTER_KEY (or ZENDO_MASTER_KEY_PREVIOUS) to the key that the instance is under, or bring back its secrets.json; where that key is lost for ever, run zendo secrets rewrap --adopt'

export function otherMasterKey(): AppError {
  return new AppError(
    'conflict',
    'Nothing can be changed here: this machine has another master key than the one that the instance is under. Its operator sets ZENDO_MASTER_KEY, or ZENDO_MASTER_KEY_PREVIOUS, as the other machines have it.',
  )
}
