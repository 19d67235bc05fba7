/** The configuration changes under way: a request keeps the price it was admitted at, and a bad change changes nothing. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { CHAT, DIALECTS, type Dialect, jsonReply, STREAM_HEAD } from '../support/dialect.ts'
import { until, within } from '../support/until.ts'
import { takeWriteLock } from '../support/write-lock.ts'
import { createGate, dialectOf, type Gate, requestIdOf, type Scene, sceneConfig, startScene } from './scene.ts'

const USAGE = { input: 100, output: 100 }
const LOCK_MS = 1500

let scene: Scene
before(async () => {
  scene = await startScene()
})
after(async () => {
  try {
    await scene.assertBalanced()
  } finally {
    await scene.close()
  }
})

/** The configuration with another output price of `priced`, in dollars per million tokens. */
function configAt(output: number): object {
  const routes = [{ provider: 'fault', model: 'm' }]
  return sceneConfig(scene.upstream, {
    models: { priced: { products: ['zen', 'go'], price: { input: 2, output }, routes } },
  })
}

async function outputPrice(): Promise<number> {
  const headers = { authorization: `Bearer ${scene.instance.apiKey}` }
  const response = await fetch(`${scene.instance.baseUrl()}/zen/v1/models/priced`, { headers })
  const { pricing } = (await response.json()) as { pricing?: { output?: unknown } }
  return Number(pricing?.output)
}

async function changeTo(output: number): Promise<void> {
  await scene.instance.writeConfig(configAt(output))
  await until('the new price is shown', async () => (await outputPrice()) === output)
}

function serveThroughGate(tag: string, gate: Gate): void {
  scene.upstream.on(tag, async (call) => {
    const dialect = dialectOf(call)
    const stream = call.body.includes('"stream":true')
    if (stream) await call.write(STREAM_HEAD + dialect.opening(USAGE.input) + dialect.delta('first '))
    await gate.opened
    const rest = dialect.delta('last') + dialect.closing(USAGE) + dialect.terminal
    await call.write(
      stream ? rest : jsonReply(dialect.whole('whole', dialect.usage(USAGE)), '200 OK', ['connection: close']),
    )
    call.end()
  })
}

const costAt = (output: number): bigint => BigInt(USAGE.input * 2 * 1000 + USAGE.output * output * 1000)

it('a request under way keeps its price, the next one has the new, and both can be recomputed', async () => {
  const gate = createGate()
  serveThroughGate('before', gate)
  serveThroughGate('after', gate)
  const ask = (tag: string) =>
    [...DIALECTS, ...DIALECTS].map((dialect, i) =>
      scene.ask(dialect as Dialect, { tag, stream: i < 2, model: 'priced' }),
    )
  const before = ask('before')
  await until('they are under way', () => scene.upstream.callsOf('before').length === before.length)
  await changeTo(40)
  const after = ask('after')
  await until('they are under way', () => scene.upstream.callsOf('after').length === after.length)
  gate.open()
  for (const answer of [...before, ...after]) await within('the answer', answer.over, 3000)
  const rows = (answers: typeof before) => answers.map((answer) => scene.books.find(requestIdOf(answer)))
  for (const row of rows(before)) assert.equal(row?.charged, costAt(10))
  for (const row of rows(after)) assert.equal(row?.charged, costAt(40))
  const versions = (answers: typeof before) => [...new Set(rows(answers).map((row) => row?.price_version))]
  assert.equal(versions(before).length, 1)
  assert.equal(versions(after).length, 1)
  assert.notDeepEqual(versions(before), versions(after))
})

it('a bad file changes nothing, for requests under way and for new ones', async () => {
  await changeTo(20)
  const gate = createGate()
  serveThroughGate('bad', gate)
  const underWay = scene.ask(CHAT, { tag: 'bad', model: 'priced' })
  await underWay.saw('first ')
  const told = scene.instance.output().length
  for (const bad of [{ models: { priced: { price: { input: -1, output: 1 } } } }, { models: 5 }, { nonsense: true }]) {
    await scene.instance.writeConfig(bad)
    const linesBefore = scene.instance.output().length
    await until('the operator is told', () => scene.instance.output().length > linesBefore)
  }
  assert.match(scene.instance.output().slice(told), /not taken over[\s\S]*zendo\.jsonc/)
  gate.open()
  const next = scene.ask(CHAT, { tag: 'bad', model: 'priced' })
  for (const answer of [underWay, next]) {
    await within('the answer', answer.over, 3000)
    assert.equal(scene.books.find(requestIdOf(answer))?.charged, costAt(20))
  }
})

it('a model that is taken away while it answers is answered and charged', async () => {
  const gate = createGate()
  serveThroughGate('removed', gate)
  await changeTo(20)
  const underWay = scene.ask(CHAT, { tag: 'removed', model: 'priced' })
  await underWay.saw('first ')
  await scene.instance.writeConfig({})
  await until('the model is gone', async () => Number.isNaN(await outputPrice()))
  const late = scene.ask(CHAT, { tag: 'removed', model: 'priced' })
  await late.over
  assert.equal(late.status(), 404)
  gate.open()
  await within('the answer', underWay.over, 3000)
  assert.ok(underWay.text().includes(CHAT.terminalMark))
  assert.equal(scene.books.find(requestIdOf(underWay))?.charged, costAt(20))
})

it('a change that falls into another process’s write delays nobody, and comes into force after it', async () => {
  await changeTo(20)
  const lock = takeWriteLock(scene.place)
  try {
    await scene.instance.writeConfig(configAt(30))
    const lockedAt = performance.now()
    let slowestMs = 0
    while (performance.now() - lockedAt < LOCK_MS) {
      const askedAt = performance.now()
      // A long wait would be the lock's own doing: it is released here, and not while the answer is waited for.
      const health = fetch(`${scene.instance.baseUrl()}/healthz`, { signal: AbortSignal.timeout(LOCK_MS) })
      assert.equal((await health).status, 200)
      slowestMs = Math.max(slowestMs, performance.now() - askedAt)
    }
    assert.ok(slowestMs < 500, `the event loop was held up for ${slowestMs} ms`)
  } finally {
    lock.release()
  }
  await until('the new price is shown', async () => (await outputPrice()) === 30, 3000)
})
