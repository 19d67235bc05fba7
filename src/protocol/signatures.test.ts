/** What upstreams signed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Protocol } from '../base/words.ts'
import { signatureMarkers, signaturesIn } from './signatures.ts'

const CASES: readonly [Protocol, object, readonly string[]][] = [
  ['anthropic-messages', { delta: { type: 'signature_delta', signature: 's1' } }, ['s1']],
  ['anthropic-messages', { content_block: { type: 'redacted_thinking', data: 'd1' } }, ['d1']],
  [
    'anthropic-messages',
    { content: [{ type: 'thinking', signature: 's1' }, { type: 'redacted_thinking', data: 'd1' }, { type: 'text' }] },
    ['s1', 'd1'],
  ],
  ['openai-responses', { type: 'response.output_item.done', item: { encrypted_content: 'e1' } }, ['e1']],
  ['openai-responses', { type: 'response.output_item.added', item: { encrypted_content: 'e0' } }, []],
  ['openai-responses', { object: 'response', output: [{ encrypted_content: 'e1' }, { type: 'message' }] }, ['e1']],
  ['openai-chat', { choices: [{ delta: { reasoning_details: [{ signature: 's1' }, { data: 'd1' }] } }] }, ['s1', 'd1']],
  ['openai-chat', { choices: [{ message: { reasoning_details: [{ signature: 's1' }] } }] }, ['s1']],
  ['google-generate', { candidates: [{ content: { parts: [{ thoughtSignature: 't1' }, {}] } }] }, ['t1']],
]

describe('signatures', () => {
  test('are found in events and in whole replies of each protocol', () => {
    for (const [protocol, value, expected] of CASES) assert.deepEqual(signaturesIn(protocol, value), expected)
  })

  test('are never in what holds none of the markers', () => {
    for (const [protocol, value, expected] of CASES) {
      const bytes = Buffer.from(JSON.stringify(value))
      if (expected.length > 0)
        assert.ok(
          signatureMarkers(protocol).some((marker) => bytes.includes(marker)),
          protocol,
        )
    }
  })

  test('are not found in what is no reply', () => {
    for (const [protocol] of CASES) {
      for (const value of [null, 1, 'x', [], {}, { choices: 1, candidates: {}, content: 'x', output: [1] }]) {
        assert.deepEqual(signaturesIn(protocol, value), [])
      }
    }
  })
})
