/** Who is let in to an operation: by its definition, the matched route and what proves who asks, and by nothing else. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { z } from 'zod'
import { serve } from '../../src/api/operation-route.ts'
import { MINUTE_MS } from '../../src/base/time.ts'
import { type OperationShape, operation } from '../../src/contract/operation.ts'
import { type ControlServer, type Credentials, startControlServer } from '../support/control-server.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { sendRaw } from '../support/raw-http.ts'

const REPLY = z.strictObject({ who: z.string() })

function shapeOf(more: Partial<OperationShape> & Pick<OperationShape, 'id' | 'path'>): OperationShape {
  const base = {
    method: 'GET',
    access: 'person',
    rate: 'read',
    scope: 'read',
    summary: 'Says who.',
    reply: REPLY,
  } as const
  return operation({ ...base, ...more })
}

const SHAPES = {
  public: shapeOf({
    id: 'who.public',
    path: '/api/public',
    access: 'public',
    scope: null,
    method: 'POST',
    rate: 'sign_in',
  }),
  person: shapeOf({ id: 'who.person', path: '/api/person' }),
  write: shapeOf({ id: 'who.write', path: '/api/person', method: 'POST', rate: 'write', scope: 'manage' }),
  peopleOnly: shapeOf({ id: 'who.people', path: '/api/people-only', scope: null }),
  sensitive: shapeOf({ id: 'who.sensitive', path: '/api/sensitive', scope: null, isSensitive: true }),
  member: shapeOf({ id: 'who.member', path: '/api/workspaces/{workspace}/who', access: 'member' }),
  admin: shapeOf({ id: 'who.admin', path: '/api/workspaces/{workspace}/admin', access: 'admin' }),
  operator: shapeOf({ id: 'who.operator', path: '/api/operator', access: 'operator' }),
  prove: shapeOf({ id: 'who.prove', path: '/api/prove', scope: null, method: 'POST', rate: 'sign_in' }),
  leaky: shapeOf({ id: 'who.leaky', path: '/api/leaky', scope: null }),
}

/** In the order of the table below. */
const MATRIX = Object.values(SHAPES).filter(({ id }) => id !== 'who.leaky' && id !== 'who.prove')

async function start(t: TestContext, engine: TestEngine, options: { config?: object; clock?: () => number } = {}) {
  const routes = Object.values(SHAPES).map((shape) =>
    serve(shape, async ({ principal, place }) => {
      const id = principal?.kind === 'person' ? principal.personId : (principal?.kind ?? 'nobody')
      // Another member must not leave: the definition does not name it.
      const more = shape === SHAPES.leaky ? { secret: 'never' } : {}
      return { who: place ? `${id} ${place.role}` : id, ...more }
    }),
  )
  return await startControlServer(t, await engine.openDatabase(t), { routes, ...options })
}

async function ask(
  { url, workspaceId }: ControlServer,
  shape: OperationShape,
  who: Credentials = {},
  more: RequestInit & { workspace?: string } = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
  const path = shape.path.replace('{workspace}', more.workspace ?? workspaceId)
  const response = await fetch(url + path, { method: shape.method, ...more, headers: { ...who, ...more.headers } })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : JSON.parse(text), headers: response.headers }
}

forEachEngine((engine) => {
  describe('an operation', () => {
    it('lets in whom its definition names, and says no to everybody else', async (t) => {
      const server = await start(t, engine)
      const callers: Record<string, Credentials> = {
        nobody: {},
        stranger: await server.signIn('zoe'),
        member: await server.signIn('mia', { role: 'member' }),
        admin: await server.signIn('ann', { role: 'admin' }),
        operator: await server.signIn('opal', { isOperator: true }),
        inference: await server.makeKey(['inference'], 'admin'),
        read: await server.makeKey(['read'], 'admin'),
        memberKey: await server.makeKey(['manage'], 'member'),
      }
      const table: Record<string, string> = {}
      for (const [name, who] of Object.entries(callers)) {
        const statuses: number[] = []
        for (const shape of MATRIX) statuses.push((await ask(server, shape, who)).status)
        table[name] = statuses.join(' ')
      }
      assert.deepEqual(table, {
        //         public person write people sensitive member admin operator
        nobody: '201 401 401 401 401 401 401 401',
        stranger: '201 200 201 200 200 404 404 403',
        member: '201 200 201 200 200 200 403 403',
        admin: '201 200 201 200 200 200 200 403',
        operator: '201 200 201 200 200 200 200 200',
        inference: '201 403 403 403 403 403 403 403',
        read: '201 200 403 403 403 200 200 403',
        memberKey: '201 200 201 403 403 200 403 403',
      })
    })

    it('a public one goes by neither cookie nor key, not even a wrong one', async (t) => {
      const server = await start(t, engine)
      const ann = await server.signIn('ann')
      for (const who of [{}, ann, { authorization: 'Bearer sk-zendo-wrong' }, await server.makeKey(['manage'])]) {
        assert.deepEqual((await ask(server, SHAPES.public, who)).body, { who: 'nobody' })
      }
    })

    it('a key that is wrong is not made good by a cookie, and a key in the address is none', async (t) => {
      const server = await start(t, engine)
      const ann = await server.signIn('ann')
      assert.equal((await ask(server, SHAPES.person, { ...ann, authorization: 'Bearer nonsense' })).status, 401)
      const url = `${server.url}/api/person?key=${server.firstKey}`
      assert.equal((await fetch(url)).status, 401)
    })

    it('a workspace that is not there and one that is not yours are the same answer', async (t) => {
      const server = await start(t, engine)
      const zoe = await server.signIn('zoe')
      const answers = [
        await ask(server, SHAPES.member, zoe),
        await ask(server, SHAPES.member, zoe, { workspace: 'wrk_none' }),
      ]
      const [theirs, none] = answers.map(({ status, body }) =>
        JSON.stringify({ status, body }).replaceAll(String(body.request_id), ''),
      )
      assert.equal(theirs, none)
    })

    it('a write by cookie wants its token and our own origin', async (t) => {
      const server = await start(t, engine)
      const ann = await server.signIn('ann')
      const bob = await server.signIn('bob')
      const write = async (headers: Credentials) => (await ask(server, SHAPES.write, { ...ann, ...headers })).status
      assert.equal(await write({}), 201)
      assert.equal(await write({ origin: server.url }), 201)
      assert.equal(await write({ 'x-zendo-csrf': '' }), 403)
      assert.equal(await write({ 'x-zendo-csrf': bob['x-zendo-csrf'] ?? '' }), 403)
      for (const origin of ['https://evil.example', 'null', `${server.url}.evil.example`]) {
        assert.equal(await write({ origin }), 403, origin)
        assert.equal((await ask(server, SHAPES.public, { origin })).status, 403, origin)
      }
      assert.equal(await write({ 'sec-fetch-site': 'cross-site' }), 403)
    })

    it('a sensitive one wants a proof of identity of the last 15 minutes', async (t) => {
      let nowMs = Date.now()
      const server = await start(t, engine, { clock: () => nowMs })
      const ann = await server.signIn('ann')
      nowMs += 15 * MINUTE_MS - 1
      assert.equal((await ask(server, SHAPES.sensitive, ann)).status, 200)
      nowMs += 1
      const { status, body } = await ask(server, SHAPES.sensitive, ann)
      assert.deepEqual([status, body.metadata], [403, { reason: 'sign_in_again' }])
      assert.equal((await ask(server, SHAPES.person, ann)).status, 200)
    })

    it('what a handler adds by mistake does not leave', async (t) => {
      const server = await start(t, engine)
      const { status, body } = await ask(server, SHAPES.leaky, await server.signIn('ann'))
      assert.equal(status, 500)
      assert.ok(!JSON.stringify(body).includes('never'))
    })

    it('answers with what its definition names, and headers that keep it from being stored, framed or run', async (t) => {
      const server = await start(t, engine)
      const { body, headers } = await ask(server, SHAPES.person, await server.signIn('ann'))
      assert.deepEqual(body, { who: 'per_ann' })
      assert.equal(headers.get('cache-control'), 'no-store')
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.equal(headers.get('access-control-allow-origin'), null)
    })

    it('refuses what it does not name, and what stands twice', async (t) => {
      const server = await start(t, engine)
      const ann = await server.signIn('ann')
      for (const query of ['?a=1', '?__proto__=1', '?key=1']) {
        const response = await fetch(`${server.url}/api/person${query}`, { headers: ann })
        assert.equal(response.status, 400, query)
        await response.arrayBuffer()
      }
    })

    it('HEAD asks as GET does; other methods, overrides and rewritten paths reach nothing else', async (t) => {
      const server = await start(t, engine)
      const { cookie = '' } = await server.signIn('ann')
      const send = async (line: string, headers: Credentials = {}) => {
        const head = Object.entries({ host: 'x', cookie, connection: 'close', ...headers })
        const text = `${line} HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
        const { replies } = await sendRaw(Number(new URL(server.url).port), [text])
        return { status: replies[0]?.status, body: replies[0]?.body }
      }
      for (const [path, status] of [
        ['/api/person', 200],
        ['/api/operator', 403],
      ] as const) {
        const response = await fetch(server.url + path, { method: 'HEAD', headers: { cookie } })
        assert.deepEqual([response.status, await response.text()], [status, ''])
      }
      for (const method of ['OPTIONS', 'TRACE', 'PUT', 'DELETE', 'PATCH']) {
        assert.equal((await send(`${method} /api/person`)).status, 404, method)
      }
      for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override']) {
        const { body } = await send('GET /api/person', { [name]: 'POST' })
        assert.equal(body, '{"who":"per_ann"}')
      }
      for (const name of ['x-original-url', 'x-rewrite-url', 'x-forwarded-path']) {
        assert.equal((await send('GET /api/person', { [name]: '/api/public' })).body, '{"who":"per_ann"}')
        assert.equal((await send('GET /api/operator', { [name]: '/api/person' })).status, 403)
      }
      for (const path of [
        '/api//person',
        '/api/./person',
        '/API/person',
        '/api/person/',
        '/api/person;x',
        '/api%2fperson',
      ]) {
        assert.equal((await send(`GET ${path}`)).status, 404, path)
      }
    })
  })

  describe('rates', () => {
    const config = { limits: { api: { read: 3, write: 2, signIn: 4, probe: 1 } } }

    it('each caller has its own; beyond it comes 429 with when to come again, and nothing is done', async (t) => {
      let nowMs = Date.now()
      const server = await start(t, engine, { config, clock: () => nowMs })
      const [ann, bob] = [await server.signIn('ann'), await server.signIn('bob')]
      const key = await server.makeKey(['manage'])
      const statuses = async (shape: OperationShape, who: Credentials, times: number) => {
        const found: number[] = []
        for (let n = 0; n < times; n++) found.push((await ask(server, shape, who)).status)
        return found
      }
      for (const who of [ann, bob, key]) {
        assert.deepEqual(await statuses(SHAPES.person, who, 4), [200, 200, 200, 429])
        assert.deepEqual(await statuses(SHAPES.write, who, 3), [201, 201, 429])
      }
      const { headers, body } = await ask(server, SHAPES.person, ann)
      assert.deepEqual([headers.get('retry-after'), body.code], ['20', 'rate_limited'])
      nowMs += 19_999
      assert.equal((await ask(server, SHAPES.person, ann)).status, 429)
      nowMs += 1
      assert.equal((await ask(server, SHAPES.person, ann)).status, 200)
    })

    it('steps of signing in go by the address, whoever asks', async (t) => {
      const server = await start(t, engine, { config })
      const ann = await server.signIn('ann')
      const statuses: number[] = []
      const bob = await server.signIn('bob')
      for (const who of [ann, bob, ann]) statuses.push((await ask(server, SHAPES.prove, who)).status)
      for (const who of [{}, ann, {}]) statuses.push((await ask(server, SHAPES.public, who)).status)
      assert.deepEqual(statuses, [201, 201, 201, 201, 429, 429])
    })

    it('whoever tries keys and cookies is slowed down by the address', async (t) => {
      const limits = { address: { requestsPerMinute: 5 } }
      const server = await start(t, engine, { config: { limits } })
      const statuses: number[] = []
      for (let n = 0; n < 7; n++)
        statuses.push((await ask(server, SHAPES.person, { authorization: `Bearer ${n}` })).status)
      assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429])
    })
  })
})
