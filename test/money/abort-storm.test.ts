/** Crowds that ask and leave at once, to dodge payment or to wear the gateway out: neither comes of it. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { BookRow } from '../support/books.ts'
import { DIALECTS, type Dialect, STREAM_HEAD } from '../support/dialect.ts'
import type { ReceivedCall } from '../support/fault-upstream.ts'
import { addTenants } from '../support/tenants.ts'
import { until, within } from '../support/until.ts'
import { onEachEngine } from './engines.ts'
import { createGate, dialectOf, PRICED, requestIdOf, type Scene, sampleViolations, startScene } from './scene.ts'

const CLIENTS = 300
const TENANTS = 6
/** How many answers may be read on at once. */
const MAX_DRAINS = 64
const LEAVE_AFTER_BYTES = 2048
/** Forty bytes, counted as ten tokens. */
const DELTA = 'forty letters of an answer, and no more '
const DELTA_TOKENS = 10
const DELTAS = 60
const PROMPT_TOKENS = 40
const MAX_GROWTH_MIB = 64
const INPUT_NANO = BigInt(PRICED.input * 1000)
const OUTPUT_NANO = BigInt(PRICED.output * 1000)

/** What the upstream counts of each call, until it is let go. */
type Truth = Map<ReceivedCall, number>

onEachEngine((engine) => {
  it(`${CLIENTS} clients leave at 2 KB: at most ${MAX_DRAINS} are read on, all pay, none stays open`, async () => {
    const scene = await startScene({ engine, provider: { maxConnections: 2 * CLIENTS } })
    try {
      await scene.instance.cli('credit', 'grant', '1000')
      const keys = addTenants(scene.place, TENANTS).map(({ key }) => key)
      await crowd(scene, 'first', keys, new Map())
      const before = scene.instance.residentMiB()
      const rowsBefore = scene.books.requests().length
      const truth: Truth = new Map()
      const stopSampling = sampleViolations(scene.books, 50)
      const mostReadOn = await crowd(scene, 'storm', keys, truth)
      assert.deepEqual(stopSampling(), [])
      assert.ok(mostReadOn > 0 && mostReadOn <= MAX_DRAINS, `${mostReadOn} were read on`)
      judge(scene.books.requests().slice(rowsBefore), truth)
      const grownMiB = scene.instance.residentMiB() - before
      assert.ok(grownMiB <= MAX_GROWTH_MIB, `grew by ${grownMiB} MiB`)
      const next = scene.ask(DIALECTS[0] as Dialect, { tag: 'next', model: 'priced' })
      await within('the next one is served', next.over, 5000)
      assert.equal(scene.books.find(requestIdOf(next))?.outcome, 'complete')
      await scene.assertBalanced()
    } finally {
      await scene.close()
    }
  })
})

/** All leave, and then the upstream says what it counted to whoever still listens. Returns how many that were. */
async function crowd(scene: Scene, tag: string, keys: readonly string[], truth: Truth): Promise<number> {
  const allGone = createGate()
  scene.upstream.on(tag, async (call) => {
    const dialect = dialectOf(call)
    truth.set(call, 0)
    await call.write(STREAM_HEAD + dialect.opening(PROMPT_TOKENS))
    for (let i = 1; i <= DELTAS && !call.isClosed(); i++) {
      await call.write(dialect.delta(DELTA))
      truth.set(call, i * DELTA_TOKENS)
    }
    await allGone.opened
    // A moment, in which those that are not read on are let go.
    await delay(100)
    if (call.isClosed()) return
    const usage = { input: PROMPT_TOKENS, output: truth.get(call) ?? 0 }
    await call.write(dialect.closing(usage) + dialect.terminal)
    call.end()
  })
  const answers = Array.from({ length: CLIENTS }, (_, i) =>
    scene.ask(DIALECTS[i % 2] as Dialect, {
      ...{ tag, model: 'priced', leaveAfterBytes: LEAVE_AFTER_BYTES, leaveByReset: i % 3 === 0 },
      key: keys[i % keys.length] as string,
    }),
  )
  for (const answer of answers) await within('each has left', answer.over, 20_000)
  await delay(50)
  const readOn = scene.upstream.callsOf(tag).filter((call) => !call.isClosed()).length
  allGone.open()
  await until('every row is ended', () => scene.books.openHolds() === 0, 10_000)
  return readOn
}

function judge(rows: readonly BookRow[], truth: Truth): void {
  assert.equal(rows.length, CLIENTS)
  assert.deepEqual([...new Set(rows.map(({ outcome }) => outcome))], ['client_stopped'])
  for (const { charged } of rows) assert.ok((charged ?? 0n) > 0n, 'one has dodged payment')
  const charged = rows.reduce((sum, row) => sum + (row.charged ?? 0n), 0n)
  const cost = [...truth.values()].reduce(
    (sum, output) => sum + BigInt(PROMPT_TOKENS) * INPUT_NANO + BigInt(output) * OUTPUT_NANO,
    0n,
  )
  assert.ok(charged * 10n >= cost * 9n && charged <= cost + cost / 10n, `${charged} charged, ${cost} counted`)
}
