/** One try at a transaction on one connection, and what its end means. */
import { AppError } from '../base/errors.ts'
import { reasonOf, type Sql, type SqlValue } from './database.ts'
import { sqlFor } from './engine-sql.ts'
import { ConnectionLost, failureOf, isCollision, isStalePreparation, StatementRefused } from './postgres-errors.ts'
import { cutInsert } from './postgres-rows.ts'
import type { Session } from './postgres-session.ts'
import { statementOf } from './postgres-sql.ts'
import { UnknownOutcome } from './unknown-outcome.ts'

export type Work<T> = (sql: Sql) => Promise<T>

/** `mayRepeat`: nothing of it stands, and the same work may well succeed now. */
export type Attempt<T> = { readonly value: T } | { readonly error: unknown; readonly mayRepeat: boolean }

export interface WriteTerms {
  readonly opensLedger: boolean
  /** For all of it, in milliseconds. */
  readonly limitMs: number
  /** Set when the server's own limit of a statement is shorter than this transaction may take. */
  readonly isLong: boolean
}

/** Gives the session back at the end. */
export async function tryWrite<T>(session: Session, work: Work<T>, terms: WriteTerms): Promise<Attempt<T>> {
  let isCommitting = false
  session.limit(terms.limitMs)
  try {
    // Not awaited: it goes out together with the first statements of the work.
    unawaited(session.sendScript(beginOf(terms)))
    const value = await work(statementsOn(session))
    const committed = session.sendScript('COMMIT')
    isCommitting = !session.isLost()
    const command = await committed
    const refusal = session.firstRefusal()
    if (command === 'COMMIT' && refusal === null) return { value }
    // A statement had failed, and the work had not looked: PostgreSQL then rolls back and calls that an answer.
    return await undo(session, failureOf(refusal ?? new Error(`the commit was answered with ${command}`)))
  } catch (error) {
    if (!session.isLost() || !isCommitting) return await undo(session, error)
    return { error: new UnknownOutcome(reasonOf(error)), mayRepeat: false }
  } finally {
    session.release()
  }
}

function beginOf({ opensLedger, limitMs, isLong }: WriteTerms): string {
  return (
    'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE' +
    (isLong ? `; SET LOCAL statement_timeout = ${Math.ceil(limitMs)}` : '') +
    (opensLedger ? "; SET LOCAL zendo.ledger_open = 'yes'" : '')
  )
}

/** All reads see the instant of the first; each has a limit of its own. Gives the session back at the end. */
export async function tryRead<T>(session: Session, work: Work<T>, statementLimitMs: number): Promise<Attempt<T>> {
  try {
    session.limit(statementLimitMs)
    unawaited(session.sendScript('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'))
    const value = await work(statementsOn(session, () => session.limit(statementLimitMs)))
    session.limit(statementLimitMs)
    await session.sendScript('COMMIT')
    const refusal = session.firstRefusal()
    return refusal === null ? { value } : await undo(session, failureOf(refusal))
  } catch (error) {
    return await undo(session, error)
  } finally {
    session.release()
  }
}

/** Nothing of the transaction stands: says why, and whether to go again. */
async function undo(session: Session, error: unknown): Promise<Attempt<never>> {
  await session.sendScript('ROLLBACK').catch(() => undefined)
  // Those after the first refusal only say that there was one.
  const refusal = session.firstRefusal()
  if (isStalePreparation(refusal)) session.discard('what it had prepared is out of date')
  if (isCollision(refusal) || isStalePreparation(refusal)) return { error: failureOf(refusal), mayRepeat: true }
  if (refusal !== null && isOfStatement(error)) return { error: failureOf(refusal), mayRepeat: false }
  // A connection that was kept may have been left by a server that is gone; a new one was not.
  return { error: failureOf(error), mayRepeat: session.isLost() && !session.isNew && error instanceof ConnectionLost }
}

/** Whether a statement rejected with it; what else a work throws is its own. */
function isOfStatement(error: unknown): boolean {
  const isStorage = error instanceof AppError && error.code === 'storage_unavailable'
  return isStorage || error instanceof StatementRefused || error instanceof ConnectionLost
}

/** The statements of a session; `beforeEach` runs before one is sent. */
export function statementsOn(session: Session, beforeEach: () => void = () => undefined): Sql {
  const send = (sql: string, values: readonly SqlValue[]): ReturnType<Session['send']> => {
    beforeEach()
    return session.send(statementOf(sql), values)
  }
  const count = async (sql: string, values: readonly SqlValue[]): Promise<number> =>
    (await send(sql, values)).rowCount ?? 0
  const runRows = async (sql: string, rows: readonly (readonly SqlValue[])[]): Promise<number[]> => {
    const parts = cutInsert(sql, rows.length)
    if (!parts) return Promise.all(rows.map((values) => count(sql, values)))
    let at = 0
    const sent = parts.map((part) => count(part.sql, rows.slice(at, (at += part.rows)).flat()))
    await Promise.all(sent)
    // All of a plain insert's rows are new, or it fails.
    return rows.map(() => 1)
  }
  return {
    run: (sql, ...values) => unawaited(count(sql, values)),
    get: <Row>(sql: string, ...values: SqlValue[]) =>
      unawaited(send(sql, values).then(({ rows }) => rows[0] as Row | undefined)),
    all: <Row>(sql: string, ...values: SqlValue[]) => unawaited(send(sql, values).then(({ rows }) => rows as Row[])),
    runEach: (sql, rows) => unawaited(runRows(sql, rows)),
    script: (sql) => {
      beforeEach()
      return unawaited(session.sendScript(sqlFor('postgres', sql)).then(() => undefined))
    },
  }
}

/** Whoever awaits it is told of an error; that nobody does must not end the process. The session remembers it. */
function unawaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
