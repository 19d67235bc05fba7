/**
 * Clients that leave where the provider's setting is to break their answers off: what they saw is paid for, what the
 * upstream did not send is not, and the upstream is let go at once.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { BookRow } from '../support/books.ts'
import { type Dialect, STREAM_HEAD } from '../support/dialect.ts'
import type { ReceivedCall } from '../support/fault-upstream.ts'
import { streamsOf } from '../support/other-dialects.ts'
import { until, within } from '../support/until.ts'
import { createGate, PRICED, type Scene, startScene } from './scene.ts'

const DELTAS = 20
/** Sixteen bytes, counted as four tokens. */
const DELTA = 'sixteen letters '
const POSITIONS = [0, 1, ...Array.from({ length: 20 }, (_, i) => 5 * (i + 1))]
const USAGE = { input: 50, output: 90 }
const LIMIT_MS = 5000
/** An upstream that was not let go says what it counted so long after its client has left. */
const LATE_USAGE_MS = 400
const OUTPUT_NANO = BigInt(PRICED.output * 1000)

let scene: Scene
before(async () => {
  scene = await startScene({ provider: { onClientAbort: 'cancel' } })
})
after(async () => {
  try {
    await scene.assertBalanced()
  } finally {
    await scene.close()
  }
})

const occurrences = (text: string): number => text.split(DELTA).length - 1

interface Departure {
  readonly tag: string
  readonly dialect: Dialect
  readonly leaveAfterBytes: number
  readonly leaveByReset: boolean
}

/** Asks, leaves, and returns the row with the deltas that the client saw, and those that the upstream had sent. */
async function leave({
  tag,
  dialect,
  leaveAfterBytes,
  leaveByReset,
}: Departure): Promise<{ row: BookRow; seen: number; sent: number }> {
  const gone = createGate()
  let sent = 0
  scene.upstream.on(tag, async (call) => {
    if (leaveAfterBytes === 0) await gone.opened
    await call.write(STREAM_HEAD + dialect.opening(USAGE.input))
    while (sent < DELTAS && !call.isClosed()) {
      await call.write(dialect.delta(DELTA))
      sent++
      await delay(1)
    }
    await gone.opened
    await tellUsageLate(call, dialect)
  })
  const headers = { 'x-zendo-session': tag }
  const way = leaveAfterBytes > 0 ? { leaveByReset, leaveAfterBytes } : { leaveByReset }
  const answer = scene.ask(dialect, { tag, model: 'priced', headers, ...way })
  if (leaveAfterBytes === 0) void scene.upstream.next(tag).then(answer.leave)
  await within('the client has left', answer.over, LIMIT_MS)
  gone.open()
  const ofTag = (): BookRow | undefined => scene.books.all<BookRow>('SELECT * FROM request WHERE session = ?', tag)[0]
  await until('the row is ended', () => (ofTag()?.state ?? 'held') !== 'held', LIMIT_MS)
  for (const call of scene.upstream.callsOf(tag)) await within('the upstream is let go', call.closed, LIMIT_MS)
  return { row: ofTag() as BookRow, seen: occurrences(answer.text()), sent }
}

async function tellUsageLate(call: ReceivedCall, dialect: Dialect): Promise<void> {
  await Promise.race([call.closed, delay(LATE_USAGE_MS)])
  await call.write(dialect.closing(USAGE) + dialect.terminal)
  call.end()
}

describe('a client that leaves a stream that is not read on', { concurrency: 24 }, () => {
  for (const dialect of streamsOf('priced')) {
    const size = dialect.opening(USAGE.input).length + dialect.delta(DELTA).length * DELTAS
    for (const percent of POSITIONS) {
      for (const leaveByReset of [false, true]) {
        const way = `${percent} %${leaveByReset ? ', by reset' : ''}`
        it(`${dialect.protocol}, after ${way}: pays for what it saw, and for no more than was sent`, async () => {
          const { row, seen, sent } = await leave({
            tag: `${dialect.protocol}-${percent}-${leaveByReset ? 'rst' : 'fin'}`,
            dialect,
            leaveAfterBytes: Math.round((size * percent) / 100),
            leaveByReset,
          })
          assert.equal(row.outcome, 'client_stopped')
          // Before its first delta a stream may have counted its prompt, or nothing.
          if (seen === 0 && row.charged === 0n) return
          assert.equal(row.estimated, 1n, 'the upstream was read on')
          const least = Math.max(4 * seen, 1)
          assert.ok(
            row.output_tokens >= BigInt(least) && row.output_tokens <= BigInt(4 * sent + 1),
            `${row.output_tokens} tokens charged; ${least} seen, ${4 * sent} sent`,
          )
          assert.ok((row.charged ?? 0n) >= BigInt(least) * OUTPUT_NANO)
        })
      }
    }
  }
})

it('a client that leaves before an answer in one piece pays nothing, and the upstream is let go', async () => {
  for (const dialect of streamsOf('priced').slice(0, 2)) {
    const tag = `whole-${dialect.protocol}`
    const gone = createGate()
    scene.upstream.on(tag, async (call) => {
      await gone.opened
      await tellUsageLate(call, dialect)
    })
    const answer = scene.ask(dialect, { tag, model: 'priced', stream: false, headers: { 'x-zendo-session': tag } })
    const call = await scene.upstream.next(tag)
    answer.leave()
    await answer.over
    gone.open()
    await within('the upstream is let go', call.closed, LIMIT_MS)
    await until('its row is ended', () => scene.books.openHolds() === 0, LIMIT_MS)
    const [row] = scene.books.all<BookRow>('SELECT * FROM request WHERE session = ?', tag)
    assert.deepEqual([row?.outcome, row?.charged], ['client_stopped', 0n])
  }
})
