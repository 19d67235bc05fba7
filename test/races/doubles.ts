/**
 * Databases with one safeguard taken out, on which the same races must go wrong: they show that the races can.
 *
 * Each keeps the ledger as it is and changes what its statements do, which is what a careless rewrite would.
 */
import { setImmediate } from 'node:timers/promises'
import type { Database, Sql, SqlValue } from '../../src/store/database.ts'

export const DOUBLES = {
  /** Nothing is taken out. */
  none: (db: Database): Database => db,
  /** The balance is looked at first and taken from later, in another transaction. */
  checkThenAct: (db: Database): Database => withoutGuards(withStaleReads(db, /FROM account\b/)),
  /** Windows and caps are looked at before the balance is locked. */
  metersReadEarly: (db: Database): Database => withoutGuards(withStaleReads(db, /FROM meter\b/)),
  /** The balance is read without a lock; what would notice that later is left in. */
  withoutLock: (db: Database): Database => rewriting(db, dropLock),
  /** The same, with nothing that would notice. */
  withoutLockAndGuards: (db: Database): Database => withoutGuards(rewriting(db, dropLock)),
  /** An end is written whether or not the request has ended. */
  endsTwice: (db: Database): Database => rewriting(db, dropTerminalState),
  /** An idempotency key is looked up before the balance is locked. */
  keysReadEarly: (db: Database): Database => withStaleReads(db, /AND idempotency_key = \?/),
} as const satisfies Record<string, (db: Database) => Database>

export type DoubleName = keyof typeof DOUBLES

interface Statement {
  readonly sql: string
  readonly values: SqlValue[]
}

type Rewrite = (statement: Statement) => Statement

const dropLock: Rewrite = ({ sql, values }) => ({ sql: sql.replace('/*postgres FOR UPDATE*/', ''), values })

const dropTerminalState: Rewrite = ({ sql, values }) => ({
  sql: sql.startsWith('UPDATE request') ? sql.replace(" AND state = 'held'", '') : sql,
  values,
})

/** Rows are written without a look whether they are still as they were read. */
const dropGuards: Rewrite = ({ sql, values }) => {
  const guard = / AND (?:posted|settled) = \? AND held = \?$/
  return guard.test(sql) ? { sql: sql.replace(guard, ''), values: values.slice(0, -2) } : { sql, values }
}

function withoutGuards(db: Database): Database {
  return rewriting(db, dropGuards)
}

function rewriting(db: Database, rewrite: Rewrite): Database {
  return { ...db, write: (work, options) => db.write((sql) => work(rewritten(sql, rewrite)), options) }
}

function rewritten(sql: Sql, rewrite: Rewrite): Sql {
  return {
    script: (text) => sql.script(text),
    run(text, ...values) {
      const changed = rewrite({ sql: text, values })
      return sql.run(changed.sql, ...changed.values)
    },
    get<Row>(text: string, ...values: SqlValue[]) {
      const changed = rewrite({ sql: text, values })
      return sql.get<Row>(changed.sql, ...changed.values)
    },
    all<Row>(text: string, ...values: SqlValue[]) {
      const changed = rewrite({ sql: text, values })
      return sql.all<Row>(changed.sql, ...changed.values)
    },
    runEach(text, rows) {
      const changed = rows.map((values) => rewrite({ sql: text, values: [...values] }))
      return sql.runEach(
        rewrite({ sql: text, values: [] }).sql,
        changed.map(({ values }) => values),
      )
    },
  }
}

/** Reads that match are answered from before the transaction: the work is tried once outside of it, without writing. */
function withStaleReads(db: Database, pattern: RegExp): Database {
  return {
    ...db,
    async write(work, options) {
      const seen = new Map<string, unknown>()
      await work(recording(db, pattern, seen)).catch(() => undefined)
      // SQLite answers at once: without a pause nobody would come in between.
      await setImmediate()
      return db.write((sql) => work(replaying(sql, pattern, seen)), options)
    },
  }
}

function keyOf(sql: string, values: readonly SqlValue[]): string {
  return [sql, ...values.map(String)].join('\u0000')
}

function recording(db: Database, pattern: RegExp, seen: Map<string, unknown>): Sql {
  const keep = async <T>(text: string, values: SqlValue[], result: Promise<T>): Promise<T> => {
    const value = await result
    if (pattern.test(text)) seen.set(keyOf(text, values), value)
    return value
  }
  return {
    script: async () => undefined,
    run: async () => 1,
    runEach: async (_, rows) => rows.map(() => 1),
    get<Row>(text: string, ...values: SqlValue[]) {
      const readable = dropLock({ sql: text, values }).sql
      if (!readable.startsWith('SELECT')) return Promise.resolve(undefined)
      return keep(text, values, db.get<Row>(readable, ...values))
    },
    all: <Row>(text: string, ...values: SqlValue[]) => keep(text, values, db.all<Row>(text, ...values)),
  }
}

function replaying(sql: Sql, pattern: RegExp, seen: ReadonlyMap<string, unknown>): Sql {
  const isKept = (text: string, values: SqlValue[]): boolean => pattern.test(text) && seen.has(keyOf(text, values))
  return {
    ...sql,
    async get<Row>(text: string, ...values: SqlValue[]) {
      const real = await sql.get<Row>(text, ...values)
      return isKept(text, values) ? (seen.get(keyOf(text, values)) as Row | undefined) : real
    },
    async all<Row>(text: string, ...values: SqlValue[]) {
      const real = await sql.all<Row>(text, ...values)
      return isKept(text, values) ? (seen.get(keyOf(text, values)) as Row[]) : real
    },
  }
}
