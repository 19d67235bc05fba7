/**
 * The blocks that messages and replies are made of, in one form for all four protocols: a superset of what each can say.
 *
 * A decoder makes blocks of its wire's parts, an encoder writes those that its wire knows and discloses the others.
 * `raw` holds the members of the wire's own object that have no word here; only the same protocol writes them again.
 */
import type { Protocol } from '../../base/words.ts'
import type { WireObject } from '../wire-value.ts'

/** Who made a signature or encrypted item: only the same upstream account can read it again. */
export interface Mint {
  readonly protocol: Protocol
  /** Tag of the upstream account; null when the item came in its protocol's own form, without a seal. */
  readonly account: string | null
}

/** Where bytes of an image or file are: in the request, at an address, or at the vendor under an id. */
export type IrSource =
  | {
      readonly type: 'data'
      readonly mediaType: string /** Base64, without a `data:` prefix. */
      readonly data: string
    }
  | { readonly type: 'url'; readonly url: string; readonly mediaType?: string }
  | { readonly type: 'file-id'; readonly id: string; readonly mediaType?: string }

/** A mark that the prompt up to here may be cached. */
export interface IrCacheMark {
  /** As the wire says it; null when it does not. */
  readonly ttl: string | null
}

interface Marked {
  readonly cache?: IrCacheMark
  readonly raw?: WireObject
}

export interface IrText extends Marked {
  readonly type: 'text'
  readonly text: string
  /** The model declined; some protocols have a place of its own for this text. */
  readonly isRefusal?: true
  readonly citations?: readonly IrCitation[]
}

/** What a text refers to. `raw` is the wire's own object of `protocol`. */
export interface IrCitation {
  readonly protocol: Protocol
  readonly url?: string
  readonly title?: string
  readonly text?: string
  readonly raw: WireObject
}

export interface IrImage extends Marked {
  readonly type: 'image'
  readonly source: IrSource
  /** `low`, `high`, `auto`. */
  readonly detail?: string
}

/** A PDF or any other file. */
export interface IrDocument extends Marked {
  readonly type: 'document'
  readonly source: IrSource | { readonly type: 'text'; readonly mediaType: string; readonly text: string }
  readonly name?: string
}

export interface IrAudio extends Marked {
  readonly type: 'audio'
  readonly source: IrSource
}

/**
 * Reasoning. A signature stands on a thinking block only, never on what follows it: Google's signature of a call or a
 * text is a thinking block (often with empty text) directly before that call or text, and one at the end of a turn
 * belongs to an empty text part. OpenAI's `encrypted_content` is a signature too.
 */
export interface IrThinking extends Marked {
  readonly type: 'thinking'
  readonly text: string
  readonly signature: string | null
  readonly mint: Mint | null
}

/** Reasoning that its vendor shows to nobody. */
export interface IrRedactedThinking extends Marked {
  readonly type: 'redacted-thinking'
  readonly data: string
  readonly mint: Mint | null
}

export interface IrToolCall extends Marked {
  readonly type: 'tool-call'
  /** Never empty: a decoder makes one where the wire has none. */
  readonly id: string
  readonly name: string
  /** Responses groups tools; the name within the group is `name`. */
  readonly namespace?: string
  readonly kind: 'function' | 'custom'
  /** `function`: the JSON text of the arguments exactly as it came (`{}` when there are none). `custom`: free text. */
  readonly input: string
}

export interface IrToolResult extends Marked {
  readonly type: 'tool-result'
  /** Of the call it answers. */
  readonly id: string
  /** The tool's name where the wire says it, or where an earlier call of the same id tells. */
  readonly name?: string
  readonly kind: 'function' | 'custom'
  readonly isError?: boolean
  /** Texts, images and documents. */
  readonly content: readonly IrBlock[]
}

/** Something only its own protocol understands: server-tool uses and results, item references, executable code. */
export interface IrOpaque {
  readonly type: 'opaque'
  readonly protocol: Protocol
  /** Its type on the wire: `server_tool_use`, `web_search_call`, `executableCode`. */
  readonly kind: string
  readonly value: WireObject
  readonly cache?: IrCacheMark
}

export type IrBlock =
  | IrText
  | IrImage
  | IrDocument
  | IrAudio
  | IrThinking
  | IrRedactedThinking
  | IrToolCall
  | IrToolResult
  | IrOpaque
