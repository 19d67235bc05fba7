/** Own keys as their admins manage them, and where the secret is not. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { BUILT_IN_CATALOG } from '../../src/domain/built-in-catalog.ts'
import { until } from '../support/until.ts'
import { ask, configFor, DEAR, OPERATOR_KEY, OWN_KEY, startVendor, startWorld } from './world.ts'

interface Shown {
  readonly provider: string
  readonly preview: string
  readonly mode: string
  readonly base_url: string | null
  readonly checked_at: string | null
  readonly last_error: string | null
}

describe('own keys in the control plane', () => {
  it('a key is asked about before it is saved: a bad one is not saved, an unknown one only when told to', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor))
    vendor.behaviour.set(OWN_KEY, 401)
    const bad = await world.credentials('PUT', 'acme', { api_key: OWN_KEY, unchecked: true })
    assert.equal(bad.status, 400)
    assert.match(bad.text, /status 401/)
    vendor.behaviour.set(OWN_KEY, 'reset')
    const silent = await world.credentials('PUT', 'acme', { api_key: OWN_KEY })
    assert.equal(silent.status, 400)
    assert.match(silent.text, /unchecked/)
    vendor.behaviour.set(OWN_KEY, 500)
    assert.equal((await world.credentials('PUT', 'acme', { api_key: OWN_KEY })).status, 400)
    assert.deepEqual((await world.credentials('GET')).body.data, [])
    const saved = await world.credentials('PUT', 'acme', { api_key: OWN_KEY, unchecked: true })
    assert.equal(saved.status, 200)
    assert.equal(saved.body.checked_at, null)
    vendor.behaviour.delete(OWN_KEY)
    const checked = await world.credentials('POST', 'acme/check')
    assert.equal(checked.body.verdict, 'good')
    assert.notEqual((checked.body.credential as Shown).checked_at, null)
    vendor.behaviour.set(OWN_KEY, 403)
    const revoked = await world.credentials('POST', 'acme/check')
    assert.deepEqual([revoked.body.verdict, revoked.body.status], ['bad', 403])
    assert.equal((revoked.body.credential as Shown).last_error, 'refused (403)')
    for (const { text } of [bad, silent, saved, checked, revoked]) assert.equal(text.includes(OWN_KEY), false)
    assert.equal(
      vendor.probes.every((key) => key === OWN_KEY),
      true,
    )
  })

  it('only providers and addresses that the operator allows can be named', async (t) => {
    const vendor = await startVendor(t)
    const elsewhere = await startVendor(t)
    const ownKeys = {
      baseUrls: ['https://127.0.0.1:1/v1', { url: `${elsewhere.url}/`, allowPrivate: true, region: 'eu' }],
    }
    const world = await startWorld(t, configFor(vendor, vendor, { acme: { ownKeys } }))
    for (const provider of ['closed', 'nobody', 'sim']) {
      assert.equal((await world.credentials('PUT', provider, { api_key: OWN_KEY })).status, 404, provider)
    }
    for (const url of [
      'https://evil.example/v1',
      vendor.url,
      `${elsewhere.url}/more`,
      'http://169.254.169.254/',
      'x',
    ]) {
      const { status, text } = await world.credentials('PUT', 'acme', {
        api_key: OWN_KEY,
        base_url: url,
        unchecked: true,
      })
      assert.equal(status, 400, `${url}: ${text}`)
    }
    // Listed, but neither public nor marked as private.
    const inside = { api_key: OWN_KEY, base_url: 'https://127.0.0.1:1/v1', unchecked: true }
    assert.match((await world.credentials('PUT', 'acme', inside)).text, /not public/)
    assert.deepEqual([vendor.probes, elsewhere.probes], [[], []])
    const saved = await world.credentials('PUT', 'acme', {
      api_key: OWN_KEY,
      base_url: elsewhere.url,
      mode: 'own_only',
    })
    assert.equal(saved.status, 200, saved.text)
    assert.deepEqual(elsewhere.probes, [OWN_KEY])
    const reply = await world.chat()
    assert.equal(reply.headers.get('x-zendo-funding'), 'byok', reply.text)
    assert.deepEqual([vendor.chats, elsewhere.chats], [[], [OWN_KEY]])
    const [row] = world.sql.all<{ region: string }>('SELECT region FROM request ORDER BY id DESC LIMIT 1')
    assert.equal(row?.region, 'eu')
    const { body } = await world.credentials('GET')
    const acme = (body.providers as { id: string; base_urls: string[] }[]).find(({ id }) => id === 'acme')
    assert.deepEqual(acme?.base_urls, ['https://127.0.0.1:1/v1', elsewhere.url])
  })

  it("a server of the operator's own, which may ask for no key, is paid with no made-up one", async (t) => {
    const vendor = await startVendor(t)
    const acme = { apiKey: undefined, ownKeys: undefined }
    const world = await startWorld(t, configFor(vendor, vendor, { price: DEAR, acme }))
    const made = await world.credentials('PUT', 'acme', {
      api_key: 'anything-at-all',
      mode: 'own_only',
      unchecked: true,
    })
    assert.equal(made.status, 404, made.text)
    const { body } = await world.credentials('GET')
    assert.equal(
      (body.providers as { id: string }[]).some(({ id }) => id === 'acme'),
      false,
    )
    assert.equal((await world.chat()).status, 402)
    assert.deepEqual([vendor.probes, vendor.chats], [[], []])
  })

  it("a built-in model whose provider the operator has no account at is offered to the key's workspace alone", async (t) => {
    const vendor = await startVendor(t)
    const ownKeys = { baseUrls: [{ url: vendor.url, allowPrivate: true, protocols: ['openai-chat'] }] }
    const file = { providers: { deepseek: { ownKeys } }, models: {} }
    const world = await startWorld(t, configFor(vendor, vendor, { file }))
    const listed = async (product = 'zen'): Promise<string[]> => {
      const response = await fetch(`${world.gateway.baseUrl}/${product}/v1/models`, {
        headers: { authorization: `Bearer ${world.gateway.apiKey}` },
      })
      const { data } = (await response.json()) as { data: { id: string }[] }
      return data.map(({ id }) => id)
    }
    const model = [...BUILT_IN_CATALOG.models].find(([, entry]) => entry.routes?.[0]?.provider === 'deepseek')?.[0]
    assert.ok(model, 'a built-in model of deepseek')
    assert.equal((await listed()).includes(model), false)
    assert.equal((await world.chat({ model })).status, 404)
    const saved = await world.credentials('PUT', 'deepseek', {
      api_key: OWN_KEY,
      base_url: vendor.url,
      mode: 'own_first',
    })
    assert.equal(saved.status, 200, saved.text)
    await until('the model is offered', async () => (await listed()).includes(model))
    const reply = await world.chat({ model })
    assert.equal(reply.status, 200, reply.text)
    assert.equal(reply.headers.get('x-zendo-funding'), 'byok')
    const anonymous = await fetch(`${world.gateway.baseUrl}/zen/v1/models`)
    assert.equal((await anonymous.text()).includes(`"${model}"`), false)
    assert.equal((await world.credentials('DELETE', 'deepseek')).status, 204)
    await until('the model is gone', async () => !(await listed()).includes(model))
    assert.equal((await world.chat({ model })).status, 404)
  })

  it('the secret is on no disk, in no log, answer, record or row in the clear', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor), { ZENDO_LOG_LEVEL: 'trace' })
    const texts: string[] = []
    const keep = async (reply: Promise<{ text: string; headers?: Headers }>): Promise<void> => {
      const { text, headers } = await reply
      texts.push(text, JSON.stringify([...(headers ?? [])]))
    }
    await keep(world.credentials('PUT', 'acme', { api_key: OWN_KEY, mode: 'own_first' }))
    for (const how of [200, 400, 401, 402, 403, 404, 422, 429, 500, 503, 'reset'] as const) {
      vendor.behaviour.set(OWN_KEY, how)
      for (const stream of [false, true]) await keep(world.chat({ stream }))
      await keep(world.credentials('POST', 'acme/check'))
      await keep(world.credentials('PUT', 'acme', { api_key: OWN_KEY, mode: 'own_first' }))
    }
    await keep(world.credentials('PATCH', 'acme', { mode: 'own_only' }))
    await keep(world.credentials('GET'))
    // Even where its form is wrong.
    await keep(world.credentials('PUT', 'acme', { api_key: `${OWN_KEY} x` }))
    await keep(world.credentials('PUT', 'acme', { api_key: OWN_KEY, [OWN_KEY]: 1, mode: OWN_KEY }).then(withoutEcho))
    await keep(world.credentials('DELETE', 'acme'))
    for (const text of texts) assert.equal(text.includes('CANARY'), false, text)
    assert.ok(vendor.seen().includes('CANARY'), 'the provider got it')
    assert.equal(world.gateway.output().includes('CANARY'), false, 'the log')
    world.sql.all('PRAGMA wal_checkpoint(TRUNCATE)')
    for (const name of readdirSync(world.gateway.dataDir)) {
      const bytes = readFileSync(join(world.gateway.dataDir, name))
      assert.equal(bytes.includes('CANARY'), false, name)
    }
    const actions = world.sql
      .all<{ action: string }>('SELECT action FROM audit_log ORDER BY seq')
      .map((row) => row.action)
    for (const action of ['credential.save', 'credential.update', 'credential.delete']) {
      assert.ok(actions.includes(action), action)
    }
  })

  it('a new key takes the place of the old one in every process within a second', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor, vendor, { price: DEAR }), { ZENDO_WORKERS: '2' })
    assert.equal((await world.credentials('PUT', 'acme', { api_key: OWN_KEY })).status, 200)
    // Over connections of their own, and many at once: the system hands them to the workers as they come.
    const burst = (): Promise<number[]> => Promise.all(Array.from({ length: 8 }, () => ask(world, false)))
    const workersSince = (sinceMs: number): number =>
      world.sql.all('SELECT DISTINCT node_id FROM request WHERE created_at >= ?', sinceMs).length
    await until('both workers serve', async () => (await burst()).length > 0 && workersSince(0) === 2, 20_000)
    for (const fresh of ['sk-own-SECOND-1234567890', 'sk-own-THIRD-1234567890']) {
      assert.equal((await world.credentials('PUT', 'acme', { api_key: fresh })).status, 200)
      const lateFromMs = Date.now() + 1000
      while (Date.now() <= lateFromMs) await burst()
      const known = vendor.chats.length
      await until(
        'both workers served again',
        async () => {
          assert.deepEqual([...new Set(await burst())], [200])
          return workersSince(lateFromMs) === 2
        },
        20_000,
      )
      assert.deepEqual([...new Set(vendor.chats.slice(known))], [fresh])
    }
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false)
  })
})

/** What a client sends as a name of a member comes back as that: it is no secret there. */
function withoutEcho(reply: { text: string }): { text: string } {
  return { text: reply.text.replaceAll(OWN_KEY, '') }
}
