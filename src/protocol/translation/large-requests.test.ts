/** Requests and replies of very many parts: translated in a time that grows with their number, not with its square. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PROTOCOLS, type Protocol } from '../../base/words.ts'
import type { ReplyContext, UpstreamTarget } from '../codec.ts'
import { codecOf } from '../codecs.ts'
import type { IrRequest } from '../ir/request.ts'
import { translateRequest } from '../translate-request.ts'
import type { WireObject } from '../wire-value.ts'
import { createSequencer } from './sequence.ts'

/** What grew with the square of the number took five seconds and more. */
const MAX_CPU_MS = 1000
const COUNT = 40_000
const TARGET: UpstreamTarget = { model: 'm', account: 'a', quirks: {}, maxOutput: 1000, originateCacheMarks: true }

function cpuMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function assertQuick(what: string, work: () => void): void {
  const took = cpuMs(work)
  assert.ok(took < MAX_CPU_MS, `${what}: ${Math.round(took)} ms`)
}

function times<T>(count: number, made: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => made(i))
}

function decode(protocol: Protocol, body: WireObject): IrRequest {
  return codecOf(protocol).decodeRequest(body, { model: 'm', stream: false })
}

function assertAllQuick(protocol: Protocol, body: WireObject): void {
  const decoded: IrRequest[] = []
  assertQuick('decoded', () => decoded.push(decode(protocol, body)))
  for (const request of decoded) {
    for (const to of PROTOCOLS) {
      assertQuick(`to ${to}`, () => {
        if (to === protocol) codecOf(to).encodeRequest(request, TARGET)
        else translateRequest(request, to, TARGET)
      })
    }
  }
}

const hello = { role: 'user', content: 'Hi.' }

function chatCall(i: number, id = `c${i}`): WireObject {
  return { id, type: 'function', function: { name: `f${i}`, arguments: '{}' } }
}

function chatTurn(ids: readonly string[], results: readonly WireObject[]): WireObject {
  const calls = ids.map((id, i) => chatCall(i, id))
  return { messages: [hello, { role: 'assistant', content: null, tool_calls: calls }, ...results] }
}

const ids = times(COUNT, (i) => `c${i}`)
const manyIds = times(100_000, (i) => `c${i}`)
const functions = times(20_000, (i) => ({ type: 'function', function: { name: `f${i}` } }))
const choice = { mode: 'auto', tools: functions.slice().reverse() }

const LARGE: Readonly<Record<string, readonly [Protocol, WireObject]>> = {
  'calls of one turn, answered in reverse': [
    'openai-chat',
    chatTurn(
      ids,
      ids.toReversed().map((id) => ({ role: 'tool', tool_call_id: id, content: 'ok' })),
    ),
  ],
  'calls of one turn, answered without ids': [
    'openai-chat',
    chatTurn(
      ids,
      ids.map(() => ({ role: 'tool', content: 'ok' })),
    ),
  ],
  'calls of one turn, answered by name': [
    'openai-chat',
    chatTurn(
      ids,
      ids.map((_, i) => ({ role: 'function', name: `f${COUNT - 1 - i}`, content: 'ok' })),
    ),
  ],
  'calls that all have one id': [
    'openai-chat',
    chatTurn(
      ids.map(() => 'same'),
      ids.map(() => ({ role: 'tool', tool_call_id: 'same', content: 'ok' })),
    ),
  ],
  'tools of which nearly all are allowed': [
    'openai-chat',
    { messages: [hello], tools: functions, tool_choice: { type: 'allowed_tools', allowed_tools: choice } },
  ],
  'tools that the target does not have': [
    'openai-chat',
    { messages: [hello], tools: times(120_000, (i) => ({ type: `hosted_${i}` })) },
  ],
  'parts of one message': [
    'openai-chat',
    { messages: [{ role: 'user', content: times(200_000, () => ({ type: 'text', text: 'a' })) }] },
  ],
  'members of the body without a word': [
    'openai-chat',
    { messages: [hello], ...Object.fromEntries(times(200_000, (i) => [`k${i}`, 1])) },
  ],
  'results in reverse': [
    'openai-responses',
    {
      input: [
        ...manyIds.map((id) => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' })),
        ...manyIds.toReversed().map((id) => ({ type: 'function_call_output', call_id: id, output: 'ok' })),
      ],
    },
  ],
  'parts of one system prompt': [
    'openai-responses',
    {
      input: [
        { role: 'system', content: times(200_000, () => ({ type: 'input_text', text: 'a' })) },
        { role: 'user', content: 'x' },
      ],
    },
  ],
  'results that each came in a content of its own': [
    'google-generate',
    {
      contents: [
        { role: 'model', parts: ids.map((name) => ({ functionCall: { name, args: {} } })) },
        ...ids.map((name) => ({ role: 'user', parts: [{ functionResponse: { name, response: {} } }] })),
      ],
    },
  ],
  'marked blocks of one message': [
    'anthropic-messages',
    {
      max_tokens: 9,
      messages: [
        { role: 'user', content: ids.map((text) => ({ type: 'text', text, cache_control: { type: 'ephemeral' } })) },
      ],
    },
  ],
}

describe('the cost of a request grows with its size', () => {
  for (const [name, [protocol, body]] of Object.entries(LARGE)) {
    test(`${protocol}: ${name}`, () => assertAllQuick(protocol, body))
  }
})

describe('the cost of a turn of thoughts grows with its size', () => {
  const mint = (protocol: Protocol) => ({ protocol, account: TARGET.account })
  const request = decode('openai-chat', { messages: [hello] })

  test('texts between a signature and the call that it belongs to', () => {
    const thought = { type: 'thinking', text: '', signature: 'c2ln', mint: mint('google-generate') } as const
    const call = { type: 'tool-call', id: 'c', name: 'f', kind: 'function', input: '{}' } as const
    const blocks = [thought, ...ids.map((text) => ({ type: 'text', text }) as const), call]
    assertQuick('encoded', () => {
      codecOf('google-generate').encodeRequest({ ...request, messages: [{ role: 'assistant', blocks }] }, TARGET)
    })
  })

  test('pieces of thinking', () => {
    const blocks = ids.map((text) => {
      return { type: 'thinking', text, signature: null, mint: mint('openai-chat') } as const
    })
    assertQuick('encoded', () => {
      codecOf('openai-chat').encodeRequest({ ...request, messages: [{ role: 'assistant', blocks }] }, TARGET)
    })
  })
})

function replyContext(protocol: Protocol): ReplyContext {
  const tools = times(20_000, (i) => ({ type: 'function' as const, name: `f${i}`, parameters: null }))
  let made = 0
  return {
    request: { ...decode('openai-chat', { messages: [hello] }), tools },
    model: 'm',
    requestId: 'req_1',
    createdAtMs: 0,
    newId: (prefix) => `${prefix}_${++made}`,
    mint: { protocol, account: 'a' },
    includeUsage: true,
  }
}

describe('the cost of a reply grows with its size', () => {
  const calls = times(20_000, (i) => ({ index: i, ...chatCall(i) }))
  for (const to of PROTOCOLS) {
    test(`many calls to many tools: ${to}`, () => {
      assertQuick(to, () => {
        const decoder = codecOf('openai-chat').createStreamDecoder()
        const encoder = codecOf(to).createStreamEncoder(replyContext(to))
        for (const call of calls) {
          const chunk = { id: 'r', choices: [{ index: 0, delta: { tool_calls: [call] } }] }
          for (const event of decoder.decode(null, chunk)) if (event.type !== 'finish') encoder.encode(event)
        }
      })
    })
  }

  test('blocks that wait for the first one', () => {
    const sequencer = createSequencer()
    let given = 0
    assertQuick('sequenced', () => {
      for (let block = 0; block < 100_000; block++) {
        given += sequencer.push({ type: 'tool-call-start', block, id: 'c', name: 'f', kind: 'function' }).length
        if (block > 0) given += sequencer.push({ type: 'tool-call-end', block }).length
      }
      given += sequencer.push({ type: 'tool-call-end', block: 0 }).length
    })
    assert.equal(given, 200_000)
  })
})
