/** The text of events. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { frameText } from './frame-text.ts'

describe('the text of an event', () => {
  test('never holds a separator that some reader takes for the end of a line, and says the same', () => {
    const words = fc.string({ unit: fc.constantFrom('a', '"', '\\', '\u2028', '\u2029', '\n', 'ß') })
    fc.assert(
      fc.property(words, (text) => {
        const framed = frameText(`data: ${JSON.stringify({ text })}\n\n`)
        assert.doesNotMatch(framed, /[\u2028\u2029]/)
        assert.deepEqual(JSON.parse(framed.slice('data: '.length)), { text })
      }),
    )
  })
})
