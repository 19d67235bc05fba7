/**
 * Writes a scripted answer in each protocol that the mock upstream speaks, whole and as the events of a stream.
 *
 * Source: OpenAI "Chat Completions" and "Responses", Anthropic "Messages" and "Streaming Messages"; the order of events
 * and the members that vendors always send are those of real streams.
 */
import type { MockProtocol } from './pairs.ts'

export interface ReplyUsage {
  /** The whole prompt, cached tokens included. */
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly completionTokens: number
}

/** What an answer says before a protocol has written it: one text per delta. */
export interface Script {
  readonly texts: readonly string[]
  readonly usage: ReplyUsage
}

/** Each a whole event with its empty line. */
export interface StreamEvents {
  readonly opening: readonly string[]
  readonly deltas: readonly string[]
  readonly closing: readonly string[]
}

interface Wire {
  readonly whole: (script: Script) => unknown
  readonly stream: (script: Script) => StreamEvents
}

const CREATED_AT = 1_767_225_600

export const WIRES: Readonly<Record<MockProtocol, Wire>> = {
  'openai-chat': { whole: wholeChat, stream: streamChat },
  'openai-responses': { whole: wholeResponse, stream: streamResponse },
  'anthropic-messages': { whole: wholeMessage, stream: streamMessage },
}

function dataEvent(event: object): string {
  return `data: ${JSON.stringify(event)}\n\n`
}

/** Responses and Messages name their events; chat does not. */
function namedEvent(type: string, members: object): string {
  return `event: ${type}\n${dataEvent({ type, ...members })}`
}

function wholeChat({ texts, usage }: Script): unknown {
  const message = { role: 'assistant', content: texts.join('') }
  return {
    ...{ id: 'chatcmpl-bench', object: 'chat.completion', created: CREATED_AT, model: 'mock' },
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: chatUsage(usage),
  }
}

function streamChat({ texts, usage }: Script): StreamEvents {
  const envelope = { id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: CREATED_AT, model: 'mock' }
  const deltas = texts.map((content, index) => {
    const delta = index === 0 ? { role: 'assistant', content } : { content }
    return dataEvent({ ...envelope, choices: [{ index: 0, delta, finish_reason: null }] })
  })
  const finish = dataEvent({ ...envelope, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  const closing = [finish, dataEvent({ ...envelope, choices: [], usage: chatUsage(usage) }), 'data: [DONE]\n\n']
  return { opening: [], deltas, closing }
}

function chatUsage(usage: ReplyUsage): object {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  }
}

const MESSAGE = { id: 'msg_bench', type: 'message', role: 'assistant', model: 'mock' }

function wholeMessage({ texts, usage }: Script): unknown {
  const content = [{ type: 'text', text: texts.join('') }]
  return { ...MESSAGE, content, stop_reason: 'end_turn', stop_sequence: null, usage: messageUsage(usage) }
}

/** The start has all that is known of the prompt, the end what was said. */
function streamMessage({ texts, usage }: Script): StreamEvents {
  const start = { ...messageUsage(usage), output_tokens: 1 }
  const message = { ...MESSAGE, content: [], stop_reason: null, stop_sequence: null, usage: start }
  const index = 0
  const delta = { stop_reason: 'end_turn', stop_sequence: null }
  return {
    opening: [
      namedEvent('message_start', { message }),
      namedEvent('content_block_start', { index, content_block: { type: 'text', text: '' } }),
    ],
    deltas: texts.map((text) => namedEvent('content_block_delta', { index, delta: { type: 'text_delta', text } })),
    closing: [
      namedEvent('content_block_stop', { index }),
      namedEvent('message_delta', { delta, usage: { output_tokens: usage.completionTokens } }),
      namedEvent('message_stop', {}),
    ],
  }
}

/** Cached tokens are no part of the input here. */
function messageUsage(usage: ReplyUsage): object {
  return {
    input_tokens: usage.promptTokens - usage.cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedTokens,
    output_tokens: usage.completionTokens,
  }
}

const ITEM_ID = 'msg_bench'
const PLACE = { item_id: ITEM_ID, output_index: 0, content_index: 0 }

function wholeResponse({ texts, usage }: Script): unknown {
  return responseObject('completed', [messageItem('completed', [textPart(texts.join(''))])], responseUsage(usage))
}

function streamResponse({ texts, usage }: Script): StreamEvents {
  let sequence = 0
  const event = (type: string, members: object): string => namedEvent(type, { sequence_number: sequence++, ...members })
  const text = texts.join('')
  const item = messageItem('completed', [textPart(text)])
  const begun = responseObject('in_progress', [], null)
  return {
    opening: [
      event('response.created', { response: begun }),
      event('response.in_progress', { response: begun }),
      event('response.output_item.added', { output_index: 0, item: messageItem('in_progress', []) }),
      event('response.content_part.added', { ...PLACE, part: textPart('') }),
    ],
    deltas: texts.map((delta) => event('response.output_text.delta', { ...PLACE, delta, logprobs: [] })),
    closing: [
      event('response.output_text.done', { ...PLACE, text, logprobs: [] }),
      event('response.content_part.done', { ...PLACE, part: textPart(text) }),
      event('response.output_item.done', { output_index: 0, item }),
      event('response.completed', { response: responseObject('completed', [item], responseUsage(usage)) }),
    ],
  }
}

function responseObject(status: string, output: readonly object[], usage: object | null): object {
  const members = { error: null, incomplete_details: null, model: 'mock', output, usage }
  return { id: 'resp_bench', object: 'response', created_at: CREATED_AT, status, ...members }
}

function messageItem(status: string, content: readonly object[]): object {
  return { id: ITEM_ID, type: 'message', status, role: 'assistant', content }
}

function textPart(text: string): object {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}

function responseUsage(usage: ReplyUsage): object {
  return {
    input_tokens: usage.promptTokens,
    input_tokens_details: { cached_tokens: usage.cachedTokens },
    output_tokens: usage.completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: usage.promptTokens + usage.completionTokens,
  }
}
