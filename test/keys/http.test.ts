/** Keys over HTTP: who may make which, what is shown once, and that nobody climbs by one. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { allRoutes } from '../../src/api/all-routes.ts'
import { MINUTE_MS } from '../../src/base/time.ts'
import { isWellFormedKey } from '../../src/domain/api-key.ts'
import type { Database } from '../../src/store/database.ts'
import { type ControlServer, type Credentials, startControlServer } from '../support/control-server.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'

interface Reply {
  readonly status: number
  readonly text: string
  /** Of a key, of a page of them, or of a problem. */
  readonly body: {
    readonly id?: string
    readonly key?: string
    readonly member?: string
    readonly code?: string
    readonly scopes?: readonly string[]
    readonly metadata?: { readonly reason: string }
    readonly data?: readonly { readonly id: string; readonly member: string }[]
    readonly next_cursor?: string | null
    readonly previous_until?: string | null
    readonly state?: string
  }
}

interface World {
  readonly db: Database
  readonly server: ControlServer
  readonly admin: Credentials
  readonly member: Credentials
  /** A person who runs the instance and is a plain member of the workspace. */
  readonly operator: Credentials
  /** Moves the clock. */
  later(milliseconds: number): void
}

async function startWorld(t: TestContext, engine: TestEngine): Promise<World> {
  const db = await engine.openDatabase(t)
  let nowMs = Date.UTC(2026, 10, 20, 12)
  const server = await startControlServer(t, db, { routes: allRoutes, clock: () => nowMs })
  return {
    ...{ db, server },
    admin: await server.signIn('ada', { role: 'admin' }),
    member: await server.signIn('mia', { role: 'member' }),
    operator: await server.signIn('ora', { role: 'member', isOperator: true }),
    later(milliseconds) {
      nowMs += milliseconds
    },
  }
}

async function call(
  { server }: World,
  who: Credentials,
  method: string,
  tail: string,
  body?: object,
  workspaceId = server.workspaceId,
): Promise<Reply> {
  const response = await fetch(`${server.url}/api/workspaces/${workspaceId}/${tail}`, {
    method,
    headers: { ...who, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text, body: text === '' ? {} : (JSON.parse(text) as Reply['body']) }
}

const bearer = (key: string | undefined): Credentials => ({ authorization: `Bearer ${key}` })

forEachEngine((engine) => {
  describe('a key', () => {
    it('stands whole in the answer to its making and its rotation, once, and in no other, nor in the database', async (t) => {
      const world = await startWorld(t, engine)
      const made = await call(world, world.member, 'POST', 'keys', { name: 'ci' })
      const { id, key = '' } = made.body
      assert.equal(made.status, 201)
      assert.ok(isWellFormedKey(key))
      assert.equal(made.text.split(key).length - 1, 1)
      const rotated = await call(world, world.member, 'POST', `keys/${id}/rotate`, {})
      const { key: next = '' } = rotated.body
      assert.ok(isWellFormedKey(next) && next !== key)
      assert.equal(rotated.text.split(next).length - 1, 1)
      const others = [
        await call(world, world.member, 'GET', 'keys'),
        await call(world, world.admin, 'GET', 'keys'),
        await call(world, world.member, 'GET', `keys/${id}`),
        await call(world, world.member, 'PATCH', `keys/${id}`, { name: 'more', tags: ['team=core'] }),
        await call(world, world.member, 'DELETE', `keys/${id}`),
      ]
      assert.deepEqual(
        others.map(({ status }) => status),
        [200, 200, 200, 200, 204],
      )
      const tables = ['api_key', 'audit_log', 'kept_reply', 'event', 'setting']
      const rows = await Promise.all(tables.map((table) => world.db.all(`SELECT * FROM ${table}`)))
      const seen = JSON.stringify([others, rows], (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      )
      for (const secret of [key, next]) assert.equal(seen.includes(secret.slice(13, -4)), false)
    })

    it('is made by a member for itself, by an admin for anybody', async (t) => {
      const world = await startWorld(t, engine)
      assert.equal((await call(world, world.member, 'POST', 'keys', { name: 'a' })).body.member, 'mem_mia')
      assert.equal((await call(world, world.member, 'POST', 'keys', { name: 'a', member: 'mem_ada' })).status, 404)
      assert.equal(
        (await call(world, world.admin, 'POST', 'keys', { name: 'a', member: 'mem_mia' })).body.member,
        'mem_mia',
      )
      assert.equal((await call(world, world.admin, 'POST', 'keys', { name: 'a', member: 'mem_none' })).status, 404)
    })

    it('of somebody else is found by admins alone, and by nobody from another workspace', async (t) => {
      const world = await startWorld(t, engine)
      const { id = '' } = (await call(world, world.admin, 'POST', 'keys', { name: 'a' })).body
      const missing = await call(world, world.member, 'GET', 'keys/key_unknown')
      for (const [method, tail, body] of [
        ['GET', `keys/${id}`],
        ['PATCH', `keys/${id}`, { name: 'b' }],
        ['DELETE', `keys/${id}`],
        ['POST', `keys/${id}/rotate`, {}],
      ] as const) {
        const refused = await call(world, world.member, method, tail, body)
        assert.deepEqual([refused.status, refused.body.code], [404, missing.body.code], `${method} ${tail}`)
        const elsewhere = await call(world, world.admin, method, tail, body, 'wrk_elsewhere')
        assert.equal(elsewhere.status, 404)
      }
      const seen = (await call(world, world.member, 'GET', 'keys')).body.data ?? []
      assert.deepEqual([...new Set(seen.map(({ member }) => member))], [])
      assert.deepEqual((await call(world, world.member, 'GET', 'keys?member=mem_ada')).body.data, [])
      assert.ok(((await call(world, world.admin, 'GET', 'keys')).body.data ?? []).length >= 2)
    })

    it('is listed page by page, each once', async (t) => {
      const world = await startWorld(t, engine)
      for (let n = 0; n < 7; n++) await call(world, world.member, 'POST', 'keys', { name: `key ${n}` })
      const ids: string[] = []
      let cursor = ''
      do {
        const { body } = await call(world, world.member, 'GET', `keys?limit=3${cursor}`)
        ids.push(...(body.data ?? []).map(({ id }) => id))
        cursor = body.next_cursor ? `&cursor=${body.next_cursor}` : ''
      } while (cursor !== '')
      assert.equal(ids.length, 7)
      assert.equal(new Set(ids).size, 7)
    })

    it('that may do more than inference is for the person itself alone: neither made nor rotated by an admin', async (t) => {
      const world = await startWorld(t, engine)
      for (const member of ['mem_ora', 'mem_mia']) {
        const made = await call(world, world.admin, 'POST', 'keys', { name: 'a', member, scopes: ['manage'] })
        assert.deepEqual([made.status, made.body.code], [403, 'permission_denied'])
      }
      const own = await call(world, world.operator, 'POST', 'keys', {
        name: 'a',
        member: 'mem_ora',
        scopes: ['manage'],
      })
      assert.equal(own.status, 201)
      const rotated = await call(world, world.admin, 'POST', `keys/${own.body.id}/rotate`, {})
      assert.deepEqual([rotated.status, rotated.body.code], [403, 'permission_denied'])
      assert.equal((await call(world, world.admin, 'DELETE', `keys/${own.body.id}`)).status, 204)
    })

    it('that may do more than inference takes a proof of identity of late', async (t) => {
      const world = await startWorld(t, engine)
      const made = await call(world, world.member, 'POST', 'keys', { name: 'a', scopes: ['manage'] })
      assert.equal(made.status, 201)
      world.later(16 * MINUTE_MS)
      for (const [tail, body] of [
        ['keys', { name: 'a', scopes: ['manage'] }],
        [`keys/${made.body.id}/rotate`, {}],
      ] as const) {
        const refused = await call(world, world.member, 'POST', tail, body)
        assert.deepEqual([refused.status, refused.body.metadata?.reason], [403, 'sign_in_again'])
      }
      assert.equal((await call(world, world.member, 'POST', 'keys', { name: 'a' })).status, 201)
    })

    it("asks in its owner's stead only with the scope for it, and never for more than the owner may", async (t) => {
      const world = await startWorld(t, engine)
      const keyOf = async (who: Credentials, ...scopes: string[]) =>
        bearer((await call(world, who, 'POST', 'keys', { name: 'a', scopes })).body.key)
      const [plain, reading, managing] = [
        await keyOf(world.member, 'inference'),
        await keyOf(world.member, 'read'),
        await keyOf(world.member, 'manage'),
      ]
      assert.equal((await call(world, plain, 'GET', 'keys')).status, 403)
      assert.equal((await call(world, reading, 'GET', 'keys')).status, 200)
      assert.equal((await call(world, reading, 'POST', 'keys', { name: 'a', scopes: ['read'] })).status, 403)
      assert.equal((await call(world, managing, 'POST', 'keys', { name: 'a' })).status, 403, 'lacks inference itself')
      assert.equal((await call(world, managing, 'POST', 'keys', { name: 'a', scopes: ['manage'] })).status, 201)
      assert.equal((await call(world, managing, 'PUT', 'policy', { allow_training: true })).status, 403)
      assert.equal((await call(world, await keyOf(world.admin, 'manage'), 'PUT', 'policy', {})).status, 200)
    })

    it('takes no member, workspace, hash or role from the body of a change', async (t) => {
      const world = await startWorld(t, engine)
      const { id } = (await call(world, world.member, 'POST', 'keys', { name: 'a' })).body
      for (const extra of [
        'member',
        'member_id',
        'workspace_id',
        'hash',
        'scopes',
        'revoked_at',
        'role',
        'id',
        'preview',
      ]) {
        const changed = await call(world, world.member, 'PATCH', `keys/${id}`, { name: 'b', [extra]: 'mem_ada' })
        assert.equal(changed.status, 400, extra)
      }
      for (const extra of ['workspace_id', 'hash', 'key', 'revoked_at', 'role', 'id', 'preview', 'created_at']) {
        const made = await call(world, world.member, 'POST', 'keys', { name: 'b', [extra]: 'x' })
        assert.equal(made.status, 400, extra)
      }
    })
  })
})
