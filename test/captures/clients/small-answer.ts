/** An upstream's answer of one word in each protocol, streamed and whole, and a count of tokens. */
import type { Family } from '../case.ts'
import type { Answer } from '../replay-upstream.ts'
import type { Asked } from '../wire.ts'

export const ANSWER_TEXT = 'Jawohl.'
export const COUNTED_TOKENS = 4711

export function smallAnswer(asked: Asked, body: Buffer): Answer {
  const { family, action } = asked
  if (action === 'count') return json(family === 'google-generate' ? { totalTokens: COUNTED_TOKENS } : COUNT)
  const isStream = family === 'google-generate' ? asked.isStream : /"stream"\s*:\s*true/.test(body.toString('utf8'))
  if (!isStream) return json(WHOLE[family])
  if (asked.form === 'array') return json([WHOLE[family]])
  return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: Buffer.from(STREAMS[family]) }
}

function json(value: object): Answer {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(value)) }
}

const COUNT = { input_tokens: COUNTED_TOKENS }

const RESPONSE = {
  ...{ id: 'resp_small', object: 'response', created_at: 1_790_000_000, status: 'completed', model: 'm' },
  output: [
    {
      ...{ id: 'msg_small', type: 'message', role: 'assistant', status: 'completed' },
      content: [{ type: 'output_text', text: ANSWER_TEXT, annotations: [] }],
    },
  ],
  usage: { input_tokens: 9, output_tokens: 3, total_tokens: 12 },
}

const WHOLE: Readonly<Record<Family, object>> = {
  'openai-chat': {
    ...{ id: 'small', object: 'chat.completion', created: 1_790_000_000, model: 'm' },
    choices: [{ index: 0, message: { role: 'assistant', content: ANSWER_TEXT }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
  },
  'openai-responses': RESPONSE,
  'anthropic-messages': {
    ...{ id: 'msg_small', type: 'message', role: 'assistant', model: 'm' },
    content: [{ type: 'text', text: ANSWER_TEXT }],
    ...{ stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 9, output_tokens: 3 } },
  },
  'google-generate': {
    candidates: [{ content: { role: 'model', parts: [{ text: ANSWER_TEXT }] }, finishReason: 'STOP', index: 0 }],
    usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 },
    ...{ modelVersion: 'm', responseId: 'small' },
  },
}

function chunk(choice: object[], rest: object = {}): string {
  return `data: ${JSON.stringify({ id: 'small', object: 'chat.completion.chunk', created: 1, model: 'm', choices: choice, ...rest })}\n\n`
}

function event(type: string, members: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`
}

const ITEM = RESPONSE.output[0]
const PLACE = { item_id: 'msg_small', output_index: 0, content_index: 0 }

const STREAMS: Readonly<Record<Family, string>> = {
  'openai-chat': [
    chunk([{ index: 0, delta: { role: 'assistant', content: ANSWER_TEXT }, finish_reason: null }]),
    chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]),
    chunk([], { usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } }),
    'data: [DONE]\n\n',
  ].join(''),
  'openai-responses': [
    event('response.created', {
      sequence_number: 0,
      response: { ...RESPONSE, status: 'in_progress', output: [], usage: null },
    }),
    event('response.output_item.added', {
      ...{ sequence_number: 1, output_index: 0 },
      item: { ...ITEM, status: 'in_progress', content: [] },
    }),
    event('response.content_part.added', {
      ...{ sequence_number: 2, ...PLACE },
      part: { type: 'output_text', text: '', annotations: [] },
    }),
    event('response.output_text.delta', { sequence_number: 3, ...PLACE, delta: ANSWER_TEXT }),
    event('response.output_text.done', { sequence_number: 4, ...PLACE, text: ANSWER_TEXT }),
    event('response.content_part.done', { sequence_number: 5, ...PLACE, part: ITEM?.content[0] }),
    event('response.output_item.done', { sequence_number: 6, output_index: 0, item: ITEM }),
    event('response.completed', { sequence_number: 7, response: RESPONSE }),
  ].join(''),
  'anthropic-messages': [
    event('message_start', {
      message: { ...WHOLE['anthropic-messages'], content: [], stop_reason: null },
    }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: ANSWER_TEXT } }),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 3 } }),
    event('message_stop', {}),
  ].join(''),
  'google-generate': `data: ${JSON.stringify(WHOLE['google-generate'])}\r\n\r\n`,
}
