/** Streams of the two protocols that `dialect.ts` leaves out, in its vocabulary. */
import { CHAT, type Dialect, MESSAGES, type Tokens } from './dialect.ts'

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`
}

function typed(type: string, members: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`
}

function responseOf(status: string, more: object = {}): object {
  return { id: 'resp_test', object: 'response', created_at: 1, status, model: 'm', output: [], usage: null, ...more }
}

function messageOf(status: string, text: string): object {
  const content = text === '' ? [] : [{ type: 'output_text', text, annotations: [] }]
  return { id: 'msg_test', type: 'message', role: 'assistant', status, content }
}

/** Whole answers say `text`; the end of a stream says that it said nothing more. */
export const RESPONSES: Dialect = {
  protocol: 'openai-responses',
  path: 'responses',
  terminalMark: 'response.completed',
  errorMark: 'event: error',
  request: ({ model, stream, maxTokens, tag, prompt }) =>
    JSON.stringify({ model, stream, max_output_tokens: maxTokens, tag, input: prompt ?? 'hi' }),
  opening: () =>
    typed('response.created', { response: responseOf('in_progress') }) +
    typed('response.output_item.added', { output_index: 0, item: messageOf('in_progress', '') }),
  delta: (delta) =>
    typed('response.output_text.delta', { item_id: 'msg_test', output_index: 0, content_index: 0, delta }),
  closing: (usage) =>
    typed('response.completed', {
      response: responseOf('completed', usage ? { usage: RESPONSES.usage(usage) } : {}),
    }),
  terminal: '',
  whole: (text, usage) => JSON.stringify(responseOf('completed', { output: [messageOf('completed', text)], usage })),
  usage: ({ input, output }) => ({ input_tokens: input, output_tokens: output, total_tokens: input + output }),
}

function googleChunk(text: string, more: object = {}): string {
  const content = { role: 'model', parts: [{ text }] }
  return event({ candidates: [{ index: 0, content, ...more }], responseId: 'google-test' })
}

function googleUsage({ input, output }: Tokens): object {
  return { promptTokenCount: input, candidatesTokenCount: output, totalTokenCount: input + output }
}

/** Of one model, which stands in the path; its last chunk is also its terminal frame. */
export function googleStreamOf(model: string): Dialect {
  return {
    protocol: 'google-generate',
    path: `models/${model}:streamGenerateContent?alt=sse`,
    terminalMark: 'finishReason',
    errorMark: '"error"',
    request: ({ maxTokens, tag, prompt }) =>
      JSON.stringify({
        contents: [{ role: 'user', parts: [{ text: prompt ?? 'hi' }] }],
        generationConfig: { maxOutputTokens: maxTokens },
        tag,
      }),
    opening: () => googleChunk(''),
    delta: (text) => googleChunk(text),
    closing: (usage) =>
      event({
        candidates: [{ index: 0, content: { role: 'model', parts: [] }, finishReason: 'STOP' }],
        ...(usage ? { usageMetadata: googleUsage(usage) } : {}),
      }),
    terminal: '',
    whole: (text, usage) =>
      JSON.stringify({
        candidates: [{ index: 0, content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP' }],
        usageMetadata: usage,
      }),
    usage: googleUsage,
  }
}

/** All four protocols, for streams of one model. */
export function streamsOf(model: string): readonly Dialect[] {
  return [CHAT, MESSAGES, RESPONSES, googleStreamOf(model)]
}
