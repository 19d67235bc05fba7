/** Asks a gateway's database, of either engine, and waits for the answer on the spot: a look that cannot be interleaved. */
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { SqlAnswer, SqlTask } from './sync-postgres-worker.ts'

/** Where a gateway keeps its books: in its data directory, or on a server. */
export type BooksPlace = { readonly dataDir: string } | { readonly url: string }

export interface SyncSql {
  readonly engine: 'sqlite' | 'postgres'
  /** Whole numbers come as `bigint`. Parameters are `?`. */
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[]
  /** The rows of several queries, all of one instant. */
  allOfOneInstant(queries: readonly string[]): Record<string, unknown>[][]
  /** Runs something that has no rows. */
  run(sql: string, ...values: SQLInputValue[]): void
  close(): void
}

const BUSY_MS = 5000

export function openSyncSql(place: BooksPlace, { readOnly = true } = {}): SyncSql {
  return 'url' in place ? openPostgres(place.url) : openSqlite(place.dataDir, readOnly)
}

function openSqlite(dataDir: string, readOnly: boolean): SyncSql {
  const db = new DatabaseSync(join(dataDir, 'zendo.db'), { readOnly, readBigInts: true, timeout: BUSY_MS })
  const statements = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const statement = statements.get(sql) ?? db.prepare(sql)
    statements.set(sql, statement)
    return statement
  }
  return {
    engine: 'sqlite',
    all: <Row>(sql: string, ...values: SQLInputValue[]) => prepare(sql).all(...values) as Row[],
    allOfOneInstant(queries) {
      db.exec('BEGIN')
      try {
        return queries.map((sql) => prepare(sql).all())
      } finally {
        db.exec('COMMIT')
      }
    },
    run: (sql, ...values) => void db.prepare(sql).run(...values),
    close: () => db.close(),
  }
}

const ANSWER_MS = 30_000

/** One connection, in a thread of its own, for whose answers this one waits. */
function openPostgres(url: string): SyncSql {
  const { port1: here, port2: there } = new MessageChannel()
  const signal = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('./sync-postgres-worker.ts', import.meta.url), {
    workerData: { url, port: there, signal },
    transferList: [there],
  })
  worker.unref()
  here.unref()

  function ask(task: SqlTask): Record<string, unknown>[][] {
    Atomics.store(signal, 0, 0)
    here.postMessage(task)
    if (Atomics.wait(signal, 0, 0, ANSWER_MS) === 'timed-out') throw new Error('PostgreSQL did not answer')
    const answer = receiveMessageOnPort(here)?.message as SqlAnswer
    if ('error' in answer) throw new Error(answer.error)
    return answer.rows
  }

  return {
    engine: 'postgres',
    all: <Row>(sql: string, ...values: SQLInputValue[]) => (ask({ queries: [{ sql, values }] })[0] ?? []) as Row[],
    allOfOneInstant: (queries) => ask({ isSnapshot: true, queries: queries.map((sql) => ({ sql, values: [] })) }),
    run: (sql, ...values) => void ask({ queries: [{ sql, values }] }),
    close: () => void worker.terminate(),
  }
}
