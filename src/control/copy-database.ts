/** Carries all rows of an instance into an empty database of the same schema, and proves that they arrived. */
import { AppError } from '../base/errors.ts'
import { failpoint } from '../base/failpoint.ts'
import { isBookkeeping } from '../store/backup-record.ts'
import type { Database, Sql } from '../store/database.ts'
import {
  areEmpty,
  clearDefaults,
  copyTable,
  digestTable,
  keepAlive,
  listTables,
  lockTables,
  type Table,
  type TableDigest,
} from '../store/table-copy.ts'

/** A large instance takes minutes; the limit only keeps a forgotten one from lasting for ever. */
const MAX_COPY_MS = 24 * 3_600_000

/** By table. */
export type Digests = Readonly<Record<string, TableDigest>>

/**
 * Copies every table in one transaction of the target, whose schema must be there and hold no rows. One of the two is a
 * SQLite file.
 * @throws AppError invalid_request when the target is not empty; storage_unavailable when rows did not arrive as they left.
 */
export async function copyTables(from: Sql, target: Database, catalogue: Sql = target): Promise<Digests> {
  const tables = await listInstanceTables(catalogue)
  return await target.write((to) => copyInto(from, to, { tables, engine: target.engine }), {
    opensLedger: true,
    maxWaitMs: MAX_COPY_MS,
  })
}

/** Every table whose rows are an instance's. */
export async function listInstanceTables(sqlite: Sql): Promise<Table[]> {
  return (await listTables(sqlite)).filter((table) => !isBookkeeping(table))
}

async function copyInto(
  from: Sql,
  to: Sql,
  { tables, engine }: { tables: readonly Table[]; engine: Database['engine'] },
): Promise<Digests> {
  if (engine === 'postgres') await lockTables(to, tables)
  await clearDefaults(to)
  if (!(await areEmpty(to, tables))) throw notEmpty()
  const sent: Record<string, TableDigest> = {}
  for (const table of tables) sent[table.name] = await copyTable(from, to, table)
  checkArrived(sent, await digestAll(to, tables, () => keepAlive(from)))
  failpoint('migrate.before_commit')
  return sent
}

/** Before the commit: what is not as it left does not stay. */
function checkArrived(sent: Digests, arrived: Digests): void {
  const different = Object.keys(sent).filter((name) => sent[name]?.digest !== arrived[name]?.digest)
  if (different.length === 0) return
  const names = different.map((name) => `${name} (${sent[name]?.rows} rows sent, ${arrived[name]?.rows} there)`)
  throw new AppError('storage_unavailable', `rows changed on their way: ${names.join(', ')}; nothing was written`)
}

export function notEmpty(): AppError {
  return new AppError('invalid_request', 'the database to write to already holds an instance; give an empty one')
}

export async function digestAll(
  sql: Sql,
  tables: readonly Table[],
  between?: () => Promise<unknown>,
): Promise<Digests> {
  const digests: Record<string, TableDigest> = {}
  for (const table of tables) digests[table.name] = await digestTable(sql, table, between)
  return digests
}
