/** SIGTERM: what is under way ends well and is paid, new work is refused, and what outlasts the time limit is told so. */
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { DIALECTS, type Dialect, jsonReply, STREAM_HEAD } from '../support/dialect.ts'
import { within } from '../support/until.ts'
import { takeWriteLock } from '../support/write-lock.ts'
import { createGate, dialectOf, type Gate, requestIdOf, type Scene, startScene } from './scene.ts'

const STREAMS = 24
const USAGE = { input: 10, output: 20 }

async function withScene(env: Record<string, string>, play: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = await startScene({ env })
  try {
    await play(scene)
  } finally {
    await scene.close()
  }
}

/** Answers half at once and the rest when the gate opens. */
function serveThroughGate(scene: Scene, tag: string, gate: Gate): void {
  scene.upstream.on(tag, async (call) => {
    const dialect = dialectOf(call)
    if (call.body.includes('"stream":true'))
      await call.write(STREAM_HEAD + dialect.opening(10) + dialect.delta('half '))
    await gate.opened
    if (call.body.includes('"stream":true'))
      await call.write(dialect.delta('whole') + dialect.closing(USAGE) + dialect.terminal)
    else await call.write(jsonReply(dialect.whole('whole', dialect.usage(USAGE)), '200 OK', ['connection: close']))
    call.end()
  })
}

describe('SIGTERM', { concurrency: true }, () => {
  it('lets requests under way end well, refuses new ones, and exits with 0', async () => {
    await withScene({}, async (scene) => {
      const gate = createGate()
      serveThroughGate(scene, 'drain', gate)
      const keptAlive = new Agent({ keepAlive: true, maxSockets: 1 })
      assert.equal(await statusOf(scene, keptAlive), 200)
      const answers = Array.from({ length: STREAMS }, (_, i) =>
        scene.ask(DIALECTS[i % 2] as Dialect, { tag: 'drain', stream: i % 3 !== 0, model: 'priced' }),
      )
      await Promise.all(answers.filter((_, i) => i % 3 !== 0).map((answer) => answer.saw('half ')))
      while (scene.upstream.callsOf('drain').length < STREAMS) await scene.upstream.next('drain')
      scene.instance.signal('SIGTERM')

      const late = await refusalAfterSignal(scene, keptAlive)
      assert.ok(late === 'refused' || late === 503, `a new request got ${late}`)
      const openedAt = performance.now()
      gate.open()
      for (const [i, answer] of answers.entries()) {
        assert.equal(await within('each answer ends', answer.over, 3000), 'whole')
        assert.match(answer.text(), /whole/)
        if (i % 3 !== 0) assert.ok(answer.text().includes((DIALECTS[i % 2] as Dialect).terminalMark))
      }
      assert.equal(await within('the process ends', scene.instance.exited(), 3000), 0)
      assert.ok(performance.now() - openedAt < 2000)
      for (const answer of answers) assert.equal(scene.books.find(requestIdOf(answer))?.state, 'settled')
      keptAlive.destroy()
      await scene.assertBalanced()
    })
  })

  it('tells in-band what outlasts the limit, charges nothing for it, leaves nothing held, and exits with 0', async () => {
    await withScene({ ZENDO_SHUTDOWN_MS: '500' }, async (scene) => {
      serveThroughGate(scene, 'stuck', createGate())
      const answers = DIALECTS.map((dialect) => ({
        dialect,
        answer: scene.ask(dialect, { tag: 'stuck', model: 'priced' }),
      }))
      await Promise.all(answers.map(({ answer }) => answer.saw('half ')))
      scene.instance.signal('SIGTERM')
      assert.equal(await within('the process ends', scene.instance.exited(), 3000), 0)
      assert.equal(scene.books.openHolds(), 0, 'the shutdown left holds to the next start')
      assert.deepEqual(scene.books.violations(), [])
      for (const { dialect, answer } of answers) {
        await answer.over
        assert.ok(!answer.text().includes(dialect.terminalMark))
        assert.ok(answer.text().includes(dialect.errorMark), `cut without a word: ${answer.text()}`)
        assert.equal(scene.books.find(requestIdOf(answer))?.charged, 0n)
      }
    })
  })

  it('shows no end that comes too late to be paid', async () => {
    await withScene({ ZENDO_SHUTDOWN_MS: '300' }, async (scene) => {
      const gate = createGate()
      serveThroughGate(scene, 'late', gate)
      const answers = DIALECTS.map((dialect) => ({
        dialect,
        answer: scene.ask(dialect, { tag: 'late', model: 'priced' }),
      }))
      await Promise.all(answers.map(({ answer }) => answer.saw('half ')))
      // Kept from being booked until the upstream has ended, the interrupted answers must still not look whole.
      const lock = takeWriteLock(scene.place)
      try {
        scene.instance.signal('SIGTERM')
        await delay(600)
        gate.open()
        // Most are over by then, with an error: their ends are in the spill.
        await Promise.all(answers.map(({ answer }) => answer.saw('whole').catch(() => answer.over)))
      } finally {
        lock.release()
      }
      assert.equal(await within('the process ends', scene.instance.exited(), 4000), 0)
      for (const { dialect, answer } of answers) {
        await answer.over
        const isSettled = scene.books.find(requestIdOf(answer))?.state === 'settled'
        assert.equal(
          answer.text().includes(dialect.terminalMark),
          isSettled,
          'an end was shown exactly when it was paid',
        )
      }
    })
  })

  it('with nothing under way ends at once, also when sent as SIGINT', async () => {
    await withScene({}, async (scene) => {
      const began = performance.now()
      scene.instance.signal('SIGINT')
      assert.equal(await within('the process ends', scene.instance.exited(), 3000), 0)
      assert.ok(performance.now() - began < 1500)
    })
  })

  it('sent twice ends at once; the next start gives the hold back', async () => {
    await withScene({}, async (scene) => {
      serveThroughGate(scene, 'twice', createGate())
      const [dialect] = DIALECTS as [Dialect]
      const answer = scene.ask(dialect, { tag: 'twice', model: 'priced' })
      await answer.saw('half ')
      scene.instance.signal('SIGTERM')
      await refusalAfterSignal(scene, new Agent())
      scene.instance.signal('SIGTERM')
      assert.notEqual(await within('the process ends', scene.instance.exited(), 1500), null)
      await answer.over
      assert.ok(!answer.text().includes(dialect.terminalMark))
      await scene.instance.start()
      assert.equal(scene.books.find(requestIdOf(answer))?.outcome, 'operator_fault')
      await scene.assertBalanced()
    })
  })
})

/** Asks again until the signal is seen to have arrived. */
async function refusalAfterSignal(scene: Scene, agent: Agent): Promise<number | 'refused'> {
  for (;;) {
    const status = await statusOf(scene, agent)
    if (status !== 200) return status
  }
}

function statusOf(scene: Scene, agent: Agent): Promise<number | 'refused'> {
  return new Promise((resolve) => {
    const sent = request(`${scene.instance.baseUrl()}/readyz`, { agent }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    })
    sent.once('error', () => resolve('refused'))
    sent.end()
  })
}
