/** Settings as code: every one says where it comes from, and what is changed at run time holds everywhere at once. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createClient } from '../../src/contract/client.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { openSyncSql } from '../support/sync-sql.ts'
import { until } from '../support/until.ts'

const FILE = {
  anonymous: { requestsPerDay: 77 },
  // Waiting for both processes reads more often than people may.
  limits: { api: { read: 0 } },
  providers: { other: { apiKey: 'sk-very-secret', protocol: 'openai-chat', baseUrl: 'http://127.0.0.1:9/v1' } },
}

/** Makes the first key an operator's, for everything. */
function promote({ dataDir }: Gateway): void {
  const sql = openSyncSql({ dataDir }, { readOnly: false })
  try {
    sql.run(
      "INSERT INTO person (id, email, name, is_operator, created_at) VALUES ('per_op', 'op@example.com', 'op', 1, 0)",
    )
    sql.run("UPDATE member SET person_id = 'per_op'")
    sql.run(`UPDATE api_key SET scopes = '["inference","read","manage"]'`)
    sql.run("UPDATE revision SET value = value + 1 WHERE name = 'policy'")
  } finally {
    sql.close()
  }
}

describe('settings of an instance of two processes', () => {
  let gateway: Gateway
  before(async () => {
    gateway = await startGateway({ config: FILE, env: { ZENDO_WORKERS: '2', ZENDO_MASTER_KEY: 'm'.repeat(40) } })
    promote(gateway)
  })
  after(() => gateway.remove())

  const client = () => createClient({ baseUrl: gateway.baseUrl, key: gateway.apiKey, headers: { connection: 'close' } })
  const settings = async () =>
    new Map((await client()['setting.list']()).data.map((setting) => [setting.name, setting]))
  /** Asked over so many connections at once that each process answers some. */
  const everywhere = async (name: string) => {
    const answers = await Promise.all(Array.from({ length: 12 }, settings))
    return [...new Set(answers.map((all) => all.get(name)?.value))]
  }
  const holdsEverywhere = (name: string, value: unknown) =>
    until(`${name} is ${value} in every process`, async () => (await everywhere(name)).join() === String(value), 1000)

  it('each says its value and where that comes from; secrets show nothing', async () => {
    const all = await settings()
    const { value, source, where, locked } = all.get('anonymous.requestsPerDay') ?? {}
    assert.deepEqual([value, source, where, locked], [77, 'file', join(gateway.dataDir, 'zendo.jsonc'), true])
    assert.deepEqual(
      [all.get('workers')?.value, all.get('workers')?.source, all.get('workers')?.where],
      [2, 'environment', 'ZENDO_WORKERS'],
    )
    assert.deepEqual([all.get('masterKey')?.value, all.get('masterKey')?.source], [null, 'environment'])
    assert.deepEqual([all.get('limits.loop.repeats')?.value, all.get('limits.loop.repeats')?.source], [20, 'default'])
    assert.deepEqual(all.get('providers')?.value, ['other'])
    assert.ok(!JSON.stringify([...all]).includes('secret') && !JSON.stringify([...all]).includes('mmmm'))
    for (const { name, source: from, value: shown } of all.values())
      assert.notEqual(shown, undefined, `${name} ${from}`)
  })

  it('a change holds in every process within a second, and its reset too; both are on record', async () => {
    const changed = await client()['setting.update']({ params: { setting: 'limits.loop.repeats' }, body: { value: 5 } })
    assert.deepEqual([changed.value, changed.source], [5, 'console'])
    await holdsEverywhere('limits.loop.repeats', 5)
    assert.equal((await settings()).get('limits.loop.repeats')?.source, 'console')
    await client()['setting.reset']({ params: { setting: 'limits.loop.repeats' } })
    await holdsEverywhere('limits.loop.repeats', 20)
    const { data } = await client()['audit_log.list']({ query: { target: 'limits.loop.repeats' } })
    assert.deepEqual(
      data.map(({ action, before: old, after: now }) => [action, old, now]),
      [
        ['setting.reset', { value: 5 }, null],
        ['setting.update', { value: null }, { value: 5 }],
      ],
    )
  })

  it('a change is in force, not only shown: no request without a key is taken after it', async () => {
    const before = (await settings()).get('limits.address.requestsPerMinute')?.value
    await client()['setting.update']({ params: { setting: 'limits.address.requestsPerMinute' }, body: { value: 1 } })
    await holdsEverywhere('limits.address.requestsPerMinute', 1)
    const statuses: number[] = []
    for (let n = 0; n < 6; n++) {
      const reply = await fetch(`${gateway.baseUrl}/zen/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer sk-zendo-wrong' },
        body: '{"model":"x"}',
      })
      statuses.push(reply.status)
      await reply.arrayBuffer()
    }
    assert.ok(statuses.includes(429), statuses.join())
    await client()['setting.reset']({ params: { setting: 'limits.address.requestsPerMinute' } })
    await holdsEverywhere('limits.address.requestsPerMinute', before)
  })

  it('what the file or the environment fixes is refused with its place', async () => {
    const change = (setting: string) => client()['setting.update']({ params: { setting }, body: { value: 1 } })
    await assert.rejects(change('anonymous.requestsPerDay'), { status: 409, message: /zendo\.jsonc/ })
    await assert.rejects(change('workers'), { status: 409, message: /ZENDO_WORKERS/ })
    await assert.rejects(change('server.maxBodyBytes'), { status: 409, message: /file/ })
    await assert.rejects(change('providers'), { status: 409 })
    for (const name of ['nothing', 'providers.other.apiKey', 'plans.__proto__', '__proto__', 'limits', 'limits.key']) {
      await assert.rejects(change(name), { status: 404 }, name)
    }
    await assert.rejects(client()['setting.reset']({ params: { setting: 'limits.key.burst' } }), { status: 404 })
  })

  it('a value that the file would not take is refused with its reason, and nothing is changed', async () => {
    const change = (setting: string, value: unknown) =>
      client()['setting.update']({ params: { setting }, body: { value } })
    await assert.rejects(change('limits.loop.repeats', 1), { status: 400, message: /at least 2/ })
    await assert.rejects(change('signIn.registration', 'anybody'), { status: 400, message: /invite or open/ })
    await assert.rejects(change('plans.go', { windows: [] }), { status: 400 })
    await assert.rejects(change('plans.go', { surprise: 1 }), { status: 400 })
    await assert.rejects(change('limits.loop.repeats', undefined), { status: 400 })
    const all = await settings()
    assert.ok([...all.values()].every(({ source }) => source !== 'console'))
  })

  it('the file wins over what was stored before, and what was stored comes back when the file is silent', async () => {
    await client()['setting.update']({ params: { setting: 'limits.loop.seconds' }, body: { value: 30 } })
    await holdsEverywhere('limits.loop.seconds', 30)
    const path = join(gateway.dataDir, 'zendo.jsonc')
    await writeFile(path, JSON.stringify({ ...FILE, limits: { ...FILE.limits, loop: { seconds: 90 } } }))
    await holdsEverywhere('limits.loop.seconds', 90)
    await writeFile(path, '{ "limits": ')
    await until('the bad file was noticed', () => gateway.output().includes('was not taken over'))
    assert.deepEqual(await everywhere('limits.loop.seconds'), [90])
    await writeFile(path, JSON.stringify(FILE))
    await holdsEverywhere('limits.loop.seconds', 30)
  })

  it('is for operators alone', async () => {
    const stranger = createClient({ baseUrl: gateway.baseUrl })
    await assert.rejects(stranger['setting.list'](), { status: 401 })
  })
})
