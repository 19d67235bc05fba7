/** Six turns of thinking and calling tools hold together in every pair, whether the client returns thoughts or drops them. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { strictGoogle } from '../support/strict/google.ts'
import type { Returns } from './session.ts'
import { STEP, thoughtsIn, walkSixTurns, waysOf } from './six-turns.ts'
import { modelOf, PAIRS, type Pair, startWorld, type World, warningsOf } from './world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())
afterEach(() => world.expectSound())

const TITLES: Readonly<Record<Returns, string>> = {
  all: 'returns what its library gave',
  bare: 'drops all thoughts',
  nameless: 'drops the ids of calls',
}

let serial = 0
for (const pair of PAIRS) {
  describe(pair.name, () => {
    for (const stream of [true, false]) {
      for (const returns of waysOf(pair)) {
        const title = TITLES[returns]
        test(`six turns, ${stream ? 'streamed' : 'whole'}, by a client that ${title}`, () =>
          walkSixTurns(world, pair, { stream, returns }))
      }
    }
  })
}

for (const pair of PAIRS.filter(({ upstream }) => upstream === 'anthropic-messages')) {
  test(`${pair.name}: reasoning that nobody may see goes back untouched`, async () => {
    const upstream = world.upstream(pair.upstream)
    for (const returns of ['all', 'bare'] as const) {
      const call = { id: `toolu_${serial++}`, name: 'step', arguments: { to: 1 } }
      upstream.play({ isRedacted: true, calls: [call] }, { text: 'Arrived.' })
      const session = world.open(pair, {
        returns,
        tools: [STEP],
        reasons: true,
        headers: { 'x-zendo-session': `veiled-${serial}` },
      })
      const first = await session.say('Walk there.')
      assert.deepEqual([first.reasoning, first.calls.length], ['', 1])
      const last = await session.give(first.calls.map((made) => ({ call: made, text: 'Went.' })))
      assert.equal(last.text, 'Arrived.')
      assert.match(JSON.stringify(upstream.requests.at(-1)?.body), /"redacted_thinking"/)
    }
  })
}

describe('a conversation that began at another model', () => {
  let lenient: World
  before(async () => {
    lenient = await startWorld({ dialects: { 'google-generate': () => strictGoogle({ dummySignature: true }) } })
  })
  after(() => lenient.close())
  afterEach(() => lenient.expectSound())

  for (const pair of PAIRS) {
    test(`${pair.name}: it goes on without the other's thoughts, and says so`, async () => {
      const other = PAIRS.find(({ client, upstream }) => client === pair.client && upstream !== pair.upstream) as Pair
      const call = { id: `call_moved${serial++}`, name: 'step', arguments: { to: 1 } }
      lenient.upstream(other.upstream).play({ reasoning: 'Thought 0: elsewhere.', calls: [call] })
      lenient.upstream(pair.upstream).play({ text: 'Arrived.' })
      const headers = { 'x-zendo-session': `moved-${serial}` }
      const session = lenient.open(other, { tools: [STEP], reasons: true, headers })
      const first = await session.say('Walk there.')
      session.use(modelOf(pair.upstream))
      const last = await session.give(first.calls.map((made) => ({ call: made, text: 'Went.' })))
      assert.equal(last.text, 'Arrived.')
      assert.notEqual(warningsOf(last), '')
      assert.equal(thoughtsIn(pair.upstream, lenient.upstream(pair.upstream).requests.at(-1)?.body), 0)
    })
  }
})
