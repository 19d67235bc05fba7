/** What the steps of writing one Messages request share: the request, its target, warnings, cache marks. */
import type { Protocol } from '../../base/words.ts'
import type { UpstreamTarget, Warning } from '../codec.ts'
import type { IrCacheMark } from '../ir/block.ts'
import type { IrRequest } from '../ir/request.ts'
import type { WireObject } from '../wire-value.ts'

export const PROTOCOL = 'anthropic-messages'

/** An object of the body while it is made. */
export type WireDraft = Record<string, unknown>

export interface WireMessage {
  readonly role: 'user' | 'assistant' | 'system'
  readonly blocks: readonly WireDraft[]
  readonly raw?: WireObject | undefined
  /** Of the message in the IR that it was made of. */
  readonly index: number
}

/** An object that carries a cache mark, and where the client put it. */
export interface MarkedDraft {
  readonly draft: WireDraft
  readonly field: string
}

export interface RequestWork {
  readonly request: IrRequest
  readonly target: UpstreamTarget
  /** What came in another protocol is brought into the order that Anthropic insists on; its own is left as it is. */
  readonly isForeign: boolean
  readonly warnings: Warning[]
  /** In the order of the body: tools, system, messages. */
  readonly marked: MarkedDraft[]
  /** Warnings that are given once. */
  readonly given: Set<string>
}

export function createRequestWork(request: IrRequest, target: UpstreamTarget): RequestWork {
  return { request, target, isForeign: request.source !== PROTOCOL, warnings: [], marked: [], given: new Set() }
}

export function warn(work: RequestWork, action: Warning['action'], field: string, detail?: string): void {
  work.warnings.push({ action, field, ...(detail !== undefined && { detail }) })
}

export function warnOnce(
  work: RequestWork,
  key: string,
  action: Warning['action'],
  field: string,
  detail?: string,
): void {
  if (work.given.has(key)) return
  work.given.add(key)
  warn(work, action, field, detail)
}

/** A draft with its unknown members, which only this protocol's own clients gave, and its cache mark. */
export function withCommon(
  work: RequestWork,
  draft: WireDraft,
  value: { readonly cache?: IrCacheMark; readonly raw?: WireObject },
  place: string,
): WireDraft {
  const { cache, raw } = value
  if (cache) draft.cache_control = cacheControl(cache)
  if (raw && !work.isForeign) {
    // Defined, not assigned: a client's member may be called `__proto__`.
    for (const [name, value] of Object.entries(raw)) {
      Object.defineProperty(draft, name, { value, writable: true, enumerable: true, configurable: true })
    }
  }
  if (cache) work.marked.push({ draft, field: `${place}.cache_control` })
  return draft
}

export function cacheControl(mark: IrCacheMark): WireObject {
  return mark.ttl === null ? { type: 'ephemeral' } : { type: 'ephemeral', ttl: mark.ttl }
}

type Field = 'messages' | 'reasoning' | 'format' | 'toolChoice' | 'parallelTools' | 'maxOutput' | 'answers'

/** What the client calls the things that warnings are about. */
const FIELDS: Readonly<Record<Protocol, Readonly<Record<Field, string>>>> = {
  'openai-chat': {
    messages: 'messages',
    reasoning: 'reasoning_effort',
    format: 'response_format',
    toolChoice: 'tool_choice',
    parallelTools: 'parallel_tool_calls',
    maxOutput: 'max_tokens',
    answers: 'n',
  },
  'openai-responses': {
    messages: 'input',
    reasoning: 'reasoning',
    format: 'text.format',
    toolChoice: 'tool_choice',
    parallelTools: 'parallel_tool_calls',
    maxOutput: 'max_output_tokens',
    answers: 'n',
  },
  'anthropic-messages': {
    messages: 'messages',
    reasoning: 'thinking',
    format: 'output_config.format',
    toolChoice: 'tool_choice',
    parallelTools: 'tool_choice.disable_parallel_tool_use',
    maxOutput: 'max_tokens',
    answers: 'n',
  },
  'google-generate': {
    messages: 'contents',
    reasoning: 'generationConfig.thinkingConfig',
    format: 'generationConfig.responseSchema',
    toolChoice: 'toolConfig',
    parallelTools: 'toolConfig',
    maxOutput: 'generationConfig.maxOutputTokens',
    answers: 'generationConfig.candidateCount',
  },
}

export function fieldOf({ request }: RequestWork, field: Field): string {
  return FIELDS[request.source][field]
}
