/** PP-61: who pays when a workspace has a key of its own, and what is told when that key fails. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { until } from '../support/until.ts'
import { recompute } from '../usage/recompute.ts'
import {
  ANSWER_COST,
  addWorkspace,
  configFor,
  DEAR,
  DEAR_COST,
  OPERATOR_KEY,
  OWN_KEY,
  startVendor,
  startWorld,
  type World,
} from './world.ts'

/** Changes reach every process within a second. */
async function saved(world: World, mode: string): Promise<void> {
  const { status, text } = await world.credentials('PUT', 'acme', { api_key: OWN_KEY, mode })
  assert.equal(status, 200, text)
  await noticed(world)
}

/** The key cache is emptied every 250 ms where something has changed: a marker that is seen proves it. */
async function noticed(world: World): Promise<void> {
  await until('the change is in force', async () => {
    const { data } = (await world.credentials('GET')).body as { data: { mode: string }[] }
    const mode = data[0]?.mode
    const reply = await world.chat()
    const isOwn = reply.headers.get('x-zendo-funding') === 'byok' || reply.text.includes("workspace's own key")
    const isUnused = /unused own key/.test(reply.headers.get('x-zendo-warnings') ?? '')
    return mode === 'shared_only' || mode === undefined ? !isOwn && !isUnused : isOwn || isUnused
  })
}

function lastErrorOf({ sql }: World): string | null | undefined {
  return sql.all<{ last_error: string | null }>('SELECT last_error FROM credential')[0]?.last_error
}

describe('own keys (PP-61)', () => {
  it('an own key pays its provider itself: nothing is held or charged, and the row says so, also with no balance', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor, vendor, { price: DEAR }))
    assert.equal((await world.chat()).status, 402, 'the demo credit does not pay for it')
    await saved(world, 'own_only')
    const rowsBefore = world.rows().length
    for (const product of ['zen', 'zen/go'] as const) {
      const reply = await world.chat({ product })
      assert.equal(reply.status, 200, reply.text)
      assert.equal(reply.headers.get('x-zendo-funding'), 'byok')
      assert.equal(reply.headers.get('x-zendo-cost'), '0.00')
    }
    const rows = world.rows().slice(rowsBefore)
    assert.equal(rows.length, 2)
    for (const row of rows) {
      assert.deepEqual(
        { funding: row.funding, state: row.state, hold: row.hold, cost: row.cost, charged: row.charged },
        { funding: 'byok', state: 'settled', hold: 0n, cost: DEAR_COST, charged: 0n },
      )
      assert.match(String(row.credential_id), /^cred_/)
    }
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false, "the operator's account was used")
    const audit = (await world.gateway.cli('audit')) as { differences: unknown[] }
    assert.deepEqual(audit.differences, [])
    const exported = await fetch(`${world.gateway.baseUrl}/api/export`, {
      headers: { authorization: `Bearer ${world.gateway.apiKey}` },
    })
    const recomputed = await recompute(await exported.text(), undefined, '--json')
    assert.equal(recomputed.exitCode, 0, recomputed.stdout + recomputed.stderr)
    assert.equal((JSON.parse(recomputed.stdout) as { written_off_nano: string }).written_off_nano, '0')
    const explained = await world.gateway.cli('usage', '--explain', String(rows[0]?.id))
    assert.match(JSON.stringify(explained), /"verdict":"OK"/)
    const events = world.sql.all<{ type: string }>('SELECT type FROM event')
    assert.deepEqual(
      events.filter(({ type }) => /write_off|upstream_account/.test(type)),
      [],
    )
  })

  const failures = [
    { name: 'bad', how: 401, status: 403, reason: 'refused \\(401\\)' },
    { name: 'forbidden', how: 403, status: 403, reason: 'refused \\(403\\)' },
    { name: 'exhausted', how: 402, status: 402, reason: 'out of credit or quota \\(402\\)' },
    { name: 'rate-limited', how: 429, status: 429, reason: 'rate-limited \\(429\\)' },
    { name: 'broken', how: 500, status: 503, reason: 'no answer \\(unavailable\\)' },
    { name: 'unreachable', how: 'reset', status: 503, reason: 'no answer \\(reset\\)' },
  ] as const

  it('a key that fails is never made up for by the operator in "own_only"', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor))
    await world.gateway.cli('credit', 'grant', '100', '--workspace', world.workspaceId)
    await saved(world, 'own_only')
    for (const { name, how, status } of failures) {
      for (const stream of [false, true]) {
        vendor.behaviour.set(OWN_KEY, how)
        const reply = await world.chat({ stream })
        assert.equal(reply.status, status, `${name}: ${reply.text}`)
        assert.match(reply.text, /own key/, name)
        assert.match(reply.text, /acme/, name)
        assert.equal(reply.text.includes(OWN_KEY), false, `${name}: the key is told`)
        const row = world.rows().at(-1)
        assert.equal(row?.funding, 'byok', name)
        assert.equal(row?.state, 'released', name)
      }
    }
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false)
    assert.equal(
      world.rows().every(({ charged }) => charged === 0n),
      true,
    )
    assert.deepEqual(world.sql.all("SELECT * FROM event WHERE type = 'operator.upstream_account'"), [])
    const audit = (await world.gateway.cli('audit')) as { differences: unknown[] }
    assert.deepEqual(audit.differences, [])
  })

  it('in "own_first" the operator\'s account serves instead, says so, and has a hold and a row of its own', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor))
    await world.gateway.cli('credit', 'grant', '100', '--workspace', world.workspaceId)
    await saved(world, 'own_first')
    for (const { name, how, reason } of failures) {
      for (const stream of [false, true]) {
        vendor.behaviour.set(OWN_KEY, how)
        const rowsBefore = world.rows().length
        const reply = await world.chat({ stream, headers: { 'idempotency-key': `${name}-${stream}` } })
        if (stream) {
          // The provider answers in one piece, which is relayed as a stream.
          assert.equal(reply.status, 200, `${name}: ${reply.text}`)
        }
        assert.equal(reply.status, 200, `${name}: ${reply.text}`)
        assert.equal(reply.headers.get('x-zendo-funding'), 'balance', name)
        assert.match(reply.headers.get('x-zendo-warnings') ?? '', new RegExp(`unused own key: acme ${reason}`), name)
        const [own, shared, more] = world.rows().slice(rowsBefore)
        assert.equal(more, undefined)
        assert.deepEqual([own?.funding, own?.state, own?.charged], ['byok', 'released', 0n], name)
        assert.deepEqual([shared?.funding, shared?.state, shared?.charged], ['balance', 'settled', ANSWER_COST], name)
        assert.equal(shared?.credential_id, null)
        assert.match(shared?.warnings ?? '', /unused own key: acme/)
        assert.equal(reply.headers.get('x-request-id'), shared?.id)
      }
    }
    const audit = (await world.gateway.cli('audit')) as { differences: unknown[] }
    assert.deepEqual(audit.differences, [])
    const { data } = (await world.credentials('GET')).body as { data: { last_error: string }[] }
    assert.match(String(data[0]?.last_error), /refused \(401\)/, 'noted once, and not on every request')
  })

  it('a refusal of the request itself is told as it came, and nobody else is asked', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor))
    await world.gateway.cli('credit', 'grant', '100', '--workspace', world.workspaceId)
    await saved(world, 'own_first')
    vendor.behaviour.set(OWN_KEY, 400)
    const chatsBefore = vendor.chats.length
    const reply = await world.chat()
    assert.equal(reply.status, 400)
    assert.equal(reply.text.includes(OWN_KEY), false)
    assert.deepEqual(vendor.chats.slice(chatsBefore), [OWN_KEY])
  })

  it('"own_first" with no money here tells both refusals', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor, vendor, { price: DEAR }))
    await saved(world, 'own_first')
    vendor.behaviour.set(OWN_KEY, 401)
    const reply = await world.chat()
    assert.equal(reply.status, 402)
    assert.match(reply.text, /refused the workspace's own key.*balance/)
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false)
  })

  it('once a stream has begun in the name of the own key, nobody else pays for it', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor, vendor, { file: { server: { keepAliveSeconds: 0.1 } } }))
    await world.gateway.cli('credit', 'grant', '100', '--workspace', world.workspaceId)
    await saved(world, 'own_first')
    vendor.behaviour.set(OWN_KEY, 'late')
    const reply = await world.chat({ stream: true })
    assert.equal(reply.status, 200)
    assert.equal(reply.headers.get('x-zendo-funding'), 'byok')
    assert.match(reply.text, /own key/)
    assert.equal(reply.text.includes('[DONE]'), false)
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false)
    const whole = await world.chat()
    assert.equal(whole.headers.get('x-zendo-funding'), 'balance')
  })

  it('in "shared_only" the key is kept and not used', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor))
    await world.gateway.cli('credit', 'grant', '100', '--workspace', world.workspaceId)
    await saved(world, 'own_only')
    const { status } = await world.credentials('PATCH', 'acme', { mode: 'shared_only' })
    assert.equal(status, 200)
    await noticed(world)
    const chatsBefore = vendor.chats.length
    const reply = await world.chat()
    assert.equal(reply.headers.get('x-zendo-funding'), 'balance')
    assert.deepEqual(vendor.chats.slice(chatsBefore), [OPERATOR_KEY])
  })

  it('what is free stays free, and needs no key', async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor))
    await saved(world, 'own_only')
    const reply = await world.chat({ model: 'given' })
    assert.equal(reply.headers.get('x-zendo-funding'), 'free')
    assert.equal(vendor.chats.at(-1), OPERATOR_KEY)
  })

  it("a workspace's key is never used for another one, nor sent to another provider", async (t) => {
    const vendor = await startVendor(t)
    const other = await startVendor(t)
    const world = await startWorld(t, configFor(vendor, other))
    await world.gateway.cli('credit', 'grant', '100', '--workspace', world.workspaceId)
    const otherKey = addWorkspace(world.sql)
    await saved(world, 'own_only')
    const foreign = await world.chat({ key: otherKey })
    assert.equal(foreign.status, 402, 'the other workspace has neither a key of its own nor credit')
    assert.equal((await world.chat({ model: 'closed' })).headers.get('x-zendo-funding'), 'balance')
    assert.deepEqual(other.chats, [OPERATOR_KEY])
    assert.equal(other.seen().includes(OWN_KEY), false)
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false)
  })

  it("a stream that begins with the account's failure has not begun: it has a status, and the operator serves in own_first", async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor))
    await saved(world, 'own_only')
    vendor.behaviour.set(OWN_KEY, 'quota_at_once')
    const refused = await world.chat({ stream: true })
    assert.equal(refused.status, 402, refused.text)
    assert.match(refused.text, /workspace's own key for acme is out of credit or quota/)
    await until('it is noted', async () => lastErrorOf(world) === 'out of credit or quota (429)')
    assert.equal((await world.credentials('PATCH', 'acme', { mode: 'own_first' })).status, 200)
    let instead = refused
    await until('the change is in force', async () => {
      instead = await world.chat({ stream: true })
      return instead.status === 200
    })
    assert.equal(instead.headers.get('x-zendo-funding'), 'balance')
    assert.match(instead.headers.get('x-zendo-warnings') ?? '', /unused own key: acme out of credit or quota \(429\)/)
    assert.match(instead.text, /Good\./)
    assert.equal(instead.text.includes('quota'), false)
    assert.equal(world.rows().at(-1)?.charged, ANSWER_COST)
  })

  it("a stream that the account's failure ends is told so in-band, noted, and paid by nobody else", async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor))
    await saved(world, 'own_first')
    vendor.behaviour.set(OWN_KEY, 'quota_later')
    const broken = await world.chat({ stream: true })
    assert.equal(broken.status, 200)
    assert.equal(broken.headers.get('x-zendo-funding'), 'byok')
    assert.match(broken.text, /Good\..*workspace's own key for acme is out of credit or quota/s)
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false)
    await until('it is noted', async () => lastErrorOf(world) === 'out of credit or quota (429)')
  })

  it("own keys take no connection from who pays here: what they hold open leaves the operator's as they are", async (t) => {
    const vendor = await startVendor(t)
    const world = await startWorld(t, configFor(vendor, vendor, { acme: { maxConnections: 2 } }))
    await saved(world, 'own_only')
    vendor.behaviour.set(OWN_KEY, 'late')
    const before = vendor.chats.length
    const held = [world.chat(), world.chat()]
    await until('both are with the provider', () => vendor.chats.length === before + 2)
    const given = await world.chat({ model: 'given' })
    assert.equal(given.status, 200, given.text)
    assert.deepEqual(vendor.chats.slice(before), [OWN_KEY, OWN_KEY, OPERATOR_KEY])
    assert.deepEqual(
      (await Promise.all(held)).map(({ status }) => status),
      [503, 503],
    )
  })
})
