/** The thread behind `sync-sql.ts`: runs what it is sent on one connection, answers, and wakes whoever waits. */
import type { SQLInputValue } from 'node:sqlite'
import { type MessagePort, workerData } from 'node:worker_threads'
import { Client } from 'pg'
import { statementOf, VALUE_TYPES } from '../../src/store/postgres-sql.ts'

export interface SqlTask {
  readonly queries: readonly { readonly sql: string; readonly values: readonly SQLInputValue[] }[]
  /** In one transaction that sees one instant. */
  readonly isSnapshot?: boolean
}

export type SqlAnswer = { readonly rows: Record<string, unknown>[][] } | { readonly error: string }

const { url, port, signal } = workerData as {
  readonly url: string
  readonly port: MessagePort
  readonly signal: Int32Array
}
let client: Client | null = null

/** A server that was down in between is asked anew. */
async function connect(): Promise<Client> {
  if (client) return client
  const connecting = new Client({ connectionString: url })
  connecting.on('error', () => {
    client = null
  })
  await connecting.connect()
  client = connecting
  return connecting
}

async function answer({ queries, isSnapshot = false }: SqlTask): Promise<SqlAnswer> {
  try {
    const connection = await connect()
    const rows: Record<string, unknown>[][] = []
    if (isSnapshot) await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    for (const { sql, values } of queries) {
      const { text } = statementOf(sql)
      rows.push((await connection.query({ text, values: [...values], types: VALUE_TYPES })).rows)
    }
    if (isSnapshot) await connection.query('COMMIT')
    return { rows }
  } catch (error) {
    if (isSnapshot) await client?.query('ROLLBACK').catch(() => undefined)
    return { error: String(error) }
  }
}

port.on('message', (task: SqlTask) => {
  void answer(task).then((result) => {
    port.postMessage(result)
    Atomics.store(signal, 0, 1)
    Atomics.notify(signal, 0)
  })
})
