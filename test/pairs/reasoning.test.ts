/** Six turns of thinking and calling tools hold together in every pair, whether the client returns thoughts or drops them. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import type { Protocol } from '../../src/base/words.ts'
import type { WireObject } from '../../src/protocol/wire-value.ts'
import { strictGoogle } from '../support/strict/google.ts'
import type { StrictTurn } from '../support/strict/turn.ts'
import type { Returns, ToolSpec } from './session.ts'
import { modelOf, PAIRS, type Pair, startWorld, type World, warningsOf } from './world.ts'

const TOOLS: readonly ToolSpec[] = [
  {
    name: 'step',
    description: 'Goes a step.',
    parameters: { type: 'object', properties: { to: { type: 'integer' } }, required: ['to'] },
  },
]
const TOOL_TURNS = 5

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())
afterEach(() => world.expectSound())

/** Odd turns call two tools at once; some speak before they call. */
function turns(tag: string): StrictTurn[] {
  const loop = Array.from({ length: TOOL_TURNS }, (_, i): StrictTurn => {
    const call = (letter: string) => ({ id: `call_${tag}_${i}${letter}`, name: 'step', arguments: { to: i } })
    return {
      reasoning: `Thought ${i}: there are ${TOOL_TURNS - i} steps to go. 🧭`,
      ...(i === 2 && { text: 'Half of the way.' }),
      calls: i % 2 === 1 ? [call('a'), call('b')] : [call('a')],
    }
  })
  return [...loop, { reasoning: 'Thought 5: this is it.', text: 'Arrived.' }]
}

const TITLES: Readonly<Record<Returns, string>> = {
  all: 'returns what its library gave',
  bare: 'drops all thoughts',
  nameless: 'drops the ids of calls',
}

function waysOf({ client }: Pair): readonly Returns[] {
  return client.protocol === 'google-generate' ? ['all', 'bare', 'nameless'] : ['all', 'bare']
}

let serial = 0
for (const pair of PAIRS) {
  describe(pair.name, () => {
    for (const stream of [true, false]) {
      for (const returns of waysOf(pair)) {
        const title = TITLES[returns]
        test(`six turns, ${stream ? 'streamed' : 'whole'}, by a client that ${title}`, async () => {
          const upstream = world.upstream(pair.upstream)
          const tag = `t${serial++}`
          const script = turns(tag)
          let turn = 0
          upstream.play(...script)
          const session = world.open(pair, {
            stream,
            returns,
            tools: TOOLS,
            reasons: true,
            // What a client returns must be enough by itself: under another name the gateway remembers nothing.
            headers: () => ({ 'x-zendo-session': returns === 'bare' ? `six-${tag}` : `six-${tag}-${turn++}` }),
          })
          let answer = await session.say('Walk there.')
          for (const [i, { reasoning, calls = [] }] of script.entries()) {
            assert.equal(answer.reasoning, reasoning, `the thoughts of turn ${i}`)
            assert.deepEqual(
              answer.calls.map((call) => call.arguments),
              calls.map((call) => call.arguments),
            )
            if (i < TOOL_TURNS) answer = await session.give(answer.calls.map((call) => ({ call, text: 'Went.' })))
          }
          assert.deepEqual([answer.text, answer.finish], ['Arrived.', 'stop'])
          assert.deepEqual(upstream.breaches, [])
          assert.equal(thoughtsIn(pair.upstream, upstream.requests.at(-1)?.body), TOOL_TURNS)
        })
      }
    }
  })
}

/** How many turns of a body carry their reasoning or its signature; the upstream has checked that they are its own. */
function thoughtsIn(protocol: Protocol, body: WireObject | undefined): number {
  const text = JSON.stringify(body)
  const mark = {
    'openai-chat': /"reasoning_content":"Thought/g,
    'openai-responses': /"encrypted_content":"/g,
    'anthropic-messages': /"signature":"/g,
    'google-generate': /"thoughtSignature":"(?!skip_)/g,
  }[protocol]
  return text.match(mark)?.length ?? 0
}

for (const pair of PAIRS.filter(({ upstream }) => upstream === 'anthropic-messages')) {
  test(`${pair.name}: reasoning that nobody may see goes back untouched`, async () => {
    const upstream = world.upstream(pair.upstream)
    for (const returns of ['all', 'bare'] as const) {
      const call = { id: `toolu_${serial++}`, name: 'step', arguments: { to: 1 } }
      upstream.play({ isRedacted: true, calls: [call] }, { text: 'Arrived.' })
      const session = world.open(pair, {
        returns,
        tools: TOOLS,
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
      const session = lenient.open(other, { tools: TOOLS, reasons: true, headers })
      const first = await session.say('Walk there.')
      session.use(modelOf(pair.upstream))
      const last = await session.give(first.calls.map((made) => ({ call: made, text: 'Went.' })))
      assert.equal(last.text, 'Arrived.')
      assert.notEqual(warningsOf(last), '')
      assert.equal(thoughtsIn(pair.upstream, lenient.upstream(pair.upstream).requests.at(-1)?.body), 0)
    })
  }
})
