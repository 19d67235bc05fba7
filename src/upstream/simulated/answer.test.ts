/** How answers are composed and divided into deltas. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { composeAnswer, halfOf, SIMULATED_PREFIX } from './answer.ts'
import { decodeChatRequest } from './chat-request.ts'
import { MAX_DELAY_MS, requestedDelayMs } from './directive.ts'

function say(text: string, maxTokens?: number) {
  const messages = [{ role: 'user', content: text }]
  return composeAnswer('echo', decodeChatRequest({ model: 'echo', messages, max_tokens: maxTokens }))
}

test('deltas join to the text exactly, whatever characters it has', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 1000 }), (text) => {
      assert.equal(say(text).deltas.join(''), SIMULATED_PREFIX + text)
    }),
    { verbose: true },
  )
})

test('a token limit of N leaves the first N deltas, and half of an answer is at least one', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (text, limit) => {
      const whole = say(text)
      const limited = say(text, limit)
      assert.deepEqual(limited.deltas, whole.deltas.slice(0, limit))
      assert.equal(limited.finish, limit < whole.deltas.length ? 'length' : 'stop')
      assert.ok(halfOf(limited) >= 1 && halfOf(limited) <= limited.deltas.length)
    }),
    { verbose: true },
  )
})

test('a text without spaces still comes in several deltas', () => {
  assert.ok(say('x'.repeat(1000)).deltas.length > 40)
})

test('a huge run of spaces is divided in no time', () => {
  assert.equal(say(`${' '.repeat(4000)}x${' '.repeat(90)}`).deltas.join('').length, SIMULATED_PREFIX.length + 4091)
})

test('the delay of the prompt is read and bounded', () => {
  assert.equal(requestedDelayMs('please [[sim delayMs=250]] wait'), 250)
  assert.equal(requestedDelayMs('[[sim delayMs=99999999]]'), MAX_DELAY_MS)
  assert.equal(requestedDelayMs('[[sim delayMs=-5]]'), null)
  assert.equal(requestedDelayMs('no wish'), null)
})
