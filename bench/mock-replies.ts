/**
 * The scripted answers of the mock upstream, as the bytes that go on the wire, in OpenAI Chat's shape
 * (https://platform.openai.com/docs/api-reference/chat). Every event of a stream is an HTTP chunk of its own, as
 * real providers send them.
 */
import type { BodyKind } from './job.ts'

export const STREAM_DELTAS = 1000
export const PACED_DELTAS = 64
export const PACE_MS = 20
const FIRST_TOKEN_DELTAS = 8

export interface ReplyUsage {
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly completionTokens: number
}

/** `parts` are written one by one, each with its own system call: at once, or at the pace of the kind of answer. */
export interface Reply {
  readonly parts: readonly Buffer[]
  readonly usage: ReplyUsage
}

const SMALL_USAGE: ReplyUsage = { promptTokens: 1_480, cachedTokens: 1_024, completionTokens: 182 }
const LARGE_USAGE: ReplyUsage = { promptTokens: 101_400, cachedTokens: 98_304, completionTokens: 182 }

const STREAM_HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n',
)
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

export const REPLIES: Readonly<Record<BodyKind, Reply>> = {
  small: jsonReply(SMALL_USAGE),
  large: jsonReply(LARGE_USAGE),
  stream: { parts: deltaParts(STREAM_DELTAS), usage: streamUsage(STREAM_DELTAS) },
  paced: { parts: deltaParts(PACED_DELTAS), usage: streamUsage(PACED_DELTAS) },
  'first-token': { parts: splitAfterFirst(FIRST_TOKEN_DELTAS), usage: streamUsage(FIRST_TOKEN_DELTAS) },
}

function jsonReply(usage: ReplyUsage): Reply {
  const content = 'The variable is now called "records"; two callers and one test were changed with it. '.repeat(8)
  const body = Buffer.from(
    JSON.stringify({
      id: 'chatcmpl-bench',
      object: 'chat.completion',
      created: 1_767_225_600,
      model: 'mock',
      choices: [{ index: 0, message: { role: 'assistant', content }, logprobs: null, finish_reason: 'stop' }],
      usage: usageJson(usage),
    }),
  )
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
  return { parts: [Buffer.concat([Buffer.from(head), body])], usage }
}

function streamUsage(deltas: number): ReplyUsage {
  return { promptTokens: 1_480, cachedTokens: 1_024, completionTokens: deltas }
}

/** One part per delta, the first with the head; finish, usage, `[DONE]` and the end of the body as the last part. */
function deltaParts(deltas: number): Buffer[] {
  const events = Array.from({ length: deltas }, (_, index) => eventChunk(delta(index)))
  const finish = eventChunk({ ...envelope(), choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  const usage = eventChunk({ ...envelope(), choices: [], usage: usageJson(streamUsage(deltas)) })
  const [first, ...rest] = events
  const last = Buffer.concat([finish, usage, httpChunk('data: [DONE]\n\n'), LAST_CHUNK])
  return [Buffer.concat([STREAM_HEAD, first as Buffer]), ...rest, last]
}

function splitAfterFirst(deltas: number): Buffer[] {
  const [first, ...rest] = deltaParts(deltas)
  return [first as Buffer, Buffer.concat(rest)]
}

function delta(index: number): unknown {
  const content = index % 8 === 7 ? 'line\n' : `word${index % 100} `
  const fields = index === 0 ? { role: 'assistant', content } : { content }
  return { ...envelope(), choices: [{ index: 0, delta: fields, finish_reason: null }] }
}

function envelope(): object {
  return { id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1_767_225_600, model: 'mock' }
}

function eventChunk(event: unknown): Buffer {
  return httpChunk(`data: ${JSON.stringify(event)}\n\n`)
}

function httpChunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
}

function usageJson(usage: ReplyUsage): object {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  }
}
