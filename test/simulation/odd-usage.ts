/**
 * Streams whose usage is absent, zero, negative, text, huge, falling, repeated, early or late, in each protocol, and by
 * a second reading what they are charged. Only members that the protocols themselves define: dialects have their tests.
 */
import type { Protocol } from '../../src/base/words.ts'
import type { Counts } from './exact-price.ts'
import type { Random } from './random.ts'

export interface OddStream {
  readonly protocol: Protocol
  readonly text: string
  /** Bytes of text that were delivered. */
  readonly deliveredBytes: number
  /** What counts, by the second reading; null: the upstream has counted nothing. */
  readonly counts: Counts | null
  readonly isFinal: boolean
}

type Wire = Readonly<Record<string, unknown>>

const NOTHING: Counts = { input: 0, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0 }
/** No counter is larger: what claims to be is brought down to it. */
const MOST = 1_000_000_000

export function oddStream(protocol: Protocol, random: Random): OddStream {
  return MAKERS[protocol](random)
}

const MAKERS: Readonly<Record<Protocol, (random: Random) => OddStream>> = {
  'openai-chat': chatStream,
  'anthropic-messages': messagesStream,
  'openai-responses': responsesStream,
  'google-generate': googleStream,
}

/** A counter as an upstream may give it; undefined leaves it out. */
function oddValue(random: Random): unknown {
  const roll = random.int(0, 16)
  if (roll < 7) return random.size(300_000)
  const odd = [0, -1, -5e9, '12', null, undefined, 1e308, 7.9]
  return roll < 15 ? odd[roll - 7] : { count: 3 }
}

/** Whole, not negative, not beyond reason; null when it is no number at all. */
function read(value: unknown): number | null {
  if (typeof value !== 'number') return null
  if (value <= 0) return 0
  return value >= MOST ? MOST : Math.floor(value)
}

function usageOf(random: Random, names: readonly string[]): Wire {
  return Object.fromEntries(names.map((name) => [name, oddValue(random)]))
}

function frame(data: object, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`
}

interface Part {
  readonly text: string
  readonly usage?: Wire
}

/** Some texts, and what they come to. */
function words(random: Random): string[] {
  return Array.from({ length: random.int(0, 4) }, () => 'word é '.repeat(random.int(1, 6)))
}

function bytesOf(texts: readonly string[]): number {
  return Buffer.byteLength(texts.join(''))
}

/** Puts odd usages between the parts, each with some chance. */
function strew(random: Random, parts: readonly Part[], make: () => Part): Part[] {
  return parts.flatMap((part) => (random.chance(0.25) ? [make(), part] : [part]))
}

function join(parts: readonly Part[]): string {
  return parts.map(({ text }) => text).join('')
}

function usagesOf(parts: readonly Part[]): Wire[] {
  return parts.flatMap(({ usage }) => (usage ? [usage] : []))
}

function chatStream(random: Random): OddStream {
  const chunk = (choices: object[], more: object = {}): string => frame({ id: 'c', object: 'chunk', choices, ...more })
  const texts = words(random)
  const make = (): Part => {
    const usage = {
      ...usageOf(random, ['prompt_tokens', 'completion_tokens']),
      prompt_tokens_details: usageOf(random, ['cached_tokens']),
    }
    return { text: chunk([], { usage }), usage }
  }
  const body: Part[] = [
    { text: chunk([{ index: 0, delta: { role: 'assistant', content: '' } }]) },
    ...texts.map((content) => ({ text: chunk([{ index: 0, delta: { content } }]) })),
    { text: chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]) },
    { text: 'data: [DONE]\n\n' },
  ]
  const parts = strew(random, body, make)
  const told = usagesOf(parts).filter(
    (usage) => read(usage.prompt_tokens) !== null || read(usage.completion_tokens) !== null,
  )
  const last = told.at(-1)
  // What comes after the end counts for nothing.
  const tail = random.chance(0.2) ? make().text : ''
  const counts = last ? chatCounts(last) : null
  return {
    protocol: 'openai-chat',
    text: join(parts) + tail,
    deliveredBytes: bytesOf(texts),
    counts,
    isFinal: counts !== null,
  }
}

/** The prompt of this protocol contains what was cached. */
function chatCounts(usage: Wire): Counts {
  const details: Wire = Object(usage.prompt_tokens_details ?? usage.input_tokens_details)
  const cachedRead = read(details.cached_tokens) ?? 0
  const prompt = read(usage.prompt_tokens ?? usage.input_tokens) ?? 0
  const output = read(usage.completion_tokens ?? usage.output_tokens) ?? 0
  return { ...NOTHING, input: Math.max(0, prompt - cachedRead), cachedRead, output }
}

function responsesStream(random: Random): OddStream {
  const event = (type: string, more: object = {}): string => frame({ type, ...more }, type)
  const texts = words(random)
  const make = (): Wire => ({
    ...usageOf(random, ['input_tokens', 'output_tokens']),
    input_tokens_details: usageOf(random, ['cached_tokens']),
  })
  const usage = random.chance(0.8) ? make() : null
  // Usage before the terminal event is nobody's.
  const early = random.chance(0.2) ? { usage: make() } : {}
  const text = [
    event('response.created', { response: { id: 'r', status: 'in_progress', ...early } }),
    ...texts.map((delta) =>
      event('response.output_text.delta', { item_id: 'i', output_index: 0, content_index: 0, delta }),
    ),
    event('response.completed', { response: { id: 'r', status: 'completed', output: [], ...(usage && { usage }) } }),
    random.chance(0.2) ? event('response.completed', { response: { id: 'r', usage: make() } }) : '',
  ].join('')
  const isTold = usage !== null && (read(usage.input_tokens) !== null || read(usage.output_tokens) !== null)
  const counts = isTold ? chatCounts(usage) : null
  return { protocol: 'openai-responses', text, deliveredBytes: bytesOf(texts), counts, isFinal: isTold }
}

const MESSAGES_NAMES = ['input_tokens', 'output_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens']

function messagesStream(random: Random): OddStream {
  const event = (type: string, more: object = {}): string => frame({ type, ...more }, type)
  const texts = words(random)
  const opening = random.chance(0.8) ? usageOf(random, MESSAGES_NAMES) : null
  const make = (): Part => {
    const usage = usageOf(random, MESSAGES_NAMES)
    return { text: event('message_delta', { delta: {}, usage }), usage }
  }
  const message = { id: 'm', type: 'message', role: 'assistant', content: [], ...(opening && { usage: opening }) }
  const head = event('message_start', { message })
  const body: Part[] = [
    { text: event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) },
    ...texts.map((text) => ({ text: event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }) })),
    { text: event('content_block_stop', { index: 0 }) },
    { text: event('message_delta', { delta: { stop_reason: 'end_turn' } }) },
    { text: event('message_stop') },
  ]
  const parts = strew(random, body, make)
  const deltas = usagesOf(parts)
  const tail = random.chance(0.2) ? make().text : ''
  const all = opening ? [opening, ...deltas] : deltas
  return {
    ...{ protocol: 'anthropic-messages', text: head + join(parts) + tail, deliveredBytes: bytesOf(texts) },
    counts: messagesCounts(all),
    isFinal: deltas.some((usage) => typeof usage.output_tokens === 'number'),
  }
}

/** Counters are cumulative: the last word on each counts, and none is added up. The prompt leaves caches out. */
function messagesCounts(usages: readonly Wire[]): Counts | null {
  const last = (name: string): number | null =>
    usages.map((usage) => read(usage[name])).findLast((count) => count !== null) ?? null
  const [input, output] = [last('input_tokens'), last('output_tokens')]
  if (input === null && output === null) return null
  const cachedRead = last('cache_read_input_tokens') ?? 0
  return {
    ...NOTHING,
    input: input ?? 0,
    output: output ?? 0,
    cachedRead,
    cacheWrite5m: last('cache_creation_input_tokens') ?? 0,
  }
}

const GOOGLE_NAMES = ['promptTokenCount', 'candidatesTokenCount', 'thoughtsTokenCount', 'cachedContentTokenCount']

function googleStream(random: Random): OddStream {
  const texts = words(random)
  const chunkOf = (candidate: object | null): Part => {
    const usage = random.chance(0.5) ? usageOf(random, GOOGLE_NAMES) : undefined
    const data = {
      ...(candidate && { candidates: [{ index: 0, ...candidate }] }),
      ...(usage && { usageMetadata: usage }),
    }
    return { text: frame(data), ...(usage && { usage }) }
  }
  const parts = [
    ...texts.map((text) => chunkOf({ content: { role: 'model', parts: [{ text }] } })),
    chunkOf({ content: { role: 'model', parts: [] }, finishReason: 'STOP' }),
    ...(random.chance(0.3) ? [chunkOf(null)] : []),
  ]
  const counts = googleCounts(usagesOf(parts))
  return {
    protocol: 'google-generate',
    text: join(parts),
    deliveredBytes: bytesOf(texts),
    counts,
    isFinal: counts !== null,
  }
}

/** Streams count up: the last value of each, if there is one, whatever it is. Thoughts stand beside the candidates. */
function googleCounts(usages: readonly Wire[]): Counts | null {
  const last = (name: string): number | null =>
    read(usages.map((usage) => usage[name]).findLast((value) => value !== null && value !== undefined))
  const [prompt, candidates, thoughts] = [
    last('promptTokenCount'),
    last('candidatesTokenCount'),
    last('thoughtsTokenCount'),
  ]
  if (prompt === null && candidates === null && thoughts === null) return null
  const cachedRead = last('cachedContentTokenCount') ?? 0
  const output = Math.min(MOST, (candidates ?? 0) + (thoughts ?? 0))
  return { ...NOTHING, input: Math.max(0, (prompt ?? 0) - cachedRead), cachedRead, output }
}
