/** Relayed bodies for vendors that declare a quirk. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Quirks } from '../base/quirks.ts'
import type { Protocol } from '../base/words.ts'
import { adaptRelayedBody } from './relay-quirks.ts'

function adapt(body: object, quirks: Quirks, protocol: Protocol = 'openai-chat') {
  const adapted = adaptRelayedBody(protocol, Buffer.from(JSON.stringify(body)), quirks)
  return { body: JSON.parse(adapted.body.toString()), warnings: adapted.warnings }
}

describe('a relayed body', () => {
  const body = {
    model: 'm',
    max_completion_tokens: 5,
    messages: [
      { role: 'developer', content: 'Be brief; "developer" is a word.' },
      { role: 'assistant', content: 'a', reasoning_content: 'because' },
    ],
  }

  test('stays the very same bytes where nothing is declared, or nothing of it applies', () => {
    const bytes = Buffer.from(JSON.stringify(body))
    assert.equal(adaptRelayedBody('openai-chat', bytes, {}).body, bytes)
    const plain = Buffer.from('{"max_tokens":1,"messages":[{"role":"system","content":"x"}]}')
    const quirks: Quirks = { systemRole: 'system', maxTokensField: 'max_tokens', reasoningField: 'none' }
    assert.equal(adaptRelayedBody('openai-chat', plain, quirks).body, plain)
    assert.equal(adaptRelayedBody('anthropic-messages', bytes, quirks).body, bytes)
  })

  test('names the system prompt as the vendor does', () => {
    const { body: adapted, warnings } = adapt(body, { systemRole: 'system' })
    assert.deepEqual(adapted, { ...body, messages: [{ ...body.messages[0], role: 'system' }, body.messages[1]] })
    assert.deepEqual(warnings, [])
    const input = { input: [{ role: 'developer', content: 'x' }], store: false }
    assert.deepEqual(adapt(input, { systemRole: 'system' }, 'openai-responses').body, {
      input: [{ role: 'system', content: 'x' }],
      store: false,
    })
  })

  test('spells the cap as the vendor does', () => {
    const { max_completion_tokens: cap, ...rest } = body
    assert.deepEqual(adapt(body, { maxTokensField: 'max_tokens' }).body, { ...rest, max_tokens: cap })
    assert.deepEqual(adapt({ max_tokens: 3 }, { maxTokensField: 'max_completion_tokens' }).body, {
      max_completion_tokens: 3,
    })
    assert.deepEqual(adapt({ max_tokens: 3, max_completion_tokens: 3 }, { maxTokensField: 'max_tokens' }).body, {
      max_tokens: 3,
    })
  })

  test('gives reasoning back where the vendor takes it, and says so where it takes none', () => {
    const moved = adapt(body, { reasoningField: 'reasoning' })
    assert.deepEqual(moved.body.messages[1], { role: 'assistant', content: 'a', reasoning: 'because' })
    assert.deepEqual(moved.warnings, [])
    const dropped = adapt(body, { reasoningField: 'none' })
    assert.deepEqual(dropped.body.messages[1], { role: 'assistant', content: 'a' })
    assert.deepEqual(dropped.warnings, [{ action: 'dropped', field: 'messages[1].reasoning_content' }])
    assert.deepEqual(
      adapt({ messages: [{ role: 'assistant', reasoning_content: '' }] }, { reasoningField: 'none' }).warnings,
      [],
      'an empty one says nothing',
    )
  })
})
