/** A request in one form for all four protocols. Decoders make it, encoders read it, nobody changes it. */
import type { Protocol } from '../../base/words.ts'
import type { WireObject } from '../wire-value.ts'
import type { IrBlock, IrCacheMark, IrText } from './block.ts'

/**
 * Tool results stand in `user` messages. `system` messages are those in the middle of a conversation; the leading ones
 * are `IrRequest.system`. Results that follow each other directly are one message.
 */
export interface IrMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly blocks: readonly IrBlock[]
  /** The participant's name (chat). */
  readonly name?: string
  /** Members of the wire's message that have no word here; only the same protocol writes them again. */
  readonly raw?: WireObject
}

export interface IrFunctionTool {
  readonly type: 'function'
  readonly name: string
  /** Responses groups tools; calls name the group too. */
  readonly namespace?: string
  readonly description?: string
  /** JSON Schema of the arguments as it came; null when the wire has none. */
  readonly parameters: WireObject | null
  readonly strict?: boolean
  readonly cache?: IrCacheMark
  readonly raw?: WireObject
}

/** Takes free text instead of JSON. */
export interface IrCustomTool {
  readonly type: 'custom'
  readonly name: string
  readonly namespace?: string
  readonly description?: string
  /** `{type: "grammar", syntax, definition}` or the like, as Responses has it. */
  readonly format?: WireObject
  readonly cache?: IrCacheMark
  readonly raw?: WireObject
}

/** Run by the vendor itself: web search, code execution. `kind` is its type on the wire. */
export interface IrHostedTool {
  readonly type: 'hosted'
  readonly protocol: Protocol
  readonly kind: string
  readonly value: WireObject
}

export type IrTool = IrFunctionTool | IrCustomTool | IrHostedTool

export type IrToolChoice =
  | { readonly type: 'auto' }
  | { readonly type: 'none' }
  | { readonly type: 'required' }
  /** One tool must be called. `hosted`: `name` is the hosted tool's kind. */
  | { readonly type: 'tool'; readonly kind: 'function' | 'custom' | 'hosted'; readonly name: string }
  /** Only these may (`auto`) or must (`required`) be called. */
  | { readonly type: 'allowed'; readonly mode: 'auto' | 'required'; readonly names: readonly string[] }

export type IrEffort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'

/** How much to think, as the client said it; what it did not say is absent. */
export interface IrReasoning {
  readonly mode?: 'off' | 'on' | 'adaptive'
  readonly effort?: IrEffort
  /** Tokens of thinking at most; -1: the model decides. */
  readonly budget?: number
  /** Whether thoughts are to be shown: Google's `includeThoughts`, Anthropic's `display`, a summary of Responses. */
  readonly show?: boolean
  /** Responses: `auto`, `concise`, `detailed`. */
  readonly summary?: string
}

export type IrFormat =
  | { readonly type: 'json' }
  | {
      readonly type: 'json-schema'
      readonly name: string | null
      readonly description?: string
      readonly schema: WireObject
      readonly strict?: boolean
    }

/** Single values that differ between protocols in name and place only; `translation/settings.ts` reads and writes them. */
export interface IrSettings {
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly seed?: number
  readonly presencePenalty?: number
  readonly frequencyPenalty?: number
  readonly stop?: readonly string[]
  readonly endUser?: string
  readonly metadata?: WireObject
  readonly promptCacheKey?: string
  readonly serviceTier?: string
  readonly store?: boolean
  readonly verbosity?: string
}

export interface IrRequest {
  /** The protocol it came in. */
  readonly source: Protocol
  /** As the client named it. */
  readonly model: string
  readonly stream: boolean
  readonly system: readonly IrText[]
  readonly messages: readonly IrMessage[]
  readonly tools: readonly IrTool[]
  readonly toolChoice: IrToolChoice | null
  /** Whether the model may call several tools in one turn; null when not said. */
  readonly parallelTools: boolean | null
  readonly maxOutput: number | null
  /** Answers to one prompt (`n`, `candidateCount`). */
  readonly answers: number
  readonly format: IrFormat | null
  readonly reasoning: IrReasoning | null
  readonly settings: IrSettings
  /** Members of the body that have no word here, by path (`logit_bias`, `generationConfig.mediaResolution`). */
  readonly raw: Readonly<Record<string, unknown>>
}
