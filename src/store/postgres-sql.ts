/** From the one kind of SQL to what PostgreSQL takes: numbered parameters, prepared once per connection, whole numbers. */
import { types } from 'pg'
import type { SqlValue } from './database.ts'
import { sqlFor } from './engine-sql.ts'

export interface Statement {
  readonly text: string
  /** Under which each connection keeps it prepared; null: it does not. */
  readonly name: string | null
  /** Whether running it changes nothing. */
  readonly isRead: boolean
}

/** The code has some hundreds of statements; more than this would be text put together per call. */
const MAX_PREPARED = 2000
/** Longer ones carry a list of any length, and are another text each time; inserts of many rows stay below it. */
const MAX_PREPARED_LENGTH = 20_000
const statements = new Map<string, Statement>()

/** `?` becomes `$1`, `$2`, …; what stands in quotes and comments stays as it is. */
export function statementOf(sql: string): Statement {
  const known = statements.get(sql)
  if (known) return known
  const text = numberParameters(sqlFor('postgres', sql))
  const isKept = statements.size < MAX_PREPARED && text.length <= MAX_PREPARED_LENGTH
  const statement = { text, name: isKept ? `s${statements.size}` : null, isRead: /^\s*SELECT\b/i.test(text) }
  if (isKept) statements.set(sql, statement)
  return statement
}

function numberParameters(sql: string): string {
  let count = 0
  return sql.replace(/'[^']*'|"[^"]*"|--[^\n]*|\/\*.*?\*\/|\?/gs, (token) => (token === '?' ? `$${++count}` : token))
}

/** PostgreSQL has no zero character in text. One that a client sent must not make its request impossible to record. */
export function parameterOf(value: SqlValue): SqlValue {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value
}

const { builtins } = types
const toBigInt = (text: string): bigint => BigInt(text)
const parsers: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [builtins.INT2, toBigInt],
  [builtins.INT4, toBigInt],
  [builtins.INT8, toBigInt],
  // Sums of 64-bit numbers are of this type.
  [builtins.NUMERIC, (text) => (/^-?\d+$/.test(text) ? BigInt(text) : Number(text))],
  [builtins.FLOAT4, Number],
  [builtins.FLOAT8, Number],
  // As SQLite has it.
  [builtins.BOOL, (text) => (text === 't' ? 1n : 0n)],
])
const asText = (text: string): string => text

/** How values are read: as the other engine gives them. */
export const VALUE_TYPES = { getTypeParser: (type: number) => parsers.get(type) ?? asText }
