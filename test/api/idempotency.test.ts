/** A write that is sent again by its `Idempotency-Key` has one effect and one answer, however often and wherever. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { forgetReplies } from '../../src/api/kept-reply.ts'
import { serve } from '../../src/api/operation-route.ts'
import { AppError } from '../../src/base/errors.ts'
import { DAY_MS, MINUTE_MS } from '../../src/base/time.ts'
import { operation } from '../../src/contract/operation.ts'
import { csrfToken, startSession } from '../../src/control/sign-in/session.ts'
import type { Database } from '../../src/store/database.ts'
import { type ControlServer, type Credentials, startControlServer } from '../support/control-server.ts'
import { forEachEngine } from '../support/engines.ts'

const createThing = operation({
  ...({ id: 'thing.create', method: 'POST', path: '/api/things', access: 'person', rate: 'write' } as const),
  ...({ scope: 'manage', summary: 'Makes a thing.', once: ['secret'] } as const),
  body: z.strictObject({ name: z.string() }),
  reply: z.strictObject({ id: z.string(), secret: z.string().nullable() }),
})
const deleteThing = operation({
  ...({ id: 'thing.delete', method: 'DELETE', path: '/api/things/{thing}', access: 'person', rate: 'write' } as const),
  ...({ scope: 'manage', summary: 'Takes a thing away.' } as const),
  reply: z.undefined(),
})

/** Of the session itself: no key may ask. */
const endOwn = operation({
  ...({ id: 'own.end', method: 'DELETE', path: '/api/own', access: 'person', rate: 'write' } as const),
  ...({ scope: null, summary: 'Ends.', reply: z.undefined() } as const),
})

interface Things {
  /** How often the work was done. */
  count: number
  /** Awaited by each work, so that a twin comes while it is under way. */
  work: () => Promise<void>
}

function routesOf(things: Things) {
  return [
    serve(createThing, async () => {
      things.count++
      await things.work()
      return { id: `thing_${things.count}`, secret: `sk-secret-${things.count}` }
    }),
    ...[deleteThing, endOwn].map((shape) =>
      serve(shape, async () => {
        things.count++
        return undefined
      }),
    ),
  ]
}

interface Sent {
  readonly status: number
  readonly isReplayed: boolean
  readonly retryAfter: string | null
  readonly body: { id?: string; secret?: string | null; code?: string } | null
}

async function send(
  { url }: ControlServer,
  who: Credentials,
  name: string | null,
  {
    body = { name: 'a' },
    path = '/api/things',
    method = 'POST',
  }: { body?: object; path?: string; method?: string } = {},
): Promise<Sent> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...who, ...(name !== null && { 'idempotency-key': name }), 'content-type': 'application/json' },
    ...(method === 'POST' && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    isReplayed: response.headers.get('idempotency-replayed') === 'true',
    retryAfter: response.headers.get('retry-after'),
    body: text === '' ? null : JSON.parse(text),
  }
}

forEachEngine((engine) => {
  async function start(t: Parameters<typeof engine.openDatabase>[0], clock = Date.now) {
    const database: Database = await engine.openDatabase(t)
    const things: Things = { count: 0, work: async () => {} }
    const server = await startControlServer(t, database, { routes: routesOf(things), clock })
    return { database, things, server, who: await server.signIn('ann') }
  }

  describe('Idempotency-Key', () => {
    it('the same write twice has one effect and one answer, in which what is told once is null', async (t) => {
      const { database, things, server, who } = await start(t)
      const first = await send(server, who, 'n1')
      assert.deepEqual(first.body, { id: 'thing_1', secret: 'sk-secret-1' })
      const again = await send(server, who, 'n1')
      assert.deepEqual([again.status, again.isReplayed, again.body], [201, true, { id: 'thing_1', secret: null }])
      assert.equal(things.count, 1)
      const rows = await database.all<{ body: string }>('SELECT * FROM kept_reply')
      assert.ok(
        !JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? String(value) : value)).includes('sk-secret'),
      )
    })

    it('an answer without content is given again as one', async (t) => {
      const { things, server, who } = await start(t)
      const options = { path: '/api/things/thing_1', method: 'DELETE' }
      const [first, again] = [await send(server, who, 'n1', options), await send(server, who, 'n1', options)]
      assert.deepEqual([first.status, first.isReplayed, again.status, again.isReplayed], [204, false, 204, true])
      assert.equal(things.count, 1)
    })

    it('twenty at once have one effect; those under way are told to come back in a second', async (t) => {
      const { things, server, who } = await start(t)
      const { promise, resolve } = Promise.withResolvers<void>()
      things.work = () => promise
      const all = Array.from({ length: 20 }, () => send(server, who, 'n1'))
      const early = await Promise.race(all)
      assert.deepEqual([early.status, early.body?.code, early.retryAfter], [409, 'conflict', '1'])
      resolve()
      const replies = await Promise.all(all)
      assert.equal(replies.filter(({ status, isReplayed }) => status === 201 && !isReplayed).length, 1)
      assert.deepEqual(new Set(replies.flatMap(({ body }) => body?.id ?? [])), new Set(['thing_1']))
      assert.equal(things.count, 1)
    })

    it('another body, path or operation under the name is refused, and the first answer stays', async (t) => {
      const { things, server, who } = await start(t)
      await send(server, who, 'n1')
      const other = await send(server, who, 'n1', { body: { name: 'b' } })
      assert.deepEqual([other.status, other.body?.code, other.retryAfter], [409, 'conflict', null])
      const elsewhere = await send(server, who, 'n1', { path: '/api/things/x', method: 'DELETE' })
      assert.equal(elsewhere.status, 409)
      assert.equal((await send(server, who, 'n1')).body?.id, 'thing_1')
      assert.equal(things.count, 1)
    })

    it('the name is the caller’s own: another person and a key may use it for something else', async (t) => {
      const { things, server, who } = await start(t)
      const bob = await server.signIn('bob')
      const key = await server.makeKey(['manage'])
      const ids = [await send(server, who, 'n1'), await send(server, bob, 'n1'), await send(server, key, 'n1')]
      assert.deepEqual(
        ids.map(({ body }) => body?.id),
        ['thing_1', 'thing_2', 'thing_3'],
      )
      assert.equal(things.count, 3)
    })

    it('what is about the session that asks is done in each of them', async (t) => {
      const { things, server, who } = await start(t)
      const { control } = server
      const making = { nowMs: control.clock(), randomBytes: control.randomBytes }
      const { token } = await control.database.write((sql) =>
        startSession(sql, { personId: 'per_ann', method: 'password' }, making),
      )
      const elsewhere = { cookie: `zendo_session=${token}`, 'x-zendo-csrf': csrfToken(control.secret, token) }
      const options = { path: '/api/own', method: 'DELETE' }
      const replies = [who, elsewhere, who].map((session) => () => send(server, session, 'n1', options))
      const found: unknown[] = []
      for (const reply of replies) found.push((await reply()).isReplayed)
      assert.deepEqual([found, things.count], [[false, false, true], 2])
    })

    it('a refusal is not kept: the same name works once the reason is gone', async (t) => {
      const { things, server, who } = await start(t)
      things.work = () => Promise.reject(new AppError('conflict', 'not now'))
      assert.equal((await send(server, who, 'n1')).status, 409)
      things.work = async () => {}
      const second = await send(server, who, 'n1')
      assert.deepEqual([second.status, second.isReplayed], [201, false])
    })

    it('after an unexpected failure the name stays taken for a minute, then works again', async (t) => {
      let nowMs = Date.now()
      const { things, server, who } = await start(t, () => nowMs)
      things.work = () => Promise.reject(new Error('nobody knows what was done'))
      assert.equal((await send(server, who, 'n1')).status, 500)
      things.work = async () => {}
      assert.deepEqual([(await send(server, who, 'n1')).status, things.count], [409, 1])
      nowMs += MINUTE_MS
      assert.deepEqual([(await send(server, who, 'n1')).status, things.count], [201, 2])
    })

    it('after a day an answer is forgotten, and the chore deletes it', async (t) => {
      let nowMs = Date.now()
      const { database, things, server, who } = await start(t, () => nowMs)
      await send(server, who, 'n1')
      nowMs += DAY_MS - 1
      await forgetReplies(database, nowMs)
      assert.equal((await send(server, who, 'n1')).isReplayed, true)
      nowMs += 2
      await forgetReplies(database, nowMs)
      assert.deepEqual(await database.all('SELECT * FROM kept_reply'), [])
      assert.deepEqual([(await send(server, who, 'n1')).isReplayed, things.count], [false, 2])
    })

    it('a name that is empty, too long or not printable is refused, and nothing is done', async (t) => {
      const { things, server, who } = await start(t)
      for (const name of ['x'.repeat(256), 'with space', 'caf\u00e9']) {
        assert.equal((await send(server, who, name)).status, 400, name)
      }
      assert.equal(things.count, 0)
      assert.equal((await send(server, who, 'x'.repeat(255))).status, 201)
    })
  })
})
