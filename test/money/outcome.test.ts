/** What each outcome costs, seen from outside: the rows of the published charge policy, one by one. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DIALECTS, type Dialect, jsonReply, STREAM_HEAD } from '../support/dialect.ts'
import { within } from '../support/until.ts'
import { onEachEngine } from './engines.ts'
import { PRICED, requestIdOf, type Scene, startScene } from './scene.ts'

const USAGE = { input: 40, output: 60 }
const IN = BigInt(PRICED.input * 1000)
const OUT = BigInt(PRICED.output * 1000)
const FULL = BigInt(USAGE.input) * IN + BigInt(USAGE.output) * OUT
const TEXT = 'twenty bytes of text'
const TEXT_TOKENS = BigInt(TEXT.length / 4)

let scene: Scene
interface Outcome {
  readonly name: string
  readonly outcome: string
  readonly charged: (requestBytes: number) => bigint
  readonly estimated?: boolean
  /** The bytes of the streamed body, and of the answer in one piece; absent where there is no such thing. */
  readonly stream?: string
  readonly whole?: string
  readonly status?: number
}

const nothing = (): bigint => 0n
const inFull = (): bigint => FULL
const promptEstimate = (requestBytes: number): bigint => BigInt(Math.ceil(requestBytes / 4)) * IN

/** A finish other than the usual, and an answer without text. */
function finishing(dialect: Dialect, reason: string, hasText: boolean): { stream: string; whole: string } {
  const [usual, field] = dialect.path === 'messages' ? ['end_turn', 'stop_reason'] : ['stop', 'finish_reason']
  const swap = (text: string): string => text.replaceAll(`"${field}":"${usual}"`, `"${field}":"${reason}"`)
  const empty = dialect.whole('', dialect.usage(USAGE))
  return {
    stream: swap(
      dialect.opening(USAGE.input) + (hasText ? dialect.delta(TEXT) : '') + dialect.closing(USAGE) + dialect.terminal,
    ),
    whole: jsonReply(swap(hasText ? dialect.whole(TEXT, dialect.usage(USAGE)) : empty), '200 OK', [
      'connection: close',
    ]),
  }
}

function outcomes(dialect: Dialect): Outcome[] {
  const isMessages = dialect.path === 'messages'
  const begun = dialect.opening(USAGE.input) + dialect.delta(TEXT)
  // Messages counts the prompt when it opens; chat counts nothing before the end.
  const counted = isMessages ? BigInt(USAGE.input) * IN : 0n
  const broken = (): bigint => counted + TEXT_TOKENS * OUT
  const bare = dialect.opening(USAGE.input).replace(/,"usage":\{[^}]*\}/, '')
  const refusal = (status: string): string =>
    jsonReply('{"error":{"message":"no","type":"x"}}', status, ['connection: close'])
  const error = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
  const [stop, length, filter] = isMessages
    ? ['end_turn', 'max_tokens', 'refusal']
    : ['stop', 'length', 'content_filter']
  return [
    { name: 'complete', outcome: 'complete', charged: inFull, ...finishing(dialect, stop, true) },
    { name: 'ended at its length', outcome: 'complete', charged: inFull, ...finishing(dialect, length, true) },
    {
      name: 'ended at its length before any text',
      outcome: 'complete',
      charged: inFull,
      ...finishing(dialect, length, false),
    },
    { name: 'filtered', outcome: 'filtered', charged: inFull, ...finishing(dialect, filter, true) },
    { name: 'filtered before any text', outcome: 'filtered', charged: inFull, ...finishing(dialect, filter, false) },
    {
      name: 'empty, whatever the upstream counted',
      outcome: 'empty',
      charged: nothing,
      ...finishing(dialect, stop, false),
    },
    {
      name: 'complete without usage',
      outcome: 'complete',
      charged: (bytes) => promptEstimate(bytes) + TEXT_TOKENS * OUT,
      estimated: true,
      stream: bare + dialect.delta(TEXT) + dialect.closing(null) + dialect.terminal,
      whole: jsonReply(dialect.whole(TEXT, undefined), '200 OK', ['connection: close']),
    },
    { name: 'cut after text', outcome: 'upstream_cut', charged: broken, estimated: true, stream: begun },
    { name: 'an error after text', outcome: 'upstream_cut', charged: broken, estimated: true, stream: begun + error },
    { name: 'cut before any text', outcome: 'upstream_failed', charged: nothing, stream: dialect.opening(USAGE.input) },
    { name: 'an error before any text', outcome: 'upstream_failed', charged: nothing, stream: error },
    { name: 'nothing at all', outcome: 'upstream_failed', charged: nothing, stream: '' },
    {
      name: 'the request refused',
      outcome: 'upstream_failed',
      charged: nothing,
      whole: refusal('400 Bad'),
      status: 400,
    },
    {
      name: 'the request refused, too many',
      outcome: 'upstream_failed',
      charged: nothing,
      whole: refusal('429 Slow'),
      status: 429,
    },
    {
      name: 'the operator refused',
      outcome: 'upstream_failed',
      charged: nothing,
      whole: refusal('401 No'),
      status: 503,
    },
    {
      name: 'a fault of the upstream',
      outcome: 'upstream_failed',
      charged: nothing,
      whole: refusal('500 No'),
      status: 503,
    },
    {
      name: 'an error with status 200',
      outcome: 'upstream_failed',
      charged: nothing,
      whole: refusal('200 OK'),
      status: 503,
    },
  ]
}

function dollars(nano: bigint): string {
  const digits = nano.toString().padStart(10, '0')
  return `${digits.slice(0, -9)}.${digits.slice(-9).replace(/0+$/, '').padEnd(2, '0')}`
}

onEachEngine((engine) => {
  before(async () => {
    // The shortest answer that is worth sending costs $10, twice what there is.
    const dear = { price: { input: 0, output: 10_000 }, products: ['zen'], routes: [{ provider: 'fault', model: 'm' }] }
    scene = await startScene({ engine, models: { dear } })
  })
  after(async () => {
    try {
      await scene.assertBalanced()
    } finally {
      await scene.close()
    }
  })

  for (const dialect of DIALECTS) {
    describe(`${dialect.protocol}: what each outcome costs`, { concurrency: 8 }, () => {
      for (const [index, { name, outcome, charged, estimated = false, status = 200, ...bodies }] of outcomes(
        dialect,
      ).entries()) {
        for (const [way, bytes] of Object.entries(bodies)) {
          it(`${name} (${way})`, async () => {
            const tag = `${dialect.path.slice(0, 4)}-${index}-${way}`
            scene.upstream.on(tag, async (call) => {
              await call.write(way === 'stream' ? STREAM_HEAD + bytes : bytes)
              call.end()
            })
            const request = { tag, stream: way === 'stream', model: 'priced', maxTokens: 500 }
            const answer = scene.ask(dialect, request)
            await within('the answer', answer.over, 5000)
            assert.equal(answer.status(), status, answer.text())
            const row = scene.books.find(requestIdOf(answer))
            const expected = charged(dialect.request(request).length)
            assert.deepEqual([row?.outcome, row?.charged, row?.estimated], [outcome, expected, estimated ? 1n : 0n])
            if (expected === 0n)
              assert.equal(scene.books.entries(row?.id ?? '').size, 0, 'a free answer moves no money')
            if (way === 'whole' && status === 200) {
              assert.equal(answer.headers()['x-zendo-cost'], dollars(expected), 'the header tells the same')
            }
          })
        }
      }
    })

    it(`${dialect.protocol}: what Zendo refuses has no row`, async () => {
      const before = scene.books.requests().length
      const refused = [
        scene.ask(dialect, { tag: 'no', model: 'nothing' }),
        scene.ask(dialect, { tag: 'no', key: 'nonsense' }),
        scene.ask(dialect, { tag: 'no', maxTokens: -5 }),
        scene.ask(dialect, { tag: 'no', model: 'dear', maxTokens: 100_000 }),
      ]
      for (const answer of refused) await answer.over
      assert.deepEqual(
        refused.map((answer) => answer.status()),
        [404, 401, 400, 402],
      )
      assert.equal(scene.books.requests().length, before)
      assert.equal(scene.upstream.callsOf('no').length, 0)
    })
  }
})
