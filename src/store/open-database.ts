/** Opens the database of an instance: PostgreSQL where an address is given, else the file in the data directory. */
import type { Database } from './database.ts'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'

/** Where the rows are: a `postgres://` address, or the path of a file. */
export type DatabasePlace = { readonly url: string } | { readonly path: string }

export interface OpenOptions {
  readonly nowMs: number
  /** How long PostgreSQL may take for one statement; reports take longer than requests may wait. */
  readonly statementTimeoutMs?: number
}

/** Opens and migrates. @throws AppError storage_unavailable */
export function openDatabase(place: DatabasePlace, options: OpenOptions): Promise<Database> {
  return 'url' in place ? openPostgres(place.url, options) : openSqlite(place.path, options)
}
