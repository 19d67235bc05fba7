/** Keys in use, on a gateway of two processes: what changes of a key is in force in both within a second. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { openSyncSql } from '../support/sync-sql.ts'
import { until } from '../support/until.ts'

interface World {
  readonly gateway: Gateway
  readonly workspaceId: string
  /** A key of the admin's that may do everything. */
  readonly adminKey: string
  /** Asks the free model over a connection of its own; resolves with the status and the error's code. */
  ask(key: string, headers?: Readonly<Record<string, string>>): Promise<readonly [number, string | undefined]>
  api(key: string, method: string, tail: string, body?: object): Promise<{ status: number; body: ApiBody }>
  rows<Row>(sql: string): Row[]
  /** Changes rows and tells every process, as every change of the control plane does. */
  change(sql: string): void
}

interface ApiBody {
  readonly id?: string
  readonly key?: string
  readonly data?: readonly { readonly id: string; readonly last_used_at: string | null }[]
}

async function startWorld(t: TestContext, engine: TestEngine): Promise<World> {
  const place = engine.name === 'postgres' ? (await engine.createStore(t)).place : null
  const gateway = await startGateway({
    // The same is asked again and again, and by chance of one process more often than of the other.
    config: { limits: { loop: { repeats: 0 } } },
    env: {
      ...{ ZENDO_WORKERS: '2', ZENDO_LOG_LEVEL: 'warn' },
      ...(place && 'url' in place && { DATABASE_URL: place.url }),
    },
  })
  t.after(() => gateway.remove())
  const books = place && 'url' in place ? { url: place.url } : { dataDir: gateway.dataDir }
  const made = (await gateway.cli('key', 'create', '--scopes', 'inference,read,manage')) as Record<string, string>
  return {
    gateway,
    ...{ workspaceId: made.workspace ?? '', adminKey: made.key ?? '' },
    ask: (key, headers = {}) => ask(gateway.baseUrl, key, headers),
    async api(key, method, tail, body) {
      const response = await fetch(`${gateway.baseUrl}/api/workspaces/${made.workspace}/${tail}`, {
        method,
        headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as ApiBody) }
    },
    rows<Row>(query: string) {
      const sql = openSyncSql(books)
      try {
        return sql.all<Row>(query)
      } finally {
        sql.close()
      }
    },
    change(statement) {
      const sql = openSyncSql(books, { readOnly: false })
      sql.run(statement)
      sql.run("UPDATE revision SET value = value + 1 WHERE name = 'policy'")
      sql.close()
    },
  }
}

/** Without keep-alive, so that the processes take turns. */
function ask(
  baseUrl: string,
  key: string,
  headers: Readonly<Record<string, string>>,
): Promise<readonly [number, string | undefined]> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${baseUrl}/zen/v1/chat/completions`,
      {
        method: 'POST',
        agent: false,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      },
      async (response) => {
        let text = ''
        for await (const chunk of response) text += String(chunk)
        const { error } = JSON.parse(text) as { error?: { code: string } }
        resolve([response.statusCode ?? 0, error?.code])
      },
    )
    sent.once('error', reject)
    sent.end(JSON.stringify({ model: 'sim/free', messages: [{ role: 'user', content: 'hi' }] }))
  })
}

/** So many requests in a row, and both processes were asked. */
const BOTH = 10

/** What both processes say: each status and code that came. */
async function answersOf(world: World, key: string): Promise<string[]> {
  const answers = new Set<string>()
  for (let n = 0; n < BOTH; n++) answers.add((await world.ask(key)).join(' '))
  return [...answers]
}

/** No request that began a second after the change was let in, by either process. */
async function refusedSoon(world: World, key: string, change: () => unknown): Promise<void> {
  assert.deepEqual(await answersOf(world, key), ['200 '])
  await change()
  const changedAtMs = performance.now()
  let letInAtMs = changedAtMs
  let refusals = 0
  await until('both processes refuse the key', async () => {
    const beganAtMs = performance.now()
    const [status, code] = await world.ask(key)
    refusals = status === 200 ? 0 : refusals + 1
    if (status === 200) letInAtMs = beganAtMs
    else assert.equal(code, 'key_disabled')
    return refusals === BOTH
  })
  assert.ok(letInAtMs - changedAtMs < 1000, `still let in after ${Math.round(letInAtMs - changedAtMs)} ms`)
}

forEachEngine((engine) => {
  describe('a key in use', () => {
    it('is refused by every process within a second of being revoked, expired or orphaned', async (t) => {
      const world = await startWorld(t, engine)
      const { api, adminKey } = world
      const make = async (body: object = {}) => (await api(adminKey, 'POST', 'keys', { name: 'k', ...body })).body
      const revoked = await make()
      await refusedSoon(world, revoked.key ?? '', () => api(adminKey, 'DELETE', `keys/${revoked.id}`))
      const expiring = await make()
      const soon = new Date(Date.now() + 3000).toISOString()
      await api(adminKey, 'PATCH', `keys/${expiring.id}`, { expires_at: soon })
      assert.equal((await world.ask(expiring.key ?? ''))[0], 200)
      await delay(Date.parse(soon) - Date.now())
      // An expiry needs no second at all.
      assert.deepEqual(await answersOf(world, expiring.key ?? ''), ['403 key_disabled'])
      world.change(
        `INSERT INTO member (id, workspace_id, name, role, created_at) VALUES ('mem_x', '${world.workspaceId}', 'x', 'member', 0)`,
      )
      const orphan = await make({ member: 'mem_x' })
      await refusedSoon(world, orphan.key ?? '', () =>
        world.change("UPDATE member SET removed_at = 1 WHERE id = 'mem_x'"),
      )
    })

    it('that is rotated answers to both texts during the overlap, as one key, and to the new one alone after it', async (t) => {
      const world = await startWorld(t, engine)
      const { api, adminKey } = world
      const { id, key: old = '' } = (await api(adminKey, 'POST', 'keys', { name: 'k' })).body
      assert.deepEqual(await answersOf(world, old), ['200 '])
      const rotated = await api(adminKey, 'POST', `keys/${id}/rotate`, { overlap_seconds: 5 })
      const endsAtMs = Date.now() + 5000
      const { key: fresh = '' } = rotated.body
      assert.equal((await world.ask(fresh))[0], 200, 'the new text works at once')
      assert.deepEqual(await answersOf(world, old), ['200 '])
      assert.ok(Date.now() < endsAtMs, 'looked within the overlap')
      const keys = world.rows<{ key_id: string }>('SELECT DISTINCT key_id FROM request')
      assert.deepEqual(
        keys.map((row) => row.key_id),
        [id],
      )
      await delay(endsAtMs - Date.now() + 10)
      assert.deepEqual(await answersOf(world, old), ['403 key_disabled'])
      assert.deepEqual(await answersOf(world, fresh), ['200 '])
    })

    it("of an admin is a member's within a second of the demotion", async (t) => {
      const world = await startWorld(t, engine)
      const { api, adminKey } = world
      assert.equal((await api(adminKey, 'PUT', 'policy', {})).status, 200)
      world.change(
        `INSERT INTO member (id, workspace_id, name, role, created_at) VALUES ('mem_2', '${world.workspaceId}', 'x', 'admin', 0)`,
      )
      world.change("UPDATE member SET role = 'member' WHERE id <> 'mem_2'")
      // The change itself looks once more at who asks: not even the next one is let in.
      assert.equal((await api(adminKey, 'PUT', 'policy', {})).status, 403)
      assert.equal((await api(adminKey, 'GET', 'policy')).status, 200)
    })

    it('calls its models and products alone, and its tags stand on each request', async (t) => {
      const world = await startWorld(t, engine)
      const { api, adminKey, gateway } = world
      const listed = async (key: string): Promise<string[]> => {
        const response = await fetch(`${gateway.baseUrl}/zen/v1/models`, { headers: { 'x-api-key': key } })
        return ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id)
      }
      const all = await listed(adminKey)
      assert.ok(all.length > 1)
      const { key = '' } = (
        await api(adminKey, 'POST', 'keys', { name: 'k', models: ['sim/free'], tags: ['team=core'] })
      ).body
      assert.deepEqual(await listed(key), ['sim/free'])
      assert.equal((await world.ask(key, { 'x-zendo-tags': 'nightly,team=other' }))[0], 200)
      const other = await api(adminKey, 'POST', 'keys', { name: 'k', models: [all.find((id) => id !== 'sim/free')] })
      assert.deepEqual(await world.ask(other.body.key ?? ''), [403, 'model_disabled'])
      const go = await api(adminKey, 'POST', 'keys', { name: 'k', products: ['go'] })
      assert.deepEqual(await world.ask(go.body.key ?? ''), [403, 'model_disabled'])
      assert.deepEqual(await listed(go.body.key ?? ''), [])
      const manage = await api(adminKey, 'POST', 'keys', { name: 'k', scopes: ['manage'] })
      assert.deepEqual(await world.ask(manage.body.key ?? ''), [403, 'permission_denied'])
      const tags = world.rows<{ tags: string }>('SELECT tags FROM request')
      assert.deepEqual(
        tags.map((row) => row.tags),
        [',nightly,team=core,'],
      )
    })

    it('shows when it was used last, written off the request path', async (t) => {
      const world = await startWorld(t, engine)
      const { gateway, adminKey, rows } = world
      const before = Date.now()
      assert.deepEqual(await answersOf(world, adminKey), ['200 '])
      const uses = (): readonly { last_used_at: bigint | null }[] =>
        rows('SELECT last_used_at FROM api_key WHERE last_used_at IS NOT NULL')
      assert.deepEqual(uses(), [], 'nothing is written with the request')
      await gateway.stop()
      const [used, ...others] = uses()
      assert.equal(others.length, 0)
      assert.ok(Number(used?.last_used_at) >= before && Number(used?.last_used_at) <= Date.now())
    })
  })
})
