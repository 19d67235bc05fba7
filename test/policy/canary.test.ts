/** A default install keeps nothing of what is said: a text in 1,000 requests and their answers is nowhere afterwards. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { forEachEngine } from '../support/engines.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { type BooksPlace, openSyncSql } from '../support/sync-sql.ts'

const REQUESTS = 1000
const AT_ONCE = 20

/** The same text as it would be written by whoever writes it otherwise. */
function formsOf(canary: string): string[] {
  const bytes = Buffer.from(canary)
  return [
    canary,
    bytes.toString('hex'),
    bytes.toString('base64').slice(0, -4),
    bytes.toString('base64url').slice(0, -4),
  ]
}

/** Every way of asking, whole and streamed, well and badly. */
function requestOf(n: number, canary: string): { readonly path: string; readonly body: object } {
  const messages = [{ role: 'user', content: `${canary} ${n}` }]
  const stream = n % 2 === 0
  switch (n % 6) {
    case 0:
      return { path: 'v1/chat/completions', body: { model: 'sim/free', stream, messages } }
    case 1:
      return { path: 'v1/messages', body: { model: 'sim/free', stream, max_tokens: 50, messages } }
    case 2:
      return { path: 'v1/responses', body: { model: 'sim/free', stream, input: `${canary} ${n}` } }
    case 3:
      return { path: 'v1beta/models/sim/free:generateContent', body: { contents: [{ parts: [{ text: canary }] }] } }
    case 4:
      return { path: 'v1/messages/count_tokens', body: { model: 'sim/free', messages } }
    default:
      return { path: 'v1/chat/completions', body: { model: `no ${canary}`, messages, tools: canary } }
  }
}

/** Returns how many answers held the text: those that echo it. */
async function talk({ baseUrl, apiKey }: Gateway, canary: string): Promise<number> {
  let next = 0
  let echoes = 0
  const lane = async (): Promise<void> => {
    while (next < REQUESTS) {
      const { path, body } = requestOf(next++, canary)
      const response = await fetch(`${baseUrl}/zen/${path}`, {
        method: 'POST',
        headers: { 'x-api-key': apiKey, 'content-type': 'application/json', 'idempotency-key': `${next}` },
        body: JSON.stringify(body),
      })
      if ((await response.text()).includes(canary)) echoes++
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return echoes
}

/** The files and tables that hold the text in any form, and the log where it does. */
function findIn(gateway: Gateway, books: BooksPlace, canary: string): string[] {
  const forms = formsOf(canary)
  const holds = (text: string | Buffer): boolean => forms.some((form) => text.includes(form))
  const files = readdirSync(gateway.dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  return [
    ...files.filter((path) => holds(readFileSync(path))),
    ...tablesThat(books, holds),
    ...(holds(gateway.output()) ? ['the log'] : []),
  ]
}

function tablesThat(books: BooksPlace, holds: (text: string) => boolean): string[] {
  const sql = openSyncSql(books)
  const names = { sqlite: "SELECT name FROM sqlite_master WHERE type = 'table'", postgres: POSTGRES_TABLES }
  const text = (rows: unknown): string =>
    JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
  const found = sql
    .all<{ name: string }>(names[sql.engine])
    .filter(({ name }) => holds(text(sql.all(`SELECT * FROM ${name}`))))
  sql.close()
  return found.map(({ name }) => name)
}

const POSTGRES_TABLES = 'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema()'

forEachEngine((engine) => {
  describe('what is said', () => {
    it(`stands nowhere after ${REQUESTS} requests: no file, no table, no log line`, async (t) => {
      const canary = `canary${randomBytes(12).toString('hex')}`
      const place = engine.name === 'postgres' ? (await engine.createStore(t)).place : null
      const gateway = await startGateway({
        config: {},
        env: { ZENDO_LOG_LEVEL: 'trace', ...(place && 'url' in place && { DATABASE_URL: place.url }) },
      })
      t.after(() => gateway.remove())
      const books = place && 'url' in place ? { url: place.url } : { dataDir: gateway.dataDir }
      const echoes = await talk(gateway, canary)
      assert.ok(echoes > REQUESTS / 3, `only ${echoes} answers held it`)
      assert.deepEqual(findIn(gateway, books, canary), [])
      await gateway.stop()
      assert.deepEqual(findIn(gateway, books, canary), [])
      // What looks for it finds it where it is.
      appendFileSync(join(gateway.dataDir, 'planted'), `x${Buffer.from(canary).toString('base64url')}x`)
      assert.equal(findIn(gateway, books, canary).length, 1)
    })
  })
})
