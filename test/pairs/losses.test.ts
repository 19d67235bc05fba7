/** What an upstream cannot be told is named in `x-zendo-warnings`, and refused with `x-zendo-strict: true`. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { HarmBlockThreshold, HarmCategory } from '@google/genai'
import type { Protocol } from '../../src/base/words.ts'
import { PAIRS, startWorld, type World, warningsOf } from './world.ts'

/** A member that only its own protocol has. */
const OWN: Readonly<Record<Protocol, readonly [string, Readonly<Record<string, unknown>>]>> = {
  'openai-chat': ['logit_bias', { logit_bias: { 50256: -100 } }],
  'openai-responses': ['max_tool_calls', { max_tool_calls: 3 }],
  'anthropic-messages': ['inference_geo', { inference_geo: 'eu' }],
  'google-generate': [
    'safetySettings',
    {
      safetySettings: [
        { category: HarmCategory.HARM_CATEGORY_HARASSMENT, threshold: HarmBlockThreshold.BLOCK_ONLY_HIGH },
      ],
    },
  ],
}

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())
afterEach(() => world.expectSound())

for (const pair of PAIRS) {
  const [name, more] = OWN[pair.client.protocol]
  describe(pair.name, () => {
    for (const stream of [true, false]) {
      test(`${name} is left out and named, ${stream ? 'streamed' : 'whole'}`, async () => {
        world.upstream(pair.upstream).play({ text: 'Yes.' })
        const answer = await world.open(pair, { stream, more }).say('Is it so?')
        assert.equal(answer.text, 'Yes.')
        assert.match(warningsOf(answer), new RegExp(name))
      })
    }

    test('a strict client is refused instead, and the upstream is not asked', async () => {
      const headers = { 'x-zendo-strict': 'true' }
      const asked = world.upstream(pair.upstream).requests.length
      const error = await world
        .open(pair, { more, headers })
        .say('Is it so?')
        .then(
          () => null,
          (cause: unknown) => pair.client.read(cause),
        )
      assert.equal(error?.status, 400)
      assert.match(error?.message ?? '', new RegExp(name))
      assert.equal(world.upstream(pair.upstream).requests.length, asked)
    })

    test('a plain question loses nothing', async () => {
      world.upstream(pair.upstream).play({ text: 'Yes.' })
      const headers = { 'x-zendo-strict': 'true' }
      const answer = await world.open(pair, { headers, system: 'Be brief.' }).say('Is it so?')
      assert.deepEqual([answer.text, warningsOf(answer)], ['Yes.', ''])
    })
  })
}
