/** The reporting routes on a real socket over books that a test has filled, asked with keys of three people. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { chargePolicyRoutes } from '../../src/api/charge-policy.ts'
import { exportRoutes } from '../../src/api/export.ts'
import { sendError } from '../../src/api/reply.ts'
import { requestRoutes } from '../../src/api/requests.ts'
import { createRouteTable, type Visit } from '../../src/api/routes.ts'
import { usageRoutes } from '../../src/api/usage-cube.ts'
import { AppError } from '../../src/base/errors.ts'
import type { RequestView } from '../../src/control/request-view.ts'
import { DEFAULT_POLICY } from '../../src/domain/workspace-policy.ts'
import type { Database } from '../../src/store/database.ts'
import type { KeyOwner } from '../../src/store/key.ts'
import { ADMIN, MEMBER, STRANGER, UNTIL_MS, ZONE } from './books.ts'

/** `agent`: a key of the admin's for inference alone. */
export type Person = 'admin' | 'member' | 'stranger' | 'agent'

/** What is asked for in the tests is asked now: the week is over. */
export const NOW_MS = UNTIL_MS + 60_000

function ownerOf(person: Person): KeyOwner {
  const ids = { admin: ADMIN, member: MEMBER, stranger: STRANGER, agent: ADMIN }[person]
  return {
    ...ids,
    ...{ role: person === 'member' ? 'member' : 'admin', balanceId: `acc_${ids.workspaceId}`, revoked: false },
    ...{ seats: [], caps: [], timeZone: ZONE, weekStart: 1, policy: DEFAULT_POLICY, credentials: [] },
    ...{ expiresAtMs: null, isOrphaned: false, isBlocked: false, models: null, products: null },
    ...{ scopes: person === 'agent' ? ['inference'] : ['inference', 'read'] },
    ...{ tags: [], personId: null, isOperator: false },
  }
}

export interface World {
  readonly url: string
  /** The answer as JSON. @throws when it is no 200. */
  get<Answer = Record<string, unknown>>(path: string, person?: Person): Promise<Answer>
  /** The error of an answer that is one. */
  refusal(path: string, person?: Person): Promise<{ status: number; code: string; message: string; param?: string }>
  fetch(path: string, person?: Person, signal?: AbortSignal): Promise<Response>
  /** What a handler threw that no client was told of. */
  readonly failures: readonly unknown[]
}

export interface Page {
  readonly data: readonly RequestView[]
  readonly next_cursor: string | null
}

export async function startWorld(t: TestContext, database: Database, clock = () => NOW_MS): Promise<World> {
  const routes = createRouteTable([...requestRoutes, ...usageRoutes, ...exportRoutes, ...chargePolicyRoutes])
  const failures: unknown[] = []
  const gateway = { database, clock }
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '/'
    const [path = '/', query = ''] = url.split('?')
    try {
      const found = routes.find(request.method === 'HEAD' ? 'GET' : `${request.method}`, {
        tail: path,
        isProduct: false,
      })
      if (!found) throw new AppError('route_not_found', 'nothing here')
      const { route } = found
      const person = request.headers.authorization?.replace('Bearer ', '')
      const owner = route.auth === 'none' ? null : ownerOf(person as Person)
      await route.handle({ id: 'req_visit', request, response, query, tail: path, owner, gateway } as Visit)
    } catch (error) {
      if (!(error instanceof AppError)) failures.push(error)
      const known = error instanceof AppError ? error : new AppError('internal', 'internal')
      sendError({ response, protocol: 'openai-chat', requestId: 'req_visit', clock }, known)
    }
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ask = (path: string, person: Person = 'admin', signal?: AbortSignal): Promise<Response> =>
    fetch(url + path, { headers: { authorization: `Bearer ${person}` }, ...(signal && { signal }) })
  return {
    url,
    failures,
    fetch: ask,
    async get<Answer>(path: string, person?: Person) {
      const response = await ask(path, person)
      const text = await response.text()
      assert.equal(response.status, 200, `${path}: ${text}`)
      return JSON.parse(text) as Answer
    },
    async refusal(path, person) {
      const response = await ask(path, person)
      const { error } = (await response.json()) as { error: { code: string; message: string; param?: string } }
      return { status: response.status, ...error }
    },
  }
}
