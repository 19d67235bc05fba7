/** Another process keeps the database: money waits, answers do not, and nobody sees an end that could be lost. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CHAT, DIALECTS, type Dialect, jsonReply, STREAM_HEAD } from '../support/dialect.ts'
import type { WatchedAnswer } from '../support/stream-client.ts'
import { until, within } from '../support/until.ts'
import { takeWriteLock } from '../support/write-lock.ts'
import { createGate, DOLLAR, dialectOf, type Gate, PRICED, requestIdOf, type Scene, startScene } from './scene.ts'

const USAGE = { input: 100, output: 200 }
const COST = (BigInt(USAGE.input * PRICED.input + USAGE.output * PRICED.output) * DOLLAR) / 1_000_000n
const SHORT_LOCK_MS = 3000
/** Until what could not be booked while the database was kept is booked. */
const RESOLVE_MS = 5000

/** Each test locks a database of its own. */
async function withScene(play: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = await startScene()
  try {
    await play(scene)
    await scene.assertBalanced()
  } finally {
    await scene.close()
  }
}

/** Streams one delta, and all the rest in one go when the gate opens. */
function serveThroughGate(scene: Scene, tag: string, gate: Gate): void {
  scene.upstream.on(tag, async (call) => {
    const dialect = dialectOf(call)
    const stream = call.body.includes('"stream":true')
    if (stream) await call.write(STREAM_HEAD + dialect.opening(USAGE.input) + dialect.delta('first '))
    await gate.opened
    const rest = dialect.delta('and last words') + dialect.closing(USAGE) + dialect.terminal
    await call.write(
      stream ? rest : jsonReply(dialect.whole('whole', dialect.usage(USAGE)), '200 OK', ['connection: close']),
    )
    call.end()
  })
}

interface UnderWay {
  readonly dialect: Dialect
  readonly streamed: WatchedAnswer
  readonly whole: WatchedAnswer
}

/** A stream and an answer in one piece of each protocol, all admitted and waiting at the gate. */
async function putUnderWay(scene: Scene, tag: string): Promise<UnderWay[]> {
  const all = DIALECTS.map((dialect) => ({
    dialect,
    streamed: scene.ask(dialect, { tag, model: 'priced' }),
    whole: scene.ask(dialect, { tag, model: 'priced', stream: false }),
  }))
  for (const { streamed } of all) await streamed.saw('first ')
  await until('all are at the upstream', () => scene.upstream.callsOf(tag).length === 2 * all.length)
  return all
}

describe('while another process writes', { concurrency: true }, () => {
  it('for three seconds: every answer comes and ends all the same, and is booked once that is over', () =>
    withScene(async (scene) => {
      const gate = createGate()
      serveThroughGate(scene, 'short', gate)
      const underWay = await putUnderWay(scene, 'short')
      const lock = takeWriteLock(scene.place)
      try {
        gate.open()
        await assertEndSeen(underWay)
        await watchServing(scene)
        assert.equal(scene.books.openHolds(), 2 * underWay.length, 'somebody wrote into a locked database')
      } finally {
        lock.release()
      }
      await until('what was owed is booked', () => scene.books.openHolds() === 0, RESOLVE_MS)
      assertBooked(scene, underWay)
    }))

  it('and the power fails: what was shown to have ended is booked by the next start', () =>
    withScene(async (scene) => {
      const gate = createGate()
      serveThroughGate(scene, 'power', gate)
      const underWay = await putUnderWay(scene, 'power')
      const never = scene.ask(CHAT, { tag: 'never', model: 'priced' })
      scene.upstream.on('never', (call) => call.write(STREAM_HEAD + CHAT.opening(5) + CHAT.delta('half ')))
      await never.saw('half ')
      const lock = takeWriteLock(scene.place)
      try {
        gate.open()
        await assertEndSeen(underWay)
        await scene.instance.kill()
      } finally {
        lock.release()
      }
      await scene.instance.start()
      assert.equal(scene.books.openHolds(), 0)
      assertBooked(scene, underWay)
      const interrupted = scene.books.find(requestIdOf(never))
      assert.deepEqual([interrupted?.outcome, interrupted?.charged], ['operator_fault', 0n])
    }))

  it('a new request is not sent on before its hold is booked, and is then answered', () =>
    withScene(async (scene) => {
      await assertWaitsForShortLock(scene, 'waits')
    }))

  it('for longer than a hold waits: new requests get 503, not 401, and are not sent on', () =>
    withScene(async (scene) => {
      const lock = takeWriteLock(scene.place)
      try {
        const refused = DIALECTS.flatMap((dialect) =>
          Array.from({ length: 20 }, () => scene.ask(dialect, { tag: 'refused', model: 'priced' })),
        )
        for (const answer of refused) {
          await within('it is refused', answer.over, 8000)
          assert.equal(answer.status(), 503, answer.text())
          assert.match(answer.text(), /"storage_unavailable"/)
          assert.ok(Number(answer.headers()['retry-after']) >= 1)
        }
      } finally {
        lock.release()
      }
      assert.equal(scene.upstream.callsOf('refused').length, 0, 'a request without a hold reached the upstream')
      await assertWaitsForShortLock(scene, 'again')
    }))
})

/** A lock of less than a second delays a request: it is neither refused nor sent on before its hold is booked. */
async function assertWaitsForShortLock(scene: Scene, tag: string): Promise<void> {
  const lock = takeWriteLock(scene.place)
  const answer = scene.ask(CHAT, { tag, model: 'priced' })
  try {
    await delay(700)
    assert.equal(scene.upstream.callsOf(tag).length, 0, 'sent before it was paid for')
    assert.equal(answer.status(), null, answer.text())
  } finally {
    lock.release()
  }
  assert.equal(await within('the answer', answer.over, 2000), 'whole')
  assert.equal(answer.status(), 200)
}

async function assertEndSeen(underWay: readonly UnderWay[]): Promise<void> {
  for (const { dialect, streamed, whole } of underWay) {
    assert.equal(await within('the stream ends', streamed.over, 2000), 'whole')
    assert.match(streamed.text(), /and last words/)
    assert.ok(streamed.text().includes(dialect.terminalMark), streamed.text())
    assert.equal(await within('the answer', whole.over, 2000), 'whole')
    assert.equal(whole.status(), 200, whole.text())
  }
}

function assertBooked(scene: Scene, underWay: readonly UnderWay[]): void {
  for (const answer of underWay.flatMap(({ streamed, whole }) => [streamed, whole])) {
    const row = scene.books.find(requestIdOf(answer))
    assert.deepEqual([row?.state, row?.charged, row?.estimated], ['settled', COST, 0n])
  }
}

/** For three seconds the process answers. */
async function watchServing(scene: Scene): Promise<void> {
  const beganAt = performance.now()
  let slowestMs = 0
  while (performance.now() - beganAt < SHORT_LOCK_MS) {
    const askedAt = performance.now()
    assert.equal((await fetch(`${scene.instance.baseUrl()}/healthz`)).status, 200)
    slowestMs = Math.max(slowestMs, performance.now() - askedAt)
    await delay(20)
  }
  assert.ok(slowestMs < 500, `the event loop was held up for ${slowestMs} ms`)
}
