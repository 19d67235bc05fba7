/**
 * The scripted answers of the mock upstream, as the bytes that go on the wire. The same texts and usage in every
 * protocol that it speaks; every event of a stream is an HTTP chunk of its own, as real providers send them.
 */
import type { BodyKind } from './job.ts'
import { type ReplyUsage, type Script, type StreamEvents, WIRES } from './mock-wires.ts'
import { MOCK_PROTOCOLS, type MockProtocol } from './pairs.ts'

export const STREAM_DELTAS = 1000
export const PACED_DELTAS = 64
export const PACE_MS = 20
const FIRST_TOKEN_DELTAS = 8

/** `parts` are written one by one, each with its own system call: at once, or at the pace of the kind of answer. */
export interface Reply {
  readonly parts: readonly Buffer[]
  readonly usage: ReplyUsage
}

const SMALL_USAGE: ReplyUsage = { promptTokens: 1_480, cachedTokens: 1_024, completionTokens: 182 }
const LARGE_USAGE: ReplyUsage = { promptTokens: 101_400, cachedTokens: 98_304, completionTokens: 182 }

/** What is said, whichever protocol says it. */
export const SCRIPTS: Readonly<Record<BodyKind, Script>> = {
  small: { texts: wholeText(), usage: SMALL_USAGE },
  large: { texts: wholeText(), usage: LARGE_USAGE },
  stream: streamScript(STREAM_DELTAS),
  paced: streamScript(PACED_DELTAS),
  'first-token': streamScript(FIRST_TOKEN_DELTAS),
}

/** How every streamed answer begins; nothing else of a stream looks like it before its first token. */
export const FIRST_TOKEN_TEXT = 'word0 '

const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n'
const LAST_CHUNK = '0\r\n\r\n'

export const REPLIES: Readonly<Record<MockProtocol, Readonly<Record<BodyKind, Reply>>>> = Object.fromEntries(
  MOCK_PROTOCOLS.map((protocol) => [protocol, repliesIn(protocol)]),
) as Record<MockProtocol, Record<BodyKind, Reply>>

function repliesIn(protocol: MockProtocol): Record<BodyKind, Reply> {
  const { whole, stream } = WIRES[protocol]
  const json = (script: Script): Reply => ({ parts: [jsonAnswer(whole(script))], usage: script.usage })
  const streamed = (script: Script): Reply => ({ parts: streamParts(stream(script)), usage: script.usage })
  return {
    small: json(SCRIPTS.small),
    large: json(SCRIPTS.large),
    stream: streamed(SCRIPTS.stream),
    paced: streamed(SCRIPTS.paced),
    'first-token': joinedAfterFirst(streamed(SCRIPTS['first-token'])),
  }
}

function wholeText(): string[] {
  return ['The variable is now called "records"; two callers and one test were changed with it. '.repeat(8)]
}

function streamScript(deltas: number): Script {
  const texts = Array.from({ length: deltas }, (_, index) => (index % 8 === 7 ? 'line\n' : `word${index % 100} `))
  return { texts, usage: { promptTokens: 1_480, cachedTokens: 1_024, completionTokens: deltas } }
}

function jsonAnswer(answer: unknown): Buffer {
  const body = JSON.stringify(answer)
  const length = Buffer.byteLength(body)
  return Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`)
}

/** One part per delta; what comes before them goes with the first, what comes after them is the last part. */
function streamParts({ opening, deltas, closing }: StreamEvents): Buffer[] {
  const [first, ...rest] = deltas
  return [
    Buffer.from(STREAM_HEAD + [...opening, first ?? ''].map(httpChunk).join('')),
    ...rest.map((event) => Buffer.from(httpChunk(event))),
    Buffer.from(closing.map(httpChunk).join('') + LAST_CHUNK),
  ]
}

function joinedAfterFirst({ parts, usage }: Reply): Reply {
  const [first, ...rest] = parts
  return { parts: [first as Buffer, Buffer.concat(rest)], usage }
}

function httpChunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}
