/** kill -9 at random moments under load: nothing is charged twice, nothing that a client saw end is lost, nothing sticks. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { type Random, randomFor } from '../captures/random.ts'
import { DIALECTS, type Dialect, jsonReply, STREAM_HEAD } from '../support/dialect.ts'
import type { ReceivedCall } from '../support/fault-upstream.ts'
import { addTenants, type Tenant } from '../support/tenants.ts'
import { until, within } from '../support/until.ts'
import { onEachEngine, type SceneEngine } from './engines.ts'
import { dialectOf, PRICED, requestIdOf, type Scene, startScene } from './scene.ts'

const WORLDS = 2
const KILLS_PER_WORLD = 10
const CLIENTS_PER_WORLD = 6
const PROMPT_TOKENS = 40
const MAX_OUTPUT = 200

interface SeenEnd {
  readonly requestId: string
  /** What the upstream counted. */
  readonly output: number
}

/** A gateway of its own under load, killed again and again. */
interface World {
  readonly scene: Scene
  readonly random: Random
  readonly tenant: Tenant
  /** The answers whose end a client saw. */
  readonly ends: SeenEnd[]
  readonly oddities: string[]
  kills: number
  /** Requests that a kill met under way. */
  interrupted: number
  isOver: boolean
}

const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 1_000_000)

onEachEngine((engine) => {
  it(`${WORLDS * KILLS_PER_WORLD} kills under load (ZENDO_TEST_SEED=${seed})`, async () => {
    const worlds = await Promise.all(Array.from({ length: WORLDS }, (_, index) => openWorld(engine, index)))
    try {
      await Promise.all(worlds.map(liveThrough))
      for (const world of worlds) await judge(world)
      assert.ok(worlds.reduce((sum, { kills }) => sum + kills, 0) >= WORLDS * KILLS_PER_WORLD)
    } finally {
      for (const { scene } of worlds) await scene.close()
    }
  })
})

async function openWorld(engine: SceneEngine, index: number): Promise<World> {
  const scene = await startScene({ engine })
  for (let output = 1; output <= MAX_OUTPUT; output++) scene.upstream.on(`u${output}`, (call) => answer(call, output))
  await scene.instance.cli('credit', 'grant', '1000')
  const [tenant] = addTenants(scene.place, 1, { planId: 'tight-weekly', useBalance: true })
  const random = randomFor(seed, `${engine.name} ${index}`)
  return { scene, random, tenant: tenant as Tenant, ends: [], oddities: [], kills: 0, interrupted: 0, isOver: false }
}

/** In several pieces, so that kills fall between them. */
async function answer(call: ReceivedCall, output: number): Promise<void> {
  const dialect = dialectOf(call)
  const usage = { input: PROMPT_TOKENS, output }
  if (!call.body.includes('"stream":true')) {
    await nextTurn()
    await call.write(jsonReply(dialect.whole('fine', dialect.usage(usage)), '200 OK', ['connection: close']))
  } else {
    await call.write(STREAM_HEAD + dialect.opening(PROMPT_TOKENS))
    for (let i = 0; i < 5; i++) {
      await call.write(dialect.delta('some words '))
      await nextTurn()
    }
    await call.write(dialect.closing(usage) + dialect.terminal)
  }
  call.end()
}

async function liveThrough(world: World): Promise<void> {
  const clients = Array.from({ length: CLIENTS_PER_WORLD }, (_, i) => keepAsking(world, i))
  try {
    while (world.kills < KILLS_PER_WORLD) await liveAndDie(world)
  } finally {
    world.isOver = true
    await Promise.all(clients)
  }
}

async function liveAndDie(world: World): Promise<void> {
  const { scene, random, ends } = world
  const known = ends.length
  // Most live long enough to be of use; some die young.
  if (random() < 0.8) await until('two answers have ended', () => ends.length >= known + 2, 15_000)
  await delay(random() * 300)
  await scene.instance.kill()
  world.kills++
  world.interrupted += scene.books.openHolds()
  assert.deepEqual(scene.books.violations(), [], 'right after a kill')
  if (random() < 0.3) {
    // The next start is interrupted as well, somewhere in its recovery.
    scene.instance.startWithoutWaiting()
    await delay(150 + random() * 450)
    await scene.instance.kill()
    world.kills++
  }
  const startedAtMs = Date.now()
  await scene.instance.start()
  const stale = scene.books.all("SELECT id FROM request WHERE state = 'held' AND created_at < ?", startedAtMs)
  assert.deepEqual(stale, [], 'a start leaves no hold of the past open')
  assert.deepEqual(scene.books.violations(), [], 'after a start')
}

async function keepAsking(world: World, client: number): Promise<void> {
  const { scene, random, tenant, oddities } = world
  while (!world.isOver) {
    if (!scene.instance.isUp()) {
      await delay(5)
      continue
    }
    const dialect = DIALECTS[Math.floor(random() * 2)] as Dialect
    const stream = random() < 0.7
    const output = 1 + Math.floor(random() * MAX_OUTPUT)
    const paid = client % 2 === 0 ? {} : { product: 'go' as const, key: tenant.key }
    const seen = scene.ask(dialect, { tag: `u${output}`, model: 'priced', maxTokens: MAX_OUTPUT, stream, ...paid })
    const how = await within('a request is over', seen.over, 10_000)
    const sawEnd = stream ? seen.text().includes(dialect.terminalMark) : seen.status() === 200 && how === 'whole'
    if (sawEnd) world.ends.push({ requestId: requestIdOf(seen), output })
    else if (how === 'whole') oddities.push(`${seen.status()} ${seen.text()}`)
  }
}

async function judge(world: World): Promise<void> {
  const { scene, ends, oddities } = world
  await scene.assertBalanced()
  assert.deepEqual(oddities, [], 'answers that neither ended nor broke off')
  assert.ok(
    ends.length >= KILLS_PER_WORLD && world.interrupted >= 5,
    `too little load: ${ends.length}, ${world.interrupted}`,
  )
  const nano = (tokens: number, dollars: number): bigint => BigInt(tokens * dollars * 1000)
  for (const { requestId, output } of ends) {
    const row = scene.books.find(requestId)
    const expected = nano(PROMPT_TOKENS, PRICED.input) + nano(output, PRICED.output)
    assert.deepEqual([row?.state, row?.charged], ['settled', expected], requestId)
  }
  const settled = scene.books.requests().filter(({ state }) => state === 'settled')
  assert.ok(settled.length <= scene.upstream.calls.length, 'more was charged than the upstream was asked')
}
