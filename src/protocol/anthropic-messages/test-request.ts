/** Small requests and targets for the tests of this protocol's encoder. */
import type { Quirks } from '../../base/quirks.ts'
import type { EncodedRequest, UpstreamTarget } from '../codec.ts'
import type { IrBlock } from '../ir/block.ts'
import type { IrMessage, IrRequest } from '../ir/request.ts'
import type { WireObject } from '../wire-value.ts'
import { messagesCodec } from './codec.ts'

export const ACCOUNT = 'acc'

export function requestOf(overrides: Partial<IrRequest> = {}): IrRequest {
  return {
    source: 'openai-chat',
    model: 'claude',
    stream: false,
    system: [],
    messages: [user('Hello.')],
    tools: [],
    toolChoice: null,
    parallelTools: null,
    maxOutput: null,
    answers: 1,
    format: null,
    reasoning: null,
    settings: {},
    raw: {},
    ...overrides,
  }
}

export function targetOf(quirks: Quirks = {}, overrides: Partial<UpstreamTarget> = {}): UpstreamTarget {
  return { model: 'claude-up', account: ACCOUNT, quirks, maxOutput: 8000, originateCacheMarks: false, ...overrides }
}

export function encode(overrides: Partial<IrRequest>, quirks: Quirks = {}): EncodedRequest {
  return messagesCodec.encodeRequest(requestOf(overrides), targetOf(quirks))
}

export function decode(body: WireObject): IrRequest {
  return messagesCodec.decodeRequest(body, { model: 'claude', stream: body.stream === true })
}

export function user(...content: (string | IrBlock)[]): IrMessage {
  return { role: 'user', blocks: content.map(asBlock) }
}

export function assistant(...content: (string | IrBlock)[]): IrMessage {
  return { role: 'assistant', blocks: content.map(asBlock) }
}

export function system(text: string): IrMessage {
  return { role: 'system', blocks: [asBlock(text)] }
}

function asBlock(content: string | IrBlock): IrBlock {
  return typeof content === 'string' ? { type: 'text', text: content } : content
}

export function call(id: string, input = '{}'): IrBlock {
  return { type: 'tool-call', id, name: 'read', kind: 'function', input }
}

export function result(id: string, ...content: (string | IrBlock)[]): IrBlock {
  return { type: 'tool-result', id, kind: 'function', content: content.map(asBlock) }
}

export function thought(account: string | null = ACCOUNT): IrBlock {
  return { type: 'thinking', text: 'Hm.', signature: 'c2ln', mint: { protocol: 'anthropic-messages', account } }
}
