/** Requests and replies of protocols in one vocabulary, so that one test can be run on each. */
import type { Protocol } from '../../src/base/words.ts'

export interface Tokens {
  readonly input: number
  readonly output: number
}

export interface RequestOptions {
  readonly model: string
  readonly stream: boolean
  readonly maxTokens: number
  /** Chooses the script of the upstream. */
  readonly tag: string
  /** Bytes of prompt beyond the smallest. */
  readonly prompt?: string
}

export interface Dialect {
  readonly protocol: Protocol
  /** Below `/zen/v1/`. */
  readonly path: string
  /** Stands in the terminal frame and nowhere else. */
  readonly terminalMark: string
  /** Stands in an error in-band and nowhere else. */
  readonly errorMark: string
  request(options: RequestOptions): string
  /** The frames before any text; Messages counts the prompt there. */
  opening(input: number): string
  delta(text: string): string
  /** The frames after the text up to, but without, the terminal one. */
  closing(usage: Tokens | null): string
  readonly terminal: string
  /** An answer in one piece; `usage` as it is to stand there, or undefined for none. */
  whole(text: string, usage: unknown): string
  /** The usage object of the wire. */
  usage(tokens: Tokens): object
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`
}

function namedEvent(type: string, members: object = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`
}

function chatChunk(choices: object[], more: object = {}): string {
  return event({ id: 'chatcmpl-test', object: 'chat.completion.chunk', created: 1, model: 'm', choices, ...more })
}

const chat: Dialect = {
  protocol: 'openai-chat',
  path: 'chat/completions',
  terminalMark: '[DONE]',
  errorMark: '"error"',
  request: ({ model, stream, maxTokens, tag, prompt }) =>
    JSON.stringify({
      model,
      stream,
      max_tokens: maxTokens,
      tag,
      messages: [{ role: 'user', content: prompt ?? 'hi' }],
    }),
  opening: () => chatChunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }]),
  delta: (text) => chatChunk([{ index: 0, delta: { content: text }, finish_reason: null }]),
  closing: (usage) =>
    chatChunk([{ index: 0, delta: {}, finish_reason: 'stop' }]) +
    (usage ? chatChunk([], { usage: chat.usage(usage) }) : ''),
  terminal: 'data: [DONE]\n\n',
  whole: (text, usage) =>
    JSON.stringify({
      id: 'chatcmpl-test',
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      usage,
    }),
  usage: ({ input, output }) => ({
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
  }),
}

const messages: Dialect = {
  protocol: 'anthropic-messages',
  path: 'messages',
  terminalMark: 'message_stop',
  errorMark: 'event: error',
  request: chat.request,
  opening: (input) =>
    namedEvent('message_start', {
      message: {
        id: 'msg_test',
        type: 'message',
        role: 'assistant',
        content: [],
        usage: messages.usage({ input, output: 1 }),
      },
    }) + namedEvent('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  delta: (text) => namedEvent('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }),
  closing: (usage) =>
    namedEvent('content_block_stop', { index: 0 }) +
    namedEvent('message_delta', {
      delta: { stop_reason: 'end_turn' },
      ...(usage ? { usage: { output_tokens: usage.output } } : {}),
    }),
  terminal: namedEvent('message_stop'),
  whole: (text, usage) =>
    JSON.stringify({
      id: 'msg_test',
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text }],
      stop_reason: 'end_turn',
      usage,
    }),
  usage: ({ input, output }) => ({ input_tokens: input, output_tokens: output }),
}

export const DIALECTS: readonly Dialect[] = [chat, messages]
export { chat as CHAT, messages as MESSAGES }

/** The head of a streamed answer whose end is the connection's. */
export const STREAM_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n'
/** The head of a streamed answer in chunks; each piece goes through `chunk`, and `LAST_CHUNK` ends it. */
export const CHUNKED_STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
export const LAST_CHUNK = '0\r\n\r\n'

export function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

export function jsonReply(body: string, status = '200 OK', headers: readonly string[] = []): string {
  const lines = [`HTTP/1.1 ${status}`, 'content-type: application/json', `content-length: ${Buffer.byteLength(body)}`]
  return `${[...lines, ...headers].join('\r\n')}\r\n\r\n${body}`
}

/** A whole streamed answer in one text. */
export function streamOf(dialect: Dialect, text: string, usage: Tokens | null): string {
  return dialect.opening(usage?.input ?? 1) + dialect.delta(text) + dialect.closing(usage) + dialect.terminal
}
