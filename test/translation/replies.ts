/** What becomes of a reply on its way to a client of another protocol, found out by trying. */
import { readFileSync } from 'node:fs'
import { PROTOCOLS, type Protocol } from '../../src/base/words.ts'
import type { ReplyContext } from '../../src/protocol/codec.ts'
import { codecOf } from '../../src/protocol/codecs.ts'
import type { IrBlock, Mint } from '../../src/protocol/ir/block.ts'
import type { IrReply } from '../../src/protocol/ir/reply.ts'
import type { Finish } from '../../src/protocol/reply-summary.ts'
import type { WireObject } from '../../src/protocol/wire-value.ts'
import { PNG } from './samples/sample.ts'

export const FINISHES: readonly Finish[] = ['stop', 'length', 'tool_calls', 'content_filter', 'pause', 'other']

/** A request of a client that asks for all that it can be given. */
const ASKING: Readonly<Record<Protocol, WireObject>> = {
  'openai-chat': { model: 'm', messages: [{ role: 'user', content: 'Hello' }] },
  'openai-responses': {
    model: 'm',
    input: 'Hello',
    include: ['reasoning.encrypted_content'],
    reasoning: { summary: 'auto' },
  },
  'anthropic-messages': { model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] },
  'google-generate': {
    contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
    generationConfig: { thinkingConfig: { includeThoughts: true } },
  },
}

function contextOf(client: Protocol, mint: Mint): ReplyContext {
  let count = 0
  return {
    request: codecOf(client).decodeRequest(ASKING[client], { model: 'm', stream: false }),
    model: 'm',
    requestId: 'req_1',
    createdAtMs: 0,
    newId: (prefix) => `${prefix}${++count}`,
    mint,
    includeUsage: true,
  }
}

function written(client: Protocol, blocks: readonly IrBlock[], finish: Finish, upstream: Protocol): WireObject {
  const reply: IrReply = { id: 'r', model: 'm', blocks, finish: { finish, raw: null, stopSequence: null }, usage: null }
  return codecOf(client).encodeReply({ ...reply, cost: null }, contextOf(client, { protocol: upstream, account: 'a1' }))
}

/** Where each protocol says why a reply ended. */
const PLACES: Readonly<Record<Protocol, (body: WireObject) => unknown>> = {
  'openai-chat': (body) => at(body, 'choices', 0, 'finish_reason'),
  'openai-responses': (body) =>
    [at(body, 'status'), at(body, 'incomplete_details', 'reason')]
      .filter((word) => typeof word === 'string')
      .join(': '),
  'anthropic-messages': (body) => at(body, 'stop_reason'),
  'google-generate': (body) => at(body, 'candidates', 0, 'finishReason'),
}

function at(value: unknown, ...keys: readonly (string | number)[]): unknown {
  let found = value
  for (const key of keys) found = (found as Record<string | number, unknown> | null | undefined)?.[key]
  return found
}

/** The client's word for each of the gateway's. */
export function writtenFinish(client: Protocol, finish: Finish): string {
  const text: IrBlock = { type: 'text', text: 'Hello' }
  const call: IrBlock = { type: 'tool-call', id: 'c', name: 'look_up', kind: 'function', input: '{}' }
  const blocks = finish === 'tool_calls' ? [text, call] : [text]
  const upstream = PROTOCOLS.find((protocol) => protocol !== client) as Protocol
  return String(PLACES[client](written(client, blocks, finish, upstream)))
}

/** Every word that the vendor's SDK declares, with the gateway's word for it. */
export function readFinishes(upstream: Protocol): { word: string; finish: string }[] {
  return wordsOf(upstream).map((word) => {
    const reply = codecOf(upstream).decodeReply(replyBody(upstream, word))
    return { word, finish: reply.finish?.finish ?? 'cut' }
  })
}

const MODULES = new URL('../../node_modules/', import.meta.url)
const WORDS: Readonly<Partial<Record<Protocol, readonly [file: string, pattern: RegExp]>>> = {
  'openai-chat': ['openai/resources/chat/completions/completions.d.ts', /finish_reason: ((?:'\w+'(?: \| )?)+)/],
  'anthropic-messages': [
    '@anthropic-ai/sdk/resources/messages/messages.d.ts',
    /type StopReason = ((?:'\w+'(?: \| )?)+)/,
  ],
  'google-generate': ['@google/genai/dist/genai.d.ts', /enum FinishReason \{([\s\S]*?)\n\}/],
}
/** Responses have a status, and a reason when it is `incomplete`. */
const STATUSES = ['completed', 'incomplete: max_output_tokens', 'incomplete: content_filter', 'failed', 'cancelled']

function wordsOf(protocol: Protocol): string[] {
  const place = WORDS[protocol]
  if (!place) return STATUSES
  const found = place[1].exec(readFileSync(new URL(place[0], MODULES), 'utf8'))?.[1] ?? ''
  const words = [...found.matchAll(/['"](\w+)['"]/g)].map((match) => match[1] as string)
  return words.filter((word) => !word.endsWith('_UNSPECIFIED'))
}

function replyBody(protocol: Protocol, word: string): WireObject {
  switch (protocol) {
    case 'openai-chat':
      return {
        id: 'r',
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: word }],
      }
    case 'openai-responses': {
      const [status, reason] = word.split(': ')
      const content = [{ type: 'output_text', text: 'Hello', annotations: [] }]
      const output = [{ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content }]
      return { id: 'r', model: 'm', status, ...(reason && { incomplete_details: { reason } }), output }
    }
    case 'anthropic-messages':
      return { id: 'r', model: 'm', role: 'assistant', content: [{ type: 'text', text: 'Hello' }], stop_reason: word }
    case 'google-generate':
      return { candidates: [{ content: { role: 'model', parts: [{ text: 'Hello' }] }, finishReason: word }] }
  }
}

/** Stands where the block's own content does. */
const MARK = 'a-mark-to-be-found'

/** The kinds of content that a reply may have, as an upstream of `upstream` gives them. */
export const REPLY_PARTS: Readonly<Record<string, (upstream: Protocol) => IrBlock>> = {
  text: () => ({ type: 'text', text: MARK }),
  refusal: () => ({ type: 'text', text: MARK, isRefusal: true }),
  'citation of a text': (protocol) => ({
    type: 'text',
    text: 'Hello',
    citations: [
      { protocol, url: `https://example.com/${MARK}`, title: 'Title', text: 'cited', raw: { type: 'citation' } },
    ],
  }),
  thoughts: () => ({ type: 'thinking', text: MARK, signature: null, mint: null }),
  'signature of thoughts': () => ({ type: 'thinking', text: 'thought', signature: MARK, mint: null }),
  'redacted thoughts': () => ({ type: 'redacted-thinking', data: MARK, mint: null }),
  'call of a function': () => ({ type: 'tool-call', id: 'c', name: MARK, kind: 'function', input: '{}' }),
  image: () => ({ type: 'image', source: { type: 'data', mediaType: 'image/png', data: PNG } }),
  sound: () => ({
    type: 'audio',
    source: { type: 'data', mediaType: 'audio/wav', data: Buffer.from(MARK).toString('base64') },
  }),
  'item of a tool that the vendor runs': (protocol) => ({
    type: 'opaque',
    protocol,
    kind: 'server_tool_use',
    value: { type: 'server_tool_use', name: MARK },
  }),
}

/** Whether a client gets that part, from upstreams of every other protocol. */
export function isDelivered(client: Protocol, part: (upstream: Protocol) => IrBlock): boolean {
  return PROTOCOLS.filter((protocol) => protocol !== client).every((upstream) => {
    const blocks = [part(upstream), { type: 'text', text: 'The end' } as const]
    const body = JSON.stringify(written(client, blocks, 'stop', upstream))
    return holds(body, MARK) || body.includes(PNG)
  })
}

/** Also within base64, as signatures are given to Google's clients. */
function holds(text: string, mark: string, depth = 0): boolean {
  if (text.includes(mark)) return true
  if (depth > 3) return false
  const encoded = text.match(/[A-Za-z0-9+/]{16,}={0,2}/g) ?? []
  return encoded.some((part) => holds(Buffer.from(part, 'base64').toString(), mark, depth + 1))
}
