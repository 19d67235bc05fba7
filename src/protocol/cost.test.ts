/** The exact charge in the usage of a relayed reply. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Protocol } from '../base/words.ts'
import { addCost, addCostToReply } from './cost.ts'
import { createStreamReader } from './stream-reader.ts'

const chat = (data: object): string => `data: ${JSON.stringify(data)}\n\n`
const CHAT =
  chat({ id: 'c', choices: [{ index: 0, delta: { content: 'Hi' } }] }) +
  chat({ id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) +
  chat({ id: 'c', choices: [], usage: { prompt_tokens: 3, completion_tokens: 1 } }) +
  'data: [DONE]\n\n'
const event = (data: { type: string } & Record<string, unknown>): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
const MESSAGES =
  event({ type: 'message_start', message: { id: 'm', usage: { input_tokens: 3, output_tokens: 0 } } }) +
  event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }) +
  event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } }) +
  event({ type: 'ping' }) +
  event({ type: 'message_stop' })

/** Streams a text through a reader that holds usage back; gives what went before the end and what at the end. */
function relay(protocol: Protocol, text: string, size: number, cost: string | null): { before: string; end: string } {
  const reader = createStreamReader(protocol, { stripUsage: false, holdUsage: true })
  const out: Buffer[] = []
  for (let at = 0; at < text.length; at += size) out.push(...reader.push(Buffer.from(text.slice(at, at + size))))
  out.push(...reader.end())
  assert.equal(reader.ending, 'complete')
  return { before: Buffer.concat(out).toString(), end: Buffer.concat(reader.takeHeld(cost)).toString() }
}

describe('x-zendo-include: cost', () => {
  test('puts the charge into the last usage of a stream and changes nothing else, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<[Protocol, string]>(['openai-chat', CHAT], ['anthropic-messages', MESSAGES]),
        fc.integer({ min: 1, max: 400 }),
        ([protocol, text], size) => {
          const plain = relay(protocol, text, size, null)
          assert.equal(plain.before + plain.end, text)
          const { before, end } = relay(protocol, text, size, '0.0000125')
          assert.ok(!before.includes('cost'), 'the charge was told before it was known')
          const usage = protocol === 'openai-chat' ? '"completion_tokens":1' : '"output_tokens":1'
          assert.equal(before + end, text.replace(usage, `${usage},"cost":"0.0000125"`))
        },
      ),
    )
  })

  test('is not fooled by a usage in the middle: the last one counts', () => {
    const running = (n: number): string =>
      chat({ choices: [{ index: 0, delta: { content: 'x' } }], usage: { completion_tokens: n } })
    const finish = chat({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: { completion_tokens: 3 } })
    const { before, end } = relay('openai-chat', `${running(1)}${running(2)}${finish}data: [DONE]\n\n`, 1000, '1')
    assert.equal(before, running(1) + running(2))
    assert.match(end, /"completion_tokens":3,"cost":"1"/)
  })

  test('stands in whole replies of every protocol', () => {
    const cases: [Protocol, object, string][] = [
      ['openai-chat', { usage: { a: 1 } }, '{"usage":{"a":1,"cost":"2"}}'],
      ['openai-responses', { usage: { a: 1 } }, '{"usage":{"a":1,"cost":"2"}}'],
      ['anthropic-messages', { usage: { a: 1 } }, '{"usage":{"a":1,"cost":"2"}}'],
      ['google-generate', { usageMetadata: { a: 1 } }, '{"usageMetadata":{"a":1,"cost":"2"}}'],
      ['openai-chat', { choices: [] }, '{"choices":[]}'],
    ]
    for (const [protocol, body, expected] of cases) {
      assert.equal(addCostToReply(protocol, Buffer.from(JSON.stringify(body)), '2').toString(), expected)
    }
  })

  test('finds its place in terminal events and in elements of an array', () => {
    const completed = 'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"a":1}}}\n\n'
    assert.match(addCost('openai-responses', Buffer.from(completed), '3').toString(), /\{"a":1,"cost":"3"\}\}\}\n\n$/)
    const element = ',\r\n{"usageMetadata":{"a":1}}'
    assert.equal(
      addCost('google-generate', Buffer.from(element), '3').toString(),
      ',\r\n{"usageMetadata":{"a":1,"cost":"3"}}',
    )
    assert.equal(addCost('openai-chat', Buffer.from('data: [DONE]\n\n'), '3').toString(), 'data: [DONE]\n\n')
  })
})
