/** Streams that are ended after each of their events, relayed and translated, and what a client should make of them. */
import { PROTOCOLS, type Protocol } from '../../src/base/words.ts'
import type { ReplyContext } from '../../src/protocol/codec.ts'
import { codecOf } from '../../src/protocol/codecs.ts'
import { createEventReader, createScanner } from '../../src/protocol/event-readers.ts'
import type { IrEvent } from '../../src/protocol/ir/event.ts'
import type { StreamReader } from '../../src/protocol/stream-reader.ts'
import { createStreamReader } from '../../src/protocol/stream-reader.ts'
import { createTranslatingReader } from '../../src/protocol/translating-reader.ts'
import { parseJson } from '../../src/protocol/wire-value.ts'
import type { Seen } from '../captures/translated/seen.ts'

export const END = {
  ...{ code: 'balance', message: 'The balance does not cover more of this answer.' },
  ...{ requestId: 'req_1', model: 'asked-model', nowMs: 1_790_000_000_000 },
} as const

/** A streamed answer, cut into its events. */
export interface Script {
  readonly name: string
  readonly from: Protocol
  readonly events: readonly Buffer[]
  /** How many were asked for. */
  readonly answers: number
}

export interface Ended {
  readonly bytes: Buffer
  readonly reader: StreamReader
}

/** The client's whole stream when the answer is ended after `count` events; null when it had ended by itself. */
export function endAfter(script: Script, to: Protocol, count: number, cost: string | null = null): Ended | null {
  const reader = readerFor(script, to)
  const sent = script.events.slice(0, count).flatMap((event) => reader.push(event))
  if (reader.ending !== null) return null
  reader.endPolitely(END)
  // The upstream is not silent at once.
  const late = [...script.events.slice(count).flatMap((event) => reader.push(event)), ...reader.end()]
  const held = reader.takeHeld(cost)
  late.push(...reader.push(Buffer.from('data: {"late":true}\n\n')))
  return { bytes: Buffer.concat([...sent, ...held, ...late]), reader }
}

function readerFor({ from, answers }: Script, to: Protocol): StreamReader {
  if (from === to) return createStreamReader(to, { stripUsage: false, answers })
  return createTranslatingReader({
    from,
    encoder: codecOf(to).createStreamEncoder(contextOf(to, from)),
    onEvent: () => {},
    renameCall: (call) => call,
  })
}

const REQUESTS: Readonly<Record<Protocol, object>> = {
  'openai-chat': { messages: [{ role: 'user', content: 'x' }] },
  'openai-responses': { input: 'x', include: ['reasoning.encrypted_content'] },
  'anthropic-messages': { messages: [{ role: 'user', content: 'x' }], max_tokens: 9 },
  'google-generate': {
    contents: [{ role: 'user', parts: [{ text: 'x' }] }],
    generationConfig: { thinkingConfig: { includeThoughts: true } },
  },
}

export function contextOf(protocol: Protocol, from: Protocol): ReplyContext {
  let ids = 0
  return {
    request: codecOf(protocol).decodeRequest(
      { model: END.model, ...REQUESTS[protocol] },
      { model: END.model, stream: true },
    ),
    ...{ model: END.model, requestId: END.requestId, createdAtMs: END.nowMs, includeUsage: true },
    newId: (prefix) => `${prefix.replace(/_$/, '')}_${ids++}`,
    mint: { protocol: from, account: 'acc' },
  }
}

/** The client's whole stream when the answer is left to end by itself; null when it does not. */
export function endByItself(script: Script, to: Protocol): Buffer | null {
  const reader = readerFor(script, to)
  const sent = [...script.events.flatMap((event) => reader.push(event)), ...reader.end()]
  return reader.ending === 'complete' ? Buffer.concat([...sent, ...reader.takeHeld()]) : null
}

export interface SaidCall {
  readonly name: string
  readonly isCustom: boolean
  /** It was told to be over, and its input is what its kind takes. */
  readonly isWhole: boolean
}

/** What had been said after `count` events. */
export interface Said {
  readonly text: string
  readonly reasoning: string
  readonly calls: readonly SaidCall[]
  /** Why the model had ended, if it had said so for good. */
  readonly finish: Seen['finish']
}

export function saidAfter({ from, events }: Script, count: number): Said {
  const scanner = createScanner('sse', {})
  const reader = createEventReader(from, false)
  const decoder = codecOf(from).createStreamDecoder()
  const told: IrEvent[] = []
  for (const bytes of events.slice(0, count)) {
    scanner.feed(bytes)
    for (let block = scanner.next(); block; block = scanner.next()) {
      if (block.kind !== 'event') continue
      reader.onEvent(block)
      const data = parseJson(block.data, block.dataStart, block.dataEnd)
      if (data !== undefined) told.push(...decoder.decode(block.name, data))
    }
  }
  const finish = reader.namedFinish()
  if (finish !== null) told.push(...decoder.end())
  return { ...wordsOf(told), finish }
}

function wordsOf(told: readonly IrEvent[]): Omit<Said, 'finish'> {
  const of = (type: 'text-delta' | 'thinking-delta'): string =>
    told.map((event) => (event.type === type ? event.text : '')).join('')
  const starts = told.flatMap((event) => (event.type === 'tool-call-start' ? [event] : []))
  const ended = new Set(told.flatMap((event) => (event.type === 'tool-call-end' ? [event.block] : [])))
  const calls = starts.map(({ block, name, kind }) => {
    const input = told.map((e) => (e.type === 'tool-call-delta' && e.block === block ? e.text : '')).join('')
    const isSound = kind === 'custom' || parseJson(Buffer.from(input || '{}')) !== undefined
    return { name, isCustom: kind === 'custom', isWhole: ended.has(block) && isSound }
  })
  return { text: of('text-delta'), reasoning: of('thinking-delta'), calls }
}

export const PAIRS = PROTOCOLS.flatMap((from) => PROTOCOLS.map((to) => [from, to] as const))
