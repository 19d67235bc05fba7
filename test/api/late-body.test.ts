/** A body may take a minute to arrive: who lost a right meanwhile does nothing with it any more. */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type IncomingMessage, request } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { z } from 'zod'
import { type OperationContext, serve } from '../../src/api/operation-route.ts'
import { HOUR_MS } from '../../src/base/time.ts'
import { type OperationShape, operation } from '../../src/contract/operation.ts'
import { changeOnRecord } from '../../src/control/acting.ts'
import type { Database } from '../../src/store/database.ts'
import { type ControlServer, type Credentials, startControlServer } from '../support/control-server.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { until } from '../support/until.ts'

const base = {
  ...({ method: 'POST', rate: 'write', scope: 'manage', summary: 'Makes a workspace named x.' } as const),
  body: z.strictObject({ name: z.string() }),
  reply: z.strictObject({ done: z.boolean() }),
} as const
const SHAPES = {
  operator: operation({ ...base, id: 'x.operator', path: '/api/x', access: 'operator' }),
  person: operation({ ...base, id: 'x.person', path: '/api/person', access: 'person' }),
  member: operation({ ...base, id: 'x.member', path: '/api/workspaces/{workspace}/x', access: 'member' }),
  admin: operation({ ...base, id: 'x.admin', path: '/api/workspaces/{workspace}/admin', access: 'admin' }),
}

interface Scene {
  readonly server: ControlServer
  readonly database: Database
  /** Awaited by each handler before its transaction. */
  beforeChange: () => Promise<unknown>
  /** How many handlers were reached. */
  reached: number
}

async function start(t: TestContext, engine: TestEngine): Promise<Scene> {
  const database = await engine.openDatabase(t)
  const handler = async ({ control, acting, place }: OperationContext) => {
    scene.reached++
    await scene.beforeChange()
    await changeOnRecord(control.database, acting, async (sql, put) => {
      await sql.run("INSERT INTO workspace (id, name, created_at) VALUES ('wrk_x', 'x', 1)")
      await put({ action: 'x', workspaceId: place?.workspace.id ?? null, target: 'wrk_x' })
    })
    return { done: true }
  }
  const routes = Object.values(SHAPES).map((shape) => serve(shape, handler))
  const server = await startControlServer(t, database, { routes })
  const scene: Scene = { server, database, beforeChange: async () => undefined, reached: 0 }
  return scene
}

interface Answer {
  readonly status: number
  readonly code: string | null
}

/** Sends a body in two halves; what is given to do is done once the server waits for the second. */
async function trickle(
  { server }: Scene,
  shape: OperationShape,
  who: Credentials,
  meanwhile: () => Promise<unknown>,
): Promise<Answer> {
  const url = new URL(shape.path.replace('{workspace}', server.workspaceId), server.url)
  const body = '{"name":"x"}'
  const headers = { ...who, 'content-type': 'application/json', 'content-length': String(body.length) }
  const incoming = Promise.withResolvers<IncomingMessage>()
  const note = (message: unknown) => {
    const { request } = message as { request: IncomingMessage }
    if (request.url === url.pathname) incoming.resolve(request)
  }
  subscribe('http.server.request.start', note)
  try {
    const answer = Promise.withResolvers<Answer>()
    const sent = request(url, { method: shape.method, headers, agent: false }, async (response) => {
      let text = ''
      for await (const chunk of response) text += String(chunk)
      answer.resolve({ status: response.statusCode ?? 0, code: (JSON.parse(text) as { code?: string }).code ?? null })
    })
    sent.once('error', answer.reject)
    sent.write(body.slice(0, 5))
    const received = await incoming.promise
    await until('the caller was let in', () => received.listenerCount('data') > 0)
    await meanwhile()
    sent.end(body.slice(5))
    return await answer.promise
  } finally {
    unsubscribe('http.server.request.start', note)
  }
}

interface Loss {
  readonly what: string
  readonly shape: OperationShape
  readonly who: (server: ControlServer) => Promise<Credentials>
  /** One statement; `?` is the workspace where it stands. */
  readonly change: string
  readonly answer: Answer
}

const denied: Answer = { status: 403, code: 'permission_denied' }
const changed: Answer = { status: 409, code: 'conflict' }
const signedOut: Answer = { status: 401, code: 'sign_in_required' }
const disabled: Answer = { status: 403, code: 'key_disabled' }
const opal = (server: ControlServer) => server.signIn('ann', { isOperator: true, role: 'admin' })
const admin = (server: ControlServer) => server.signIn('ann', { role: 'admin' })
const key = (server: ControlServer) => server.makeKey(['manage'], 'admin')
const ofKey = "WHERE id LIKE 'key_test%'"

const LOSSES: readonly Loss[] = [
  {
    ...{ what: 'the right of an operator', shape: SHAPES.operator, who: opal, answer: denied },
    change: 'UPDATE person SET is_operator = 0',
  },
  {
    ...{ what: 'the right of an operator who goes on as an admin', shape: SHAPES.admin, who: opal, answer: changed },
    change: 'UPDATE person SET is_operator = 0',
  },
  {
    ...{ what: 'the role of an admin', shape: SHAPES.admin, who: admin, answer: denied },
    change: "UPDATE member SET role = 'member' WHERE id = 'mem_ann'",
  },
  {
    ...{ what: 'the role of an admin, where members may ask', shape: SHAPES.member, who: admin, answer: changed },
    change: "UPDATE member SET role = 'member' WHERE id = 'mem_ann'",
  },
  {
    ...{ what: 'its place in the workspace', shape: SHAPES.member, who: admin },
    ...{ change: "UPDATE member SET removed_at = 1 WHERE id = 'mem_ann'", answer: { status: 404, code: 'not_found' } },
  },
  {
    ...{ what: 'its session', shape: SHAPES.person, who: admin, answer: signedOut },
    change: 'UPDATE session SET ended_at = 1',
  },
  {
    ...{ what: 'the token of its session, to a proof of identity', shape: SHAPES.person, who: admin },
    ...{ change: "UPDATE session SET hash = 'new', authenticated_at = authenticated_at + 1", answer: signedOut },
  },
  {
    ...{ what: 'the time of its session', shape: SHAPES.person, who: admin, answer: signedOut },
    change: 'UPDATE session SET expires_at = 1',
  },
  {
    ...{ what: 'the role behind a key', shape: SHAPES.member, who: key, answer: changed },
    change: "UPDATE member SET role = 'member' WHERE id LIKE 'mem_test%'",
  },
  {
    ...{ what: 'a key', shape: SHAPES.member, who: key, answer: disabled },
    change: `UPDATE api_key SET revoked_at = 1 ${ofKey}`,
  },
  {
    ...{ what: 'the time of a key', shape: SHAPES.member, who: key, answer: disabled },
    change: `UPDATE api_key SET expires_at = 1 ${ofKey}`,
  },
  {
    ...{ what: 'some of the time of a key', shape: SHAPES.member, who: key, answer: changed },
    change: `UPDATE api_key SET expires_at = ${Date.now() + HOUR_MS} ${ofKey}`,
  },
  {
    ...{ what: 'the text of a key', shape: SHAPES.member, who: key, answer: disabled },
    change: `UPDATE api_key SET hash = 'new' ${ofKey}`,
  },
  {
    ...{ what: 'models of a key', shape: SHAPES.member, who: key, answer: changed },
    change: `UPDATE api_key SET models = '["sim/free"]' ${ofKey}`,
  },
  {
    ...{ what: 'products of a key', shape: SHAPES.member, who: key, answer: changed },
    change: `UPDATE api_key SET products = '["go"]' ${ofKey}`,
  },
  {
    ...{ what: 'scopes of a key', shape: SHAPES.member, who: key, answer: changed },
    change: `UPDATE api_key SET scopes = '["read"]' ${ofKey}`,
  },
  {
    ...{ what: 'the workspace of a key to the operator, who shut it', shape: SHAPES.member, who: key },
    ...{ change: 'UPDATE workspace SET blocked_at = 1', answer: { status: 403, code: 'workspace_blocked' } },
  },
]

forEachEngine((engine) => {
  describe('a caller whose body arrives late', () => {
    it('does what it asked for when nothing has changed', async (t) => {
      for (const shape of Object.values(SHAPES)) {
        const scene = await start(t, engine)
        const who = shape === SHAPES.member ? await key(scene.server) : await opal(scene.server)
        assert.deepEqual(await trickle(scene, shape, who, async () => undefined), { status: 201, code: null }, shape.id)
      }
    })

    for (const { what, shape, who, change, answer } of LOSSES) {
      it(`and that has lost ${what} meanwhile is refused before anything is done`, async (t) => {
        const scene = await start(t, engine)
        const credentials = await who(scene.server)
        assert.deepEqual(await trickle(scene, shape, credentials, () => scene.database.run(change)), answer)
        assert.equal(scene.reached, 0)
      })

      it(`and that loses ${what} in the handler writes nothing`, async (t) => {
        const scene = await start(t, engine)
        const credentials = await who(scene.server)
        scene.beforeChange = () => scene.database.run(change)
        assert.deepEqual(await trickle(scene, shape, credentials, async () => undefined), answer)
        assert.equal(scene.reached, 1)
        assert.equal(await scene.database.get("SELECT 1 FROM workspace WHERE id = 'wrk_x'"), undefined)
        assert.equal(await scene.database.get("SELECT 1 FROM audit_log WHERE action = 'x'"), undefined)
      })
    }
  })
})
