/** What goes wrong at an upstream is an error in every client's library, in its own shape, and never a whole answer. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import type { Protocol } from '../../src/base/words.ts'
import { type Fault, type StrictTurn, UPSTREAM_SECRET } from '../support/strict/turn.ts'
import { until } from '../support/until.ts'
import type { Answer, SeenError } from './session.ts'
import { PAIRS, type Pair, startWorld, type World } from './world.ts'

const TURN: StrictTurn = {
  reasoning: 'This needs some thought.',
  text: 'Looking around, twice.',
  calls: [
    { id: 'call_a', name: 'look', arguments: { at: 'the sky above' } },
    { id: 'call_b', name: 'look', arguments: {} },
  ],
}
const TOOLS = [
  { name: 'look', description: 'Looks.', parameters: { type: 'object', properties: { at: { type: 'string' } } } },
]

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())
afterEach(async () => {
  await until('no request holds money', () => world.ledger.rows().every(({ state }) => state !== 'held'))
  await world.expectSound()
})

interface Asked {
  readonly answer: Answer | null
  readonly error: SeenError | null
}

async function ask(pair: Pair, fault: Fault | undefined, stream = true): Promise<Asked> {
  world.upstream(pair.upstream).play(fault === undefined ? TURN : { ...TURN, fault })
  try {
    return { answer: await world.open(pair, { stream, tools: TOOLS, reasons: true }).say('Look.'), error: null }
  } catch (error) {
    return { answer: null, error: pair.client.read(error) }
  }
}

/** The members that a protocol's clients read of an error. */
const SHAPES: Readonly<Record<Protocol, readonly string[]>> = {
  'openai-chat': ['message', 'type', 'code'],
  'openai-responses': ['message', 'type', 'code'],
  'anthropic-messages': ['message', 'type'],
  'google-generate': ['message', 'status', 'code'],
}

/** Which status a client sees for one of the upstream's. */
const STATUSES = [
  [400, 400],
  [429, 429],
  [500, 503],
] as const

for (const pair of PAIRS) {
  describe(pair.name, () => {
    for (const stream of [true, false]) {
      for (const [status, seen] of STATUSES) {
        test(`a ${status} before the ${stream ? 'stream' : 'answer'} is an error in the client's shape`, async () => {
          const { error } = await ask(pair, { type: 'refused', status, retryAfterSeconds: 1 }, stream)
          assert.equal(error?.status, seen)
          for (const member of SHAPES[pair.client.protocol]) assert.ok(error?.error[member], `${member} is missing`)
          assert.ok(!JSON.stringify(error).includes(UPSTREAM_SECRET))
        })
      }
    }

    test('an answer in one piece that breaks off is an error', async () => {
      const { error } = await ask(pair, { type: 'cut', after: 0, how: 'reset' }, false)
      assert.equal(error?.status, 503)
    })

    for (const how of ['end', 'reset'] as const) {
      test(`a stream that is cut after any event (${how}) is never a whole answer`, async () => {
        const { answer: whole } = await ask(pair, undefined)
        const frames = world.upstream(pair.upstream).frames()
        const finish = frames.findIndex((frame) =>
          /"finish_reason":"|"stop_reason":"|"finishReason":"|response\.completed/.test(frame),
        )
        assert.ok(finish > 5)
        const taken: number[] = []
        for (let after = 0; after < frames.length; after++) {
          const { answer } = await ask(pair, { type: 'cut', after, how })
          // What comes after the reason to stop may be missed.
          if (answer && after <= finish) taken.push(after)
          if (answer && after > finish) assert.deepEqual([answer.text, answer.finish], [whole?.text, whole?.finish])
        }
        assert.deepEqual(taken, [], `taken as whole after so many of ${frames.length} frames`)
      })
    }

    test('an error in the middle of a stream is one for the client, and tells nothing of the upstream', async () => {
      for (const after of [0, 1, 3, 6]) {
        const { error } = await ask(pair, { type: 'error', after })
        assert.ok(error, `after ${after} frames`)
        assert.ok(error.message.length > 10)
        assert.ok(!JSON.stringify(error).includes(UPSTREAM_SECRET))
      }
    })
  })
}
