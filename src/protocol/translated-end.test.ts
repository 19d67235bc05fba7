import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Protocol } from '../base/words.ts'
import { codecOf } from './codecs.ts'
import type { IrEvent } from './ir/event.ts'
import { createTranslatingReader } from './translating-reader.ts'
import { asArray, asObject, type WireObject } from './wire-value.ts'

const END = { code: 'balance', message: 'No more.', requestId: 'req_1', model: 'm', nowMs: 5000, promptTokens: 33 }

const REQUESTS: Readonly<Record<Protocol, object>> = {
  'openai-chat': { messages: [{ role: 'user', content: 'x' }] },
  'openai-responses': { input: 'x', tools: [{ type: 'custom', name: 'apply_patch' }] },
  'anthropic-messages': { messages: [{ role: 'user', content: 'x' }], max_tokens: 9 },
  'google-generate': { contents: [{ role: 'user', parts: [{ text: 'x' }] }] },
}

interface Translated {
  readonly end: string
  readonly events: readonly IrEvent[]
}

function stopAfter(from: Protocol, to: Protocol, texts: readonly string[], cost: string | null = null): Translated {
  let ids = 0
  const events: IrEvent[] = []
  const request = codecOf(to).decodeRequest({ model: 'm', ...REQUESTS[to] }, { model: 'm', stream: true })
  const reader = createTranslatingReader({
    from,
    encoder: codecOf(to).createStreamEncoder({
      ...{ request, model: 'm', requestId: 'req_1', createdAtMs: 0, includeUsage: true },
      newId: (prefix) => `${prefix}_${ids++}`,
      mint: { protocol: from, account: 'acc' },
    }),
    onEvent: (event) => events.push(event),
    renameCall: (call) => call,
  })
  for (const text of texts) reader.push(Buffer.from(text))
  reader.endPolitely(END)
  assert.equal(reader.ending, 'stopped')
  assert.deepEqual(reader.push(Buffer.from(texts[0] ?? '')), [])
  return { end: Buffer.concat(reader.takeHeld(cost)).toString(), events }
}

function dataOf(text: string): WireObject[] {
  const lines = text.split('\n').filter((line) => line.startsWith('data: {'))
  return lines.map((line) => JSON.parse(line.slice('data: '.length)) as WireObject)
}

const chat = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c1', model: 'up', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const call = (index: number, name: string | null, input: string): string =>
  chat({
    tool_calls: [
      {
        index,
        ...(name !== null && { id: `call_${index}`, type: 'function' }),
        function: { ...(name !== null && { name }), arguments: input },
      },
    ],
  })
const google = (functionCall: object): string =>
  `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ functionCall }] }, index: 0 }] })}\n\n`

describe('a translated stream that is ended early', () => {
  it('makes no whole call of one that had no input yet', () => {
    const { end } = stopAfter('openai-chat', 'openai-responses', [call(0, 'reset', '')])
    const [argumentsDone, itemDone] = dataOf(end)
    assert.deepEqual([argumentsDone?.type, argumentsDone?.arguments], ['response.function_call_arguments.done', ''])
    assert.equal(asObject(itemDone?.item)?.status, 'incomplete')
    assert.ok(!stopAfter('openai-chat', 'google-generate', [call(0, 'reset', '')]).end.includes('functionCall'))
  })

  it('makes no whole call of arguments that came in pieces', () => {
    const pieces = [
      google({ name: 'write', willContinue: true }),
      google({ partialArgs: [{ jsonPath: '$.path', stringValue: '/et', willContinue: true }], willContinue: true }),
    ]
    for (const to of ['openai-chat', 'openai-responses', 'anthropic-messages'] as const) {
      const { end, events } = stopAfter('google-generate', to, pieces)
      assert.ok(!end.includes('/et'), to)
      assert.deepEqual(
        events.map(({ type }) => type).filter((type) => type.startsWith('tool-call')),
        ['tool-call-start'],
      )
    }
  })

  it('does not tell half of a free text to be done', () => {
    const { end } = stopAfter('openai-chat', 'openai-responses', [call(0, 'apply_patch', '{"input":"*** Beg')])
    const told = dataOf(end)
    assert.ok(!told.some(({ type }) => type === 'response.output_item.done'))
    const [item] = asArray(asObject(told.at(-1)?.response)?.output).map(asObject)
    assert.deepEqual([item?.type, item?.status], ['custom_tool_call', 'incomplete'])
  })

  it('closes one call after the other where several were open', () => {
    const pieces = [call(0, 'read', '{"a'), call(1, 'read', '{"b'), call(1, null, '":1')]
    const told = dataOf(stopAfter('openai-chat', 'openai-responses', pieces).end)
    assert.deepEqual(
      told.map(({ type, output_index: index }) => `${index ?? ''} ${String(type).replace('response.', '')}`),
      [
        '0 function_call_arguments.done',
        '0 output_item.done',
        '1 output_item.added',
        '1 function_call_arguments.delta',
        '1 function_call_arguments.delta',
        '1 function_call_arguments.done',
        '1 output_item.done',
        ' incomplete',
      ],
    )
  })

  it('tells the tokens that are known, the size of the prompt and the charge', () => {
    const text = [chat({ content: '12345678' })]
    const ends = (to: Protocol): WireObject[] => dataOf(stopAfter('openai-chat', to, text, '0.02').end)
    const told = [ends('anthropic-messages').at(-2), asObject(ends('openai-responses').at(-1)?.response)]
    for (const usage of told.map((holder) => asObject(holder?.usage))) {
      assert.deepEqual([usage?.input_tokens, usage?.output_tokens, usage?.cost], [33, 2, '0.02'])
    }
    const counted = asObject(ends('google-generate').at(-1)?.usageMetadata)
    assert.deepEqual([counted?.promptTokenCount, counted?.candidatesTokenCount], [33, 2])
  })

  it('keeps the reason that the model has told, with the calls that belong to it', () => {
    const pieces = [call(0, 'read', '{"a":1}'), chat({}, 'tool_calls')]
    const { end } = stopAfter('openai-chat', 'anthropic-messages', pieces)
    assert.match(end, /"stop_reason":"tool_use"/)
    assert.ok(!end.includes('zendo'))
  })
})
