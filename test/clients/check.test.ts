/** The judgement of a driven client's traffic finds each kind of wrong booking. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BookedRequest } from './books.ts'
import { checkTraffic, type Traffic } from './check.ts'
import type { UpstreamExchange } from './upstream-host.ts'

const USAGE = { input: 201, cachedRead: 1001, cacheWrite5m: 0, cacheWrite1h: 0, output: 41, reasoning: 0 }
/** 201 × 1,400 + 1,001 × 260 + 41 × 4,400 nano-dollars, and half of it by the model's weight. */
const CHARGE = 722_060n
const COUNTED = 361_030n
const WINDOW_NAMES = ['5 hour', 'monthly', 'weekly']

const EXCHANGE: UpstreamExchange = {
  request: {
    protocol: 'openai-chat',
    path: '/v1/chat/completions',
    query: new URLSearchParams(),
    model: 'glm-5.2',
    stream: true,
    body: {},
    headers: {},
  },
  id: 'answer_1',
  turn: { reasoning: '', text: 'Twelve bytes', calls: [], usage: USAGE },
}

const ROW: BookedRequest = {
  id: 'req_1',
  product: 'go',
  protocol: 'anthropic-messages',
  upstreamProtocol: 'openai-chat',
  model: 'glm-5.2',
  funding: 'plan',
  state: 'settled',
  outcome: 'complete',
  estimated: false,
  upstreamId: 'answer_1',
  charged: CHARGE,
  usage: USAGE,
  windows: WINDOW_NAMES.map((name) => ({ name, held: 0n, counted: COUNTED })),
}

const GOOD: Traffic = {
  product: 'go',
  protocols: ['anthropic-messages'],
  exchanges: [EXCHANGE],
  booked: [ROW],
  before: standing(7n),
  after: standing(7n + COUNTED),
}

function standing(amount: bigint) {
  return { posted: 5_000_000_000n, windows: Object.fromEntries(WINDOW_NAMES.map((name) => [name, amount])) }
}

function withRow(changes: Partial<BookedRequest>): Traffic {
  return { ...GOOD, booked: [{ ...ROW, ...changes }] }
}

const CUT: UpstreamExchange = { ...EXCHANGE, turn: { ...EXCHANGE.turn, isCut: true } }
const CUT_ROW: BookedRequest = {
  ...ROW,
  outcome: 'upstream_cut',
  estimated: true,
  usage: { ...USAGE, input: 0, cachedRead: 0, output: 3 },
  charged: 13_200n,
  windows: WINDOW_NAMES.map((name) => ({ name, held: 0n, counted: 6_600n })),
}
const GOOD_CUT: Traffic = { ...GOOD, exchanges: [CUT], booked: [CUT_ROW], after: standing(6_607n) }

test('right books pass', () => {
  assert.deepEqual(checkTraffic(GOOD), [])
  assert.deepEqual(checkTraffic(GOOD_CUT), [])
})

const planted: readonly (readonly [string, Traffic, RegExp])[] = [
  ['no traffic at all', { ...GOOD, exchanges: [], booked: [], after: GOOD.before }, /nothing reached the upstream/],
  ['a request without a row', { ...GOOD, booked: [] }, /answer_1: 0 request rows/],
  ['a request booked twice', { ...GOOD, booked: [ROW, ROW] }, /answer_1: 2 request rows/],
  ["another answer's row", withRow({ upstreamId: 'answer_2' }), /answer_1: 0 request rows/],
  ['an open hold', withRow({ state: 'held', outcome: null, charged: null }), /expected state settled, got held/],
  ['an estimate of a complete answer', withRow({ estimated: true }), /expected estimated false/],
  ['the wrong funding', withRow({ funding: 'balance' }), /expected funding plan, got balance/],
  ['a token too many', withRow({ usage: { ...USAGE, output: 42 } }), /expected 41 tokens of output, got 42/],
  ['a nano-dollar too much', withRow({ charged: CHARGE + 1n }), /expected a charge of 722060, got 722061/],
  ['a window that misses it', withRow({ windows: ROW.windows.slice(1) }), /expected windows/],
  ['a window that counts the list price', { ...GOOD, after: standing(7n + CHARGE) }, /5 hour window to move by 361030/],
  ['a plan request taken from the balance', { ...GOOD, after: { ...GOOD.after, posted: 0n } }, /balance to fall by 0/],
  ['a zen request that costs nothing', { ...GOOD, product: 'zen' }, /balance to fall by 722060, got 0/],
  ['a cut booked as complete', { ...GOOD_CUT, booked: [ROW] }, /expected outcome upstream_cut, got complete/],
  [
    'a cut charged beyond what was delivered',
    { ...GOOD_CUT, booked: [{ ...CUT_ROW, usage: { ...CUT_ROW.usage, output: 41 } }] },
    /expected 1 to 14 delivered tokens, got 41/,
  ],
  [
    'a cut chat answer charged with its prompt',
    { ...GOOD_CUT, booked: [{ ...CUT_ROW, usage: { ...USAGE, output: 3 } }] },
    /expected 0 tokens of input, got 201/,
  ],
  ['the wrong model', withRow({ model: 'minimax-m3' }), /expected model glm-5.2, got minimax-m3/],
  ["another client's protocol", withRow({ protocol: 'openai-chat' }), /expected protocol anthropic-messages/],
  ['an upstream of another protocol', withRow({ upstreamProtocol: 'google-generate' }), /expected upstreamProtocol/],
]

for (const [name, traffic, problem] of planted) {
  test(`${name} is found`, () => {
    assert.match(checkTraffic(traffic).join('\n'), problem)
  })
}
