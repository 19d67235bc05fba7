/**
 * Connections to PostgreSQL: opened when needed, checked once, lent to one at a time, and thrown away as soon as one
 * has not answered in time. Nothing here waits without a limit.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  Client,
  type ClientBase,
  type ClientConfig,
  Pool,
  type PoolClient,
  type QueryConfig,
  type QueryResult,
} from 'pg'
import type { SqlValue } from './database.ts'
import { ConnectionLost, connectionReasonOf, endsSession, failureOf } from './postgres-errors.ts'
import { parameterOf, type Statement, statementOf, VALUE_TYPES } from './postgres-sql.ts'

/** For a connection to open, or for one to come back when all are lent. */
const CONNECT_LIMIT_MS = 2000
const KEEP_ALIVE_AFTER_MS = 10_000
const KEEP_IDLE_MS = 60_000
const CLOSE_LIMIT_MS = 10_000
/** How long a session may stay in a transaction without a word: its locks keep others out. */
const MAX_PAUSE_MS = 10_000

/** A lent connection. Statements may be sent without awaiting each; they are answered in their order. */
export interface Session {
  /** Whether it was opened for this use: then it has not been left by a server that is gone. */
  readonly isNew: boolean
  /** Whether it broke, or was cut for not answering. */
  isLost(): boolean
  /** The first error that PostgreSQL gave, as it gave it: those after it only follow from it. */
  firstRefusal(): unknown
  /** Cuts the connection when it still owes an answer so many milliseconds from now; takes the place of the last limit. */
  limit(ms: number): void
  /** @throws ConnectionLost, StatementRefused, or AppError storage_unavailable */
  send(statement: Statement, values: readonly SqlValue[]): Promise<QueryResult>
  /** Sends statements without values in one message; resolves with the command of the last one. */
  sendScript(sql: string): Promise<string>
  /** Cuts it at once: it must not be used again. */
  discard(reason: string): void
  /** Gives it back; one that is lost or still owes answers is cut. */
  release(): void
}

export interface Sessions {
  /** @throws ConnectionLost when none can be had within the limit, in milliseconds */
  acquire(limitMs: number): Promise<Session>
  close(): Promise<void>
}

export interface SessionsOptions {
  readonly url: string
  readonly max: number
  /** On the server's side: what a client that is gone has left running ends after this. */
  readonly statementTimeoutMs: number
  /**
   * Only transactions that say so may write. Statements are sent before the answer to their BEGIN has come: should
   * that fail, they must not count as transactions of their own.
   */
  readonly refusesLoneWrites: boolean
}

/** A connection may break at any time: whoever waits for an answer is told, and nobody else has to be. */
class QuietClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config)
    this.on('error', () => undefined)
  }
}

export function createSessions(options: SessionsOptions): Sessions {
  const pool = createPool(options)
  const open = new Set<Client>()
  const bornAtMs = new WeakMap<Client, number>()
  /** One that does not answer speaks for all of its age: they may lead to a server that is gone. */
  let distrustedUntilMs = 0
  pool.on('connect', (client) => {
    open.add(client)
    bornAtMs.set(client, performance.now())
    client.once('end', () => open.delete(client))
  })
  const distrust = (): void => {
    distrustedUntilMs = performance.now()
  }

  async function acquire(limitMs: number): Promise<Session> {
    const askedAtMs = performance.now()
    for (;;) {
      const client = await lend(pool, limitMs - (performance.now() - askedAtMs))
      const bornAt = bornAtMs.get(client) ?? 0
      if (bornAt >= distrustedUntilMs) return createSession(client, bornAt >= askedAtMs, distrust)
      cut(client)
      client.release(true)
    }
  }

  return {
    acquire,
    async close() {
      // What is still lent may finish, but not for ever.
      if (!pool.ending) await Promise.race([pool.end(), delay(CLOSE_LIMIT_MS, undefined, { ref: false })])
      for (const client of open) cut(client)
    },
  }
}

function createPool(options: SessionsOptions): Pool {
  const pool = new Pool({
    connectionString: options.url,
    Client: QuietClient,
    types: VALUE_TYPES,
    pipeline: true,
    max: options.max,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    idleTimeoutMillis: KEEP_IDLE_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    fallback_application_name: 'zendo',
    onConnect: (client) => prepareConnection(client, options),
  })
  // An idle connection broke; the pool has dropped it.
  pool.on('error', () => undefined)
  return pool
}

function lend(pool: Pool, limitMs: number): Promise<PoolClient> {
  const { promise, resolve, reject } = Promise.withResolvers<PoolClient>()
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    reject(new ConnectionLost('no connection could be had in time'))
  }, limitMs)
  const connect = async (): Promise<void> => {
    try {
      const client = await pool.connect()
      if (isLate) client.release()
      else resolve(client)
    } catch (error) {
      reject(new ConnectionLost(connectionReasonOf(error)))
    } finally {
      clearTimeout(timer)
    }
  }
  void connect()
  return promise
}

function createSession(client: PoolClient, isNew: boolean, onSilence: () => void): Session {
  const line = createLine(client, onSilence)
  return {
    ...line,
    isNew,
    release() {
      line.finish()
      if (line.isLost()) cut(client)
      client.release(line.isLost())
    },
  }
}

type Line = Omit<Session, 'isNew' | 'release'> & { finish(): void }

/** Statements on one connection, and the limit of their time. */
function createLine(client: Client, onSilence: () => void): Line {
  let lost: string | null = null
  let refusal: unknown = null
  let owed = 0
  let overdue: string | null = null
  let isFinished = false
  let timer: NodeJS.Timeout | undefined

  const giveUp = (reason: string): void => {
    lost ??= reason
    cut(client)
  }
  const expire = (ms: number): void => {
    overdue = `no answer within ${ms} ms`
    if (owed === 0) return
    giveUp(overdue)
    onSilence()
  }
  const fail = (error: unknown): unknown => {
    if (lost === null && endsSession(error)) giveUp(connectionReasonOf(error))
    if (lost !== null) return new ConnectionLost(lost)
    refusal ??= error
    return failureOf(error)
  }

  function query<T>(config: string | QueryConfig, read: (result: QueryResult) => T): Promise<T> {
    if (isFinished) return Promise.reject(new Error('a statement was sent after its transaction had ended'))
    if (overdue !== null) giveUp(overdue)
    if (lost !== null) return Promise.reject(new ConnectionLost(lost))
    owed++
    sendTogether(client)
    return new Promise((resolve, reject) => {
      client.query(config, (error: Error | null, result: QueryResult) => {
        owed--
        if (error) reject(fail(error))
        else resolve(read(result))
      })
    })
  }

  return {
    isLost: () => lost !== null,
    firstRefusal: () => refusal,
    limit(ms) {
      clearTimeout(timer)
      overdue = null
      timer = setTimeout(expire, ms, ms)
    },
    send: ({ text, name }, values) =>
      query({ text, ...(name === null ? {} : { name }), values: values.map(parameterOf) }, (result) => result),
    sendScript: (sql) => query(sql, commandOf),
    discard: giveUp,
    finish() {
      clearTimeout(timer)
      isFinished = true
      if (owed > 0) giveUp('given back before all was answered')
    },
  }
}

/** What is sent in one turn of the event loop leaves in one write, and so in few packets. */
function sendTogether(client: Client): void {
  const { stream } = client.connection
  if (stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

/** Several statements in one message have several results. */
function commandOf(result: QueryResult | readonly QueryResult[]): string {
  const last = 'command' in result ? result : result.at(-1)
  return last?.command ?? ''
}

function cut(client: Client): void {
  client.connection.stream.destroy()
}

interface SettingsRow {
  readonly fsync: string
  readonly full_page_writes: string
  readonly synchronous_commit: string
  readonly server_encoding: string
}

const PREPARE =
  "SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes," +
  " current_setting('synchronous_commit') AS synchronous_commit, current_setting('server_encoding') AS server_encoding," +
  " set_config('statement_timeout', ?, false), set_config('idle_in_transaction_session_timeout', ?, false)," +
  " set_config('default_transaction_read_only', ?, false)"

/** @throws Error when what the server commits may be lost, or what is written to it may not fit. */
async function prepareConnection(client: ClientBase, options: SessionsOptions): Promise<void> {
  if (!(client instanceof Client)) throw new Error('the pool made a connection of another kind')
  const line = createLine(client, () => undefined)
  line.limit(CONNECT_LIMIT_MS)
  const readOnly = options.refusesLoneWrites ? 'on' : 'off'
  const values = [String(options.statementTimeoutMs), String(MAX_PAUSE_MS), readOnly]
  const { rows } = await line.send(statementOf(PREPARE), values)
  line.finish()
  const [settings] = rows as SettingsRow[]
  const problem = settings && problemOf(settings)
  if (problem) throw new Error(problem)
}

/** Without these a crash takes acknowledged commits with it, and with them charges. */
function problemOf(settings: SettingsRow): string | undefined {
  for (const name of ['fsync', 'full_page_writes'] as const) {
    if (settings[name] !== 'on') return `it is not durable: ${name} is ${settings[name]}`
  }
  const { synchronous_commit: commit, server_encoding: encoding } = settings
  if (commit !== 'on' && !commit.startsWith('remote_')) return `it is not durable: synchronous_commit is ${commit}`
  return encoding === 'UTF8' ? undefined : `its encoding is ${encoding} and must be UTF8`
}
