/** A gateway's control plane with people of every kind, on a clock that the test moves. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { allRoutes } from '../../src/api/all-routes.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import type { Database } from '../../src/store/database.ts'
import { type ControlServer, type Credentials, startControlServer } from '../support/control-server.ts'

const START_MS = Date.UTC(2026, 10, 20, 12)

export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: Headers
}

export interface Team {
  readonly server: ControlServer
  readonly database: Database
  /** Below `/api/workspaces/<the first workspace>` unless it begins with a slash. */
  call(who: Credentials, method: string, path: string, body?: object, headers?: Credentials): Promise<Answer>
  /** Lets time pass. */
  pass(milliseconds: number): void
  nowMs(): number
}

/** The catalogue has the plan `go`; nobody asks too often. */
const CONFIG = {
  limits: { api: { read: 0, write: 0, signIn: 0 } },
  plans: {
    go: {
      ...{ price: 10, interval: 'month', products: ['go'] },
      windows: [
        { name: '5 hour', kind: 'session', hours: 5, limit: 12 },
        { name: 'weekly', kind: 'calendar', unit: 'week', limit: 30 },
        { name: 'monthly', kind: 'anchored', unit: 'month', limit: 60 },
      ],
    },
  },
}

export async function startTeam(t: TestContext, database: Database, more: Partial<ControlPlane> = {}): Promise<Team> {
  let nowMs = START_MS
  const server = await startControlServer(t, database, {
    ...{ routes: allRoutes, config: CONFIG, clock: () => nowMs, control: more },
  })
  return {
    ...{ server, database, nowMs: () => nowMs },
    pass: (milliseconds) => {
      nowMs += milliseconds
    },
    async call(who, method, path, body, headers = {}) {
      nowMs += 1
      const url = `${server.url}${path.startsWith('/') ? path : `/api/workspaces/${server.workspaceId}/${path}`}`
      const sent = body === undefined ? {} : { body: JSON.stringify(body) }
      const type = body === undefined ? {} : { 'content-type': 'application/json' }
      const response = await fetch(url, { method, headers: { ...who, ...type, ...headers }, ...sent })
      const text = await response.text()
      return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
    },
  }
}

/** The answer's content, which must be of that status. */
export async function expectStatus(status: number, answer: Promise<Answer>): Promise<Answer['body']> {
  const { status: actual, body } = await answer
  assert.equal(actual, status, JSON.stringify(body))
  return body
}

/** @throws AssertionError unless it was refused with that code */
export async function expectCode(code: string, answer: Promise<Answer>): Promise<Answer['body']> {
  const { body } = await answer
  assert.equal(body.code, code, JSON.stringify(body))
  return body
}

export function listOf(body: Answer['body']): readonly Record<string, unknown>[] {
  assert.ok(Array.isArray(body.data), JSON.stringify(body))
  return body.data
}

/** What the log has of an action, oldest first: who, on what. */
export async function listRecords(database: Database, action: string) {
  return await database.all<{ actor_id: string | null; target: string | null; workspace_id: string | null }>(
    'SELECT actor_id, target, workspace_id FROM audit_log WHERE action = ? ORDER BY seq',
    action,
  )
}
