/** Clients that leave at any byte: the row always ends, relayed content is always paid for, the upstream is let go. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { BookRow } from '../support/books.ts'
import { DIALECTS, type Dialect, jsonReply, STREAM_HEAD } from '../support/dialect.ts'
import type { ReceivedCall } from '../support/fault-upstream.ts'
import { streamsOf } from '../support/other-dialects.ts'
import { until, within } from '../support/until.ts'
import { onEachEngine } from './engines.ts'
import { type Ask, createGate, EXACT_TOKENS, PRICED, type Scene, startScene } from './scene.ts'

const DELTAS = 30
/** Percent of the stream; 0 is before its head. */
const POSITIONS = [0, 1, ...Array.from({ length: 20 }, (_, i) => 5 * (i + 1))]
/** Where the books are kept makes no difference to a stream: a few are enough for the other engine. */
const SOME_POSITIONS = [0, 1, 50, 100]
/** Until a row is ended and its upstream let go. */
const LIMIT_MS = 3000
const USAGE = { input: 50, output: 90 }

let scene: Scene
function words(dialect: Dialect): string {
  return Array.from({ length: DELTAS }, (_, i) => dialect.delta(`word ${i} of the answer `)).join('')
}

/** Asks, lets `serve` answer, and returns the row and the upstream's side once both have ended. */
async function leaveEarly(
  dialect: Dialect,
  request: Ask,
  serve: (call: ReceivedCall, left: Promise<unknown>) => Promise<void>,
): Promise<{ row: BookRow; text: string; tookMs: number }> {
  const gone = createGate()
  scene.upstream.on(request.tag, (call) => serve(call, gone.opened))
  const { leaveAfterBytes = 0, ...asked } = request
  const answer = scene.ask(dialect, { model: 'priced', ...asked, ...(leaveAfterBytes > 0 && { leaveAfterBytes }) })
  void answer.over.then(gone.open)
  // Before its first byte, but not before it was sent on: what nobody was asked costs nothing.
  if (leaveAfterBytes === 0) void scene.upstream.next(request.tag).then(answer.leave)
  await answer.over
  const leftAt = performance.now()
  const ofTag = (): BookRow | undefined =>
    scene.books.all<BookRow>('SELECT * FROM request WHERE session = ?', request.tag)[0]
  const isEnded = (): boolean => ofTag() !== undefined && ofTag()?.state !== 'held'
  await until('the row is ended', isEnded, LIMIT_MS)
  for (const call of scene.upstream.callsOf(request.tag)) await within('the upstream is let go', call.closed, LIMIT_MS)
  return { row: ofTag() as BookRow, text: answer.text(), tookMs: performance.now() - leftAt }
}

/** The tag is the session too, so that the row is found without an answer's head. */
const asking = (tag: string, more: object): Ask => ({ tag, headers: { 'x-zendo-session': tag }, ...more })

const INPUT_NANO = BigInt(PRICED.input * 1000)
const OUTPUT_NANO = BigInt(PRICED.output * 1000)

// So many answers of one key are read on at once, and no more.
const AT_ONCE = 30

onEachEngine((engine) => {
  const positions = engine.name === 'sqlite' ? POSITIONS : SOME_POSITIONS

  before(async () => {
    scene = await startScene({ engine })
  })
  after(async () => {
    try {
      await scene.assertBalanced()
    } finally {
      await scene.close()
    }
  })

  describe('a client that leaves a stream', { concurrency: AT_ONCE }, () => {
    for (const dialect of streamsOf('priced')) {
      const size = dialect.opening(USAGE.input).length + words(dialect).length
      for (const percent of positions) {
        const leaveAfterBytes = Math.round((size * percent) / 100)
        for (const leaveByReset of [false, true]) {
          const name = `${dialect.protocol}, after ${percent} %${leaveByReset ? ', by reset' : ''}`
          const tag = `${dialect.protocol}-${percent}-${leaveByReset ? 'rst' : 'fin'}`

          it(`${name}: what was relayed is charged as an estimate when no usage comes`, async () => {
            const ask = asking(`${tag}-silent`, { leaveAfterBytes, leaveByReset })
            const { row, text } = await leaveEarly(dialect, ask, async (call, left) => {
              if (percent === 0) await left
              await call.write(STREAM_HEAD + dialect.opening(USAGE.input) + words(dialect))
              await call.closed
            })
            assert.equal(row.outcome, 'client_stopped')
            if (text.includes('word 0')) {
              assert.ok((row.charged ?? 0n) > 0n, 'relayed content was free')
              assert.equal(row.estimated, 1n)
            }
            const all = words(dialect).length
            assert.ok((row.charged ?? -1n) <= BigInt(all) * OUTPUT_NANO + 1000n * INPUT_NANO)
          })

          it(`${name}: the upstream’s usage is charged when it still comes`, async () => {
            const ask = asking(`${tag}-drained`, { leaveAfterBytes, leaveByReset })
            const { row, text } = await leaveEarly(dialect, ask, async (call, left) => {
              if (percent === 0) await left
              await call.write(STREAM_HEAD + dialect.opening(USAGE.input) + words(dialect))
              await left
              await call.write(dialect.closing(USAGE) + dialect.terminal)
              call.end()
            })
            // The end may overtake the news that the client has left.
            assert.ok(row.outcome === 'client_stopped' || row.outcome === 'complete')
            if (percent > 0 && !text.includes('word 0')) return
            assert.equal(row.estimated, 0n)
            assert.equal(row.charged, BigInt(USAGE.input) * INPUT_NANO + BigInt(USAGE.output) * OUTPUT_NANO)
          })
        }
      }

      it(`${dialect.protocol}: what came after it had left is not charged as delivered`, async () => {
        const ask = asking(`${dialect.protocol}-after`, {
          leaveAfterBytes: dialect.opening(USAGE.input).length + 1,
        })
        const { row } = await leaveEarly(dialect, ask, async (call, left) => {
          await call.write(STREAM_HEAD + dialect.opening(USAGE.input) + dialect.delta('the only words that came '))
          await left
          await delay(200)
          await call.write(words(dialect))
          await call.closed
        })
        assert.deepEqual([row.outcome, row.estimated], ['client_stopped', 1n])
        assert.ok(row.output_tokens > 0n && row.output_tokens < 10n, `${row.output_tokens} tokens were charged`)
      })

      it(`${dialect.protocol}, while the upstream goes on without end: it is cut off in a second`, async () => {
        const { row, tookMs } = await leaveEarly(
          dialect,
          asking(`${dialect.protocol}-endless`, { leaveAfterBytes: 500 }),
          async (call) => {
            await call.write(STREAM_HEAD + dialect.opening(USAGE.input))
            while (!call.isClosed()) {
              await call.write(dialect.delta('more '))
              await delay(5)
            }
          },
        )
        assert.ok(tookMs < 2000)
        assert.equal(row.estimated, 1n)
        assert.ok((row.charged ?? 0n) > 0n && (row.charged ?? 0n) <= row.hold)
      })
    }
  })

  describe('a client that leaves before an answer in one piece', { concurrency: 16 }, () => {
    for (const dialect of DIALECTS) {
      const prefix = `json-${dialect.path.slice(0, 4)}`
      const whole = jsonReply(dialect.whole('too late', dialect.usage(USAGE)), '200 OK', ['connection: close'])

      it(`${dialect.protocol}: pays nothing when none comes, and the upstream is let go`, async () => {
        const ask = asking(`${prefix}-silent`, { stream: false, leaveAfterBytes: 0 })
        const { row } = await leaveEarly(dialect, ask, (call) => call.closed)
        assert.deepEqual([row.outcome, row.charged], ['client_stopped', 0n])
      })

      it(`${dialect.protocol}: pays the upstream’s usage when it still comes within a second`, async () => {
        const ask = asking(`${prefix}-late`, { stream: false, leaveAfterBytes: 0 })
        const { row } = await leaveEarly(dialect, ask, async (call, left) => {
          await left
          await delay(50)
          await call.write(whole)
          call.end()
        })
        assert.equal(row.charged, BigInt(USAGE.input) * INPUT_NANO + BigInt(USAGE.output) * OUTPUT_NANO)
        assert.equal(row.estimated, 0n)
      })

      it(`${dialect.protocol}: pays nothing when what comes late has no usage, for nothing was delivered`, async () => {
        const uncounted = jsonReply(dialect.whole('too late', undefined), '200 OK', ['connection: close'])
        const ask = asking(`${prefix}-uncounted`, { stream: false, leaveAfterBytes: 0 })
        const { row } = await leaveEarly(dialect, ask, async (call, left) => {
          await left
          await delay(100)
          await call.write(uncounted)
          call.end()
        })
        assert.deepEqual([row.outcome, row.charged], ['client_stopped', 0n])
      })

      it(`${dialect.protocol}: and in the middle of it, pays its usage`, async () => {
        const long = dialect.whole('a'.repeat(4_000_000), dialect.usage(USAGE))
        const ask = asking(`${prefix}-middle`, { stream: false, leaveAfterBytes: 1000 })
        const { row } = await leaveEarly(dialect, ask, async (call) => {
          await call.write(jsonReply(long, '200 OK', ['connection: close']))
          call.end()
        })
        assert.equal(row.charged, BigInt(USAGE.input) * INPUT_NANO + BigInt(USAGE.output) * OUTPUT_NANO)
      })
    }
  })

  it('500 clients that leave at once are all resolved, and the next one is served', async () => {
    scene.upstream.on('storm', async (call) => {
      await call.write(STREAM_HEAD + dialect.delta('some words'))
      await call.closed
    })
    const before = scene.books.requests().length
    const dialect = DIALECTS[0] as Dialect
    const answers = Array.from({ length: 500 }, (_, i) =>
      scene.ask(dialect, {
        tag: 'storm',
        model: 'priced',
        maxTokens: EXACT_TOKENS,
        leaveAfterBytes: i % 2 === 0 ? 0 : 20,
      }),
    )
    for (const answer of answers) await within('each has left', answer.over, 8000)
    await until('every row is ended', () => scene.books.openHolds() === 0, LIMIT_MS)
    assert.ok(scene.books.requests().length > before)
    assert.deepEqual(scene.books.violations(), [])
    const next = scene.ask(dialect, { tag: 'next', model: 'priced' })
    await next.over
    assert.equal(next.status(), 200, next.text())
  })
})
