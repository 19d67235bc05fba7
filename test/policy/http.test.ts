/** The policy over HTTP: admins change it, members read it, and what it names exists. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { allRoutes } from '../../src/api/all-routes.ts'
import { type ControlServer, type Credentials, startControlServer } from '../support/control-server.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'

const CONFIG = {
  providers: {
    eu: { protocol: 'openai-chat', baseUrl: 'https://eu.example/v1', apiKey: 'k', region: 'eu', retention: 'zero' },
    us: { protocol: 'openai-chat', baseUrl: 'https://us.example/v1', apiKey: 'k', region: 'us', training: true },
  },
  models: {
    both: {
      ...{ name: 'Both', products: ['zen'], protocol: 'openai-chat', price: { input: 1, output: 2 } },
      routes: [{ provider: 'eu' }, { provider: 'us' }],
    },
    'us-only': { name: 'US', products: ['zen'], free: true, protocol: 'openai-chat', routes: [{ provider: 'us' }] },
  },
}

interface Curated {
  readonly id: string
  readonly enabled: boolean
  readonly why_not: string | null
  readonly training: boolean | null
  readonly pricing: { readonly input: string } | null
  readonly providers: readonly object[]
}

interface Reply {
  readonly status: number
  /** Of a policy, of a list of models, or of a problem. */
  readonly body: {
    readonly data?: readonly Curated[]
    readonly code?: string
    readonly param?: string
    readonly detail?: string
    readonly metadata?: { readonly known: string }
  }
}

async function startWorld(t: TestContext, engine: TestEngine) {
  const db = await engine.openDatabase(t)
  const server = await startControlServer(t, db, { routes: allRoutes, config: CONFIG })
  const admin = await server.signIn('ada', { role: 'admin' })
  const member = await server.signIn('mia', { role: 'member' })
  return { db, server, admin, member }
}

async function call(
  server: ControlServer,
  who: Credentials,
  method: string,
  tail: string,
  body?: object,
): Promise<Reply> {
  const response = await fetch(`${server.url}/api/workspaces/${server.workspaceId}/${tail}`, {
    method,
    headers: { ...who, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Reply['body'] }
}

const DEFAULTS = {
  ...{ curation: 'all_except', models: [], zero_retention_only: false, allow_training: false, regions: null },
  known_regions: ['eu', 'local', 'us'],
}

forEachEngine((engine) => {
  describe('the policy', () => {
    it('is read by members and changed by admins alone, on record; what is left out stays', async (t) => {
      const { db, server, admin, member } = await startWorld(t, engine)
      assert.deepEqual(await call(server, member, 'GET', 'policy'), { status: 200, body: DEFAULTS })
      assert.equal((await call(server, member, 'PUT', 'policy', { allow_training: true })).status, 403)
      const first = await call(server, admin, 'PUT', 'policy', { regions: ['eu'], models: ['both'] })
      assert.deepEqual(first, { status: 200, body: { ...DEFAULTS, regions: ['eu'], models: ['both'] } })
      const second = await call(server, admin, 'PUT', 'policy', { zero_retention_only: true, regions: null })
      assert.deepEqual(second.body, { ...DEFAULTS, models: ['both'], zero_retention_only: true })
      assert.deepEqual((await call(server, member, 'GET', 'policy')).body, second.body)
      const log = await db.all<{ before: string; after: string }>(
        "SELECT before, after FROM audit_log WHERE action = 'policy.update' ORDER BY seq",
      )
      assert.deepEqual(
        log.map(({ before, after }) => [JSON.parse(before).regions, JSON.parse(after).regions]),
        [
          [null, ['eu']],
          [['eu'], null],
        ],
      )
    })

    it('names models and regions that there are, or those that it named before', async (t) => {
      const { db, server, admin } = await startWorld(t, engine)
      const model = await call(server, admin, 'PUT', 'policy', { models: ['both', 'gone'] })
      assert.deepEqual([model.status, model.body.code, model.body.param], [400, 'invalid_request', 'models'])
      assert.match(model.body.metadata?.known ?? '', /(^|,)both(,|$)/)
      const region = await call(server, admin, 'PUT', 'policy', { regions: ['mars'] })
      assert.deepEqual([region.status, region.body.param], [400, 'regions'])
      assert.match(region.body.detail ?? '', /"mars".* Known: eu, local, us\./)
      assert.deepEqual((await call(server, admin, 'GET', 'policy')).body, DEFAULTS)
      await call(server, admin, 'PUT', 'policy', { models: ['both'] })
      await db.run("UPDATE workspace_model SET model = 'gone'")
      assert.equal((await call(server, admin, 'PUT', 'policy', { models: ['gone', 'both'] })).status, 200)
    })

    it('takes nothing that it does not know', async (t) => {
      const { server, admin } = await startWorld(t, engine)
      for (const body of [{ workspace_id: 'wrk_1' }, { curation: 'none' }, { regions: [] }, { models: 'both' }]) {
        assert.equal((await call(server, admin, 'PUT', 'policy', body)).status, 400, JSON.stringify(body))
      }
    })

    it('is shown model by model, with what it has against each provider', async (t) => {
      const { server, admin, member } = await startWorld(t, engine)
      const modelOf = async (id: string) =>
        (await call(server, member, 'GET', 'models')).body.data?.find((model) => model.id === id)
      const both = await modelOf('both')
      assert.deepEqual([both?.enabled, both?.why_not, both?.training, both?.pricing?.input], [true, null, true, '1.00'])
      assert.deepEqual(both?.providers, [
        { id: 'eu', region: 'eu', retention: 'zero', training: null, forbidden_by: null },
        { id: 'us', region: 'us', retention: null, training: true, forbidden_by: 'training' },
      ])
      const usOnly = await modelOf('us-only')
      assert.deepEqual([usOnly?.enabled, usOnly?.why_not, usOnly?.pricing], [false, 'training', null])
      await call(server, admin, 'PUT', 'policy', { allow_training: true, regions: ['eu'], models: ['both'] })
      assert.deepEqual(
        [(await modelOf('us-only'))?.why_not, (await modelOf('both'))?.why_not],
        ['region', 'switched_off'],
      )
    })

    it('of another workspace is not found', async (t) => {
      const { server, admin } = await startWorld(t, engine)
      const elsewhere = { ...server, workspaceId: 'wrk_elsewhere' }
      for (const [method, tail, body] of [
        ['GET', 'policy'],
        ['PUT', 'policy', {}],
        ['GET', 'models'],
      ] as const) {
        assert.equal((await call(elsewhere, admin, method, tail, body)).status, 404)
      }
    })
  })
})
