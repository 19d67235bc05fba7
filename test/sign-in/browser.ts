/** What a browser does for the API: keeps the session's cookie and brings back the token for writes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { allRoutes } from '../../src/api/all-routes.ts'
import { newId } from '../../src/base/ids.ts'
import type { Acting } from '../../src/control/acting.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import { hashPassword } from '../../src/control/sign-in/password.ts'
import type { Database } from '../../src/store/database.ts'
import { insertPerson } from '../../src/store/person.ts'
import { type ControlServer, startControlServer } from '../support/control-server.ts'

export const NOON_MS = Date.UTC(2026, 10, 20, 12)
export const PASSWORD = 'seven quiet otters'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what tests look at
  readonly body: any
}

export interface Browser {
  /** What its cookie holds; null before it is signed in. */
  token(): string | null
  csrf(): string
  /** `POST /api/…`; headers stand above those that it sends by itself. */
  ask(question: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>
  signIn(email: string, password?: string): Promise<Answer>
}

export function openBrowser(url: string, start: { readonly token?: string } = {}): Browser {
  let token: string | null = start.token ?? null
  let csrf = ''
  async function ask(
    question: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const [method = '', path = ''] = question.split(' ')
    const response = await fetch(`${url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== null && { cookie: `zendo_session=${token}`, 'x-zendo-csrf': csrf }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const set = response.headers.get('set-cookie')
    if (set !== null) token = /^(?:__Host-)?zendo_session=([^;]*)/.exec(set)?.[1] || null
    const text = await response.text()
    const parsed: unknown = text === '' ? null : JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && 'csrf' in parsed) csrf = String(parsed.csrf)
    return { status: response.status, headers: response.headers, text, body: parsed }
  }
  return {
    token: () => token,
    csrf: () => csrf,
    ask,
    signIn: (email, password = PASSWORD) => ask('POST /api/sign-in/password', { email, password }),
  }
}

export interface SignInWorld extends ControlServer {
  readonly clock: { nowMs: number }
  /** Adds somebody with a password; resolves with the id. */
  addPerson(email: string, is?: { readonly isOperator?: boolean; readonly password?: string | null }): Promise<string>
  browser(): Browser
}

/** A server with a clock that is moved by hand. */
export async function startSignInWorld(
  t: TestContext,
  database: Database,
  control: Partial<ControlPlane> = {},
): Promise<SignInWorld> {
  const clock = { nowMs: NOON_MS }
  const server = await startControlServer(t, database, { routes: allRoutes, clock: () => clock.nowMs, control })
  return {
    ...server,
    clock,
    async addPerson(email, { isOperator = false, password = PASSWORD } = {}) {
      const id = newId('per', clock.nowMs)
      const hash = password === null ? null : await hashPassword(password, randomBytes)
      await database.write((sql) =>
        insertPerson(sql, { id, email, name: email, isOperator, password: hash, isProved: true }, clock.nowMs),
      )
      return id
    },
    browser: () => openBrowser(server.url),
  }
}

/** As somebody at the machine's own shell. */
export function actingAtShell({ trailKey }: ControlPlane, nowMs: number): Acting {
  return { actor: { kind: 'shell', id: null }, nowMs, requestId: null, trailKey, randomBytes }
}

export interface Entry {
  readonly action: string
  readonly actorKind: string
  readonly actorId: string | null
  readonly target: string | null
}

/** The audit log, oldest first. */
export function auditLog(database: Database): Promise<Entry[]> {
  return database.all<Entry>(
    'SELECT action, actor_kind AS "actorKind", actor_id AS "actorId", target FROM audit_log ORDER BY seq',
  )
}

/** Every row of every table that signing in writes, as one text. */
export async function dump(database: Database): Promise<string> {
  const rows = await Promise.all(
    ['person', 'session', 'challenge', 'throttle', 'audit_log', 'member', 'setting', 'kept_reply'].map((table) =>
      database.all(`SELECT * FROM ${table}`),
    ),
  )
  return JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

/** The answer without what differs in every answer. */
export function withoutRequestId({ text }: Answer): string {
  return text.replace(/req_[0-9a-z]{26}/g, 'req')
}

export function assertProblem(answer: Answer, status: number, code: string): void {
  assert.deepEqual([answer.status, answer.body?.code], [status, code], answer.text)
}
