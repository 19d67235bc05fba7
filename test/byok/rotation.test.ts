/** X12: what is sealed opens in its own place alone, and a new master key comes into force while the gateway serves. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { deriveSecrets, rewrapSecrets } from '../../src/control/key-encryption.ts'
import { openDatabase } from '../../src/store/open-database.ts'
import { until } from '../support/until.ts'
import {
  addWorkspace,
  ask,
  configFor,
  DEAR,
  OPERATOR_KEY,
  OWN_KEY,
  startVendor,
  startWorld,
  type Vendor,
  type World,
} from './world.ts'

const FIRST = 'the first master key of 32 and more characters'
const SECOND = 'the second master key of 32 and more characters'
const THIRD = 'the third master key of 32 and more characters'

function sealedOf(world: World): string {
  const [row] = world.sql.all<{ sealed: string }>("SELECT sealed FROM credential WHERE provider = 'acme'")
  return String(row?.sealed)
}

function bump(world: World): void {
  world.sql.run("UPDATE revision SET value = value + 1 WHERE name = 'policy'")
}

async function startWithKey(t: TestContext, env: Record<string, string>): Promise<{ world: World; vendor: Vendor }> {
  const vendor = await startVendor(t)
  // Nothing but the own key can pay: whatever else was used would be refused.
  const world = await startWorld(t, configFor(vendor, vendor, { price: DEAR }), env)
  assert.equal((await world.credentials('PUT', 'acme', { api_key: OWN_KEY, mode: 'own_first' })).status, 200)
  await until('the key is in use', async () => (await world.chat()).status === 200)
  return { world, vendor }
}

describe('sealed keys (X12)', () => {
  it('a ciphertext in another place of the database is refused, and no key goes anywhere', async (t) => {
    const { world, vendor } = await startWithKey(t, { ZENDO_MASTER_KEY: FIRST })
    const own = sealedOf(world)
    const flipped = `${own.slice(0, -6)}${own.at(-6) === 'A' ? 'B' : 'A'}${own.slice(-5)}`
    const tamperings: readonly (readonly [name: string, sql: string, ...values: string[]])[] = [
      ['a flipped byte', 'UPDATE credential SET sealed = ?', flipped],
      ['another row', "UPDATE credential SET id = 'cred_other'"],
      ['another provider', "UPDATE credential SET provider = 'closed'"],
      ['another address', 'UPDATE credential SET base_url = ?', 'https://evil.example/v1'],
      ['a field of another table', 'UPDATE credential SET sealed = hash FROM session'],
      ['nothing', "UPDATE credential SET sealed = ''"],
    ]
    const [before] = world.sql.all<{ id: string }>('SELECT id FROM credential')
    for (const [name, sql, ...values] of tamperings) {
      world.sql.run(sql, ...values)
      bump(world)
      await until(`${name} is seen`, async () => (await world.chat()).status !== 200)
      const chatsBefore = vendor.chats.length
      for (const model of ['both', 'closed']) {
        const reply = await world.chat({ model })
        assert.notEqual(reply.status, 200, name)
      }
      assert.equal(vendor.chats.length, chatsBefore, name)
      world.sql.run(
        "UPDATE credential SET id = ?, provider = 'acme', base_url = NULL, sealed = ?",
        ...[String(before?.id), own],
      )
      bump(world)
      await until(`${name} is mended`, async () => (await world.chat()).status === 200)
    }
    assert.match(world.gateway.output(), /provider key cannot be opened/)
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false)
  })

  it("another workspace's row does not open here", async (t) => {
    const { world, vendor } = await startWithKey(t, { ZENDO_MASTER_KEY: FIRST })
    const otherKey = addWorkspace(world.sql)
    world.sql.run("UPDATE credential SET workspace_id = 'wrk_other'")
    bump(world)
    await until('the row is seen', async () => (await world.chat({ key: otherKey })).status === 503)
    assert.equal((await world.chat({ key: otherKey })).status, 503)
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false)
  })

  it('without its master key a request that needs it is refused, others are served, and nothing is lost', async (t) => {
    const { world, vendor } = await startWithKey(t, { ZENDO_MASTER_KEY: FIRST })
    const stranger = deriveSecrets([SECOND])
    const context = world.sql.all<{ id: string; workspace_id: string }>('SELECT id, workspace_id FROM credential')[0]
    const foreign = stranger.sealer.seal(OWN_KEY, [
      ...['credential', String(context?.id), String(context?.workspace_id), 'acme', ''],
    ])
    world.sql.run('UPDATE credential SET sealed = ?', foreign)
    bump(world)
    await until('it is refused', async () => (await world.chat()).status === 503)
    const refused = await world.chat()
    assert.match(refused.text, /own key for acme cannot be used/)
    assert.equal((await world.chat({ model: 'given' })).status, 200)
    assert.match(world.gateway.output(), /ZENDO_MASTER_KEY_PREVIOUS/)
    const check = await world.credentials('POST', 'acme/check')
    assert.equal(check.status, 409)
    const mine = deriveSecrets([FIRST])
    const db = await openDatabase({ path: `${world.gateway.dataDir}/zendo.db` }, { nowMs: Date.now() })
    const result = await rewrapSecrets(db, mine.sealer, acting(mine.trailKeys))
    await db.close()
    assert.deepEqual(result, { rewrapped: 0, unreadable: [context?.id] })
    assert.equal(sealedOf(world), foreign)
    assert.deepEqual(vendor.chats.includes(OPERATOR_KEY), true, 'the free model alone')
  })

  it('two rotations under load fail no request', async (t) => {
    const { world, vendor } = await startWithKey(t, {
      ZENDO_MASTER_KEY: FIRST,
      ZENDO_MASTER_KEY_PREVIOUS: `${SECOND}, ${THIRD}`,
    })
    assert.ok(sealedOf(world).startsWith(deriveSecrets([FIRST]).sealer.prefix))
    const load = startLoad(world)
    const db = await openDatabase({ path: `${world.gateway.dataDir}/zendo.db` }, { nowMs: Date.now() })
    await wait(700)
    for (const roots of [
      [SECOND, FIRST],
      [THIRD, SECOND],
    ] as const) {
      const secrets = deriveSecrets([...roots])
      const result = await rewrapSecrets(db, secrets.sealer, acting(secrets.trailKeys))
      assert.deepEqual(result, { rewrapped: 1, unreadable: [] })
      assert.ok(sealedOf(world).startsWith(secrets.sealer.prefix))
      // The caches are emptied within a second: what is served then was opened under the new key.
      await wait(1200)
    }
    await db.close()
    const { statuses, perSecond } = await load.stop()
    t.diagnostic(`${statuses.length} requests, ${Math.round(perSecond)} a second`)
    assert.deepEqual([...new Set(statuses)], [200])
    assert.ok(perSecond >= 100, `${perSecond} requests a second`)
    assert.equal(vendor.chats.includes(OPERATOR_KEY), false)
  })
})

function acting(trailKeys: readonly string[]): Parameters<typeof rewrapSecrets>[2] {
  const trailKey = String(trailKeys[0])
  return { actor: { kind: 'shell', id: null }, nowMs: Date.now(), requestId: null, trailKey, trailKeys, randomBytes }
}

/** Eight clients that ask one after the other. */
function startLoad(world: World): { stop(): Promise<{ statuses: number[]; perSecond: number }> } {
  const statuses: number[] = []
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const startedAt = performance.now()
  let isOver = false
  const client = async (): Promise<void> => {
    while (!isOver) statuses.push(await ask(world, agent))
  }
  const clients = Array.from({ length: 8 }, client)
  return {
    async stop() {
      isOver = true
      await Promise.all(clients)
      agent.destroy()
      return { statuses, perSecond: statuses.length / ((performance.now() - startedAt) / 1000) }
    },
  }
}
