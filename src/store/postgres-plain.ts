/**
 * Statements outside of any transaction. Those issued in one turn of the event loop, or while all connections are
 * lent, share one connection: they are sent in one go and run in their order.
 */
import { reasonOf, type Sql, type SqlValue } from './database.ts'
import { ConnectionLost, failureOf } from './postgres-errors.ts'
import type { Session, Sessions } from './postgres-session.ts'
import { statementOf } from './postgres-sql.ts'
import { statementsOn } from './postgres-transaction.ts'
import { UnknownOutcome } from './unknown-outcome.ts'

/** A connection that is being waited for, and how many statements still need it. */
interface Shared {
  readonly session: Promise<Session>
  users: number
}

export function createPlainStatements(sessions: Sessions, limitMs: number): Omit<Sql, 'runEach'> {
  let gathering: Shared | null = null

  function gather(): Shared {
    const untilMs = performance.now() + limitMs
    const session = sessions.acquire(limitMs).then((acquired) => {
      acquired.limit(untilMs - performance.now())
      return acquired
    })
    const shared = { session, users: 0 }
    const close = (): void => {
      if (gathering === shared) gathering = null
    }
    // Whoever comes after this moment waits for another connection.
    session.then(close, close)
    return shared
  }

  async function once<T>(step: (sql: Sql) => Promise<T>): Promise<Outcome<T>> {
    gathering ??= gather()
    const shared = gathering
    shared.users++
    let session: Session | undefined
    try {
      session = await shared.session
      return { value: await step(statementsOn(session)) }
    } catch (error) {
      return { error, wasSent: session !== undefined, isStale: session?.isNew === false }
    } finally {
      if (--shared.users === 0) session?.release()
    }
  }

  async function issue<T>(isRead: boolean, step: (sql: Sql) => Promise<T>): Promise<T> {
    let outcome = await once(step)
    if ('error' in outcome && outcome.error instanceof ConnectionLost && isRead && outcome.isStale)
      outcome = await once(step)
    if ('value' in outcome) return outcome.value
    const isUnknown = outcome.error instanceof ConnectionLost && outcome.wasSent && !isRead
    throw isUnknown ? new UnknownOutcome(reasonOf(outcome.error)) : failureOf(outcome.error)
  }

  const isRead = (sql: string): boolean => statementOf(sql).isRead
  return {
    run: (sql, ...values) => issue(isRead(sql), (on) => on.run(sql, ...values)),
    get: <Row>(sql: string, ...values: SqlValue[]) => issue(isRead(sql), (on) => on.get<Row>(sql, ...values)),
    all: <Row>(sql: string, ...values: SqlValue[]) => issue(isRead(sql), (on) => on.all<Row>(sql, ...values)),
    script: (sql) => issue(false, (on) => on.script(sql)),
  }
}

type Outcome<T> =
  | { readonly value: T }
  | { readonly error: unknown; readonly wasSent: boolean; readonly isStale: boolean }
