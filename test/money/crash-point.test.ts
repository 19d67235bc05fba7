/** kill -9 at each known point of a request's life: what the next start makes of it is what the charge policy says. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { DIALECTS, type Dialect, jsonReply, STREAM_HEAD } from '../support/dialect.ts'
import { type FaultUpstream, type ReceivedCall, startFaultUpstream } from '../support/fault-upstream.ts'
import type { WatchedAnswer } from '../support/stream-client.ts'
import { until, within } from '../support/until.ts'
import { takeWriteLock } from '../support/write-lock.ts'
import { onEachEngine } from './engines.ts'
import { answerWith, createGate, dialectOf, type Gate, PRICED, requestIdOf, type Scene, startScene } from './scene.ts'

const USAGE = { input: 30, output: 70 }
const COST = BigInt(USAGE.input * PRICED.input * 1000 + USAGE.output * PRICED.output * 1000)

let broken: FaultUpstream
let scene: Scene
interface Ways {
  readonly dialect: Dialect
  readonly stream: boolean
  readonly product: 'zen' | 'go'
}

const WAYS: readonly Ways[] = DIALECTS.flatMap((dialect) =>
  [false, true].flatMap((stream) => (['zen', 'go'] as const).map((product) => ({ dialect, stream, product }))),
)

/** A request in each way, brought to a point by `serve`. */
function sendInEachWay(point: string, serve: (call: ReceivedCall) => void | Promise<void>, model = 'priced'): Sent[] {
  scene.upstream.on(point, serve)
  return WAYS.map((ways) => ({ ...ways, point, answer: scene.ask(ways.dialect, { tag: point, model, ...ways }) }))
}

interface Sent extends Ways {
  readonly point: string
  readonly answer: WatchedAnswer
}

const atUpstream = (point: string): Promise<void> =>
  until(`${point} is at the upstream`, () => scene.upstream.callsOf(point).length === WAYS.length)

const isStream = (call: ReceivedCall): boolean => call.body.includes('"stream":true')

function assertNoEndSeen({ answer, dialect, stream }: Sent): void {
  if (stream) assert.ok(!answer.text().includes(dialect.terminalMark), 'an end was shown that is not booked')
  else assert.notEqual(answer.status(), 200, 'an answer was shown that is not booked')
}

async function killAndStart(): Promise<void> {
  await scene.instance.kill()
  assert.deepEqual(scene.books.violations(), [], 'right after the kill')
  await scene.instance.start()
}

onEachEngine((engine) => {
  before(async () => {
    broken = await startFaultUpstream((call) => call.write(jsonReply('{}', '500 No')))
    scene = await startScene({
      engine,
      providers: {
        broken: { baseUrls: { 'openai-chat': `${broken.origin}/v1`, 'anthropic-messages': `${broken.origin}/v1` } },
      },
      models: {
        second: {
          products: ['zen', 'go'],
          price: PRICED,
          routes: [
            { provider: 'broken', model: 'm', priority: 0 },
            { provider: 'fault', model: 'm', priority: 1 },
          ],
        },
      },
    })
  })
  after(async () => {
    await scene.close()
    await broken.close()
  })

  it('before and during an answer: the next start releases the hold; after the end: the charge stands', async () => {
    const sent = [
      ...sendInEachWay('no-head', () => {}),
      ...sendInEachWay('head', (call) =>
        call.write(isStream(call) ? STREAM_HEAD : 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{'),
      ),
      ...sendInEachWay('second-try', () => {}, 'second'),
      ...sendInEachWay('middle', async (call) => {
        if (isStream(call)) await call.write(STREAM_HEAD + dialectOf(call).opening(5) + dialectOf(call).delta('half '))
      }),
    ]
    const left = sendInEachWay('left', async (call) => {
      if (isStream(call)) await call.write(STREAM_HEAD + dialectOf(call).opening(5) + dialectOf(call).delta('half '))
    })
    const ended = sendInEachWay('ended', (call) => answerWith(call, USAGE))
    for (const point of ['no-head', 'head', 'second-try', 'middle', 'left']) await atUpstream(point)
    for (const { answer, stream, point } of [...sent, ...left]) {
      if (stream && (point === 'middle' || point === 'left')) await answer.saw('half ')
    }
    for (const { answer } of ended) await within('the end', answer.over, 3000)
    // These are being read on for a second now, to learn what they cost.
    for (const { answer } of left) answer.leave()
    for (const { answer } of left) await answer.over
    await killAndStart()
    for (const each of sent) {
      await each.answer.over
      assertNoEndSeen(each)
    }
    const open = scene.books.all<{ state: string; outcome: string; charged: bigint }>(
      "SELECT state, outcome, charged FROM request WHERE state <> 'settled'",
    )
    assert.equal(open.length, sent.length + left.length)
    for (const row of open) {
      assert.deepEqual([row.state, row.charged], ['released', 0n])
      assert.ok(row.outcome === 'operator_fault' || row.outcome === 'client_stopped', row.outcome)
    }
    for (const { answer } of ended) {
      const row = scene.books.find(requestIdOf(answer))
      assert.deepEqual([row?.state, row?.charged], ['settled', COST])
    }
    await scene.assertBalanced()
  })

  it('before the hold is booked: there is no row; before the settlement is: nobody saw the end, and nobody pays', async () => {
    const rowsBefore = scene.books.requests().length
    const gate: Gate = createGate()
    const finishing = sendInEachWay('finishing', async (call) => {
      await gate.opened
      await answerWith(call, USAGE)
    })
    await atUpstream('finishing')
    const lock = takeWriteLock(scene.place)
    let starting: Sent[]
    try {
      gate.open()
      starting = sendInEachWay('starting', (call) => answerWith(call, USAGE))
      for (const { answer, stream } of finishing) if (stream) await answer.saw('fine')
      await scene.instance.kill()
    } finally {
      lock.release()
    }
    await scene.instance.start()
    for (const each of [...starting, ...finishing]) {
      await each.answer.over
      assertNoEndSeen(each)
    }
    assert.equal(scene.upstream.callsOf('starting').length, 0)
    const rows = scene.books.requests()
    assert.equal(rows.length - rowsBefore, finishing.length)
    for (const row of rows.slice(rowsBefore))
      assert.deepEqual([row.state, row.charged, row.outcome], ['released', 0n, 'operator_fault'])
    await scene.assertBalanced()
  })
})
