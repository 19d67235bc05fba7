/**
 * What a protocol has to offer for translation: decode and encode × request, whole reply, streamed reply.
 *
 * Codecs are pure: they do no I/O, and ids and times are handed in. They throw nothing but `AppError`
 * `invalid_request` (with `param`, for what the client sent) and `unsupported_feature` (for what the target cannot do).
 */
import type { Quirks } from '../base/quirks.ts'
import type { Usage } from '../base/usage.ts'
import type { Mint } from './ir/block.ts'
import type { IrEvent, IrFinish } from './ir/event.ts'
import type { IrReply } from './ir/reply.ts'
import type { IrRequest } from './ir/request.ts'
import type { EndDetail } from './polite-end.ts'
import type { Finish } from './reply-summary.ts'
import type { WireObject } from './wire-value.ts'

/** Something of the request that the upstream does not get as it was meant. Shown in `x-zendo-warnings`. */
export interface Warning {
  /**
   * `dropped`: not sent. `changed`: sent in a form that says less, or something near it. `unused`: a provider key of the
   * workspace's own that did not serve, so that the operator's account did.
   */
  readonly action: 'dropped' | 'changed' | 'unused'
  /** The place in the client's own body: `top_k`, `messages[3].content[0].cache_control`, `tools[2]`. */
  readonly field: string
  /** A few words: why, or what was sent instead. Never text of the prompt. */
  readonly detail?: string
}

/** What of a request does not stand in every protocol's body. */
export interface DecodeContext {
  /** As the client named it (Google has it in the path). */
  readonly model: string
  readonly stream: boolean
}

/** The upstream a request is written for. */
export interface UpstreamTarget {
  /** Its name of the model. */
  readonly model: string
  /** Tag of the account: what another has minted is not sent to it. */
  readonly account: string
  readonly quirks: Quirks
  /** Output tokens that the model gives at most, for wires that must name a cap. */
  readonly maxOutput: number
  /** Put cache marks where an agent's own would be, for clients whose protocol has none (Messages only). */
  readonly originateCacheMarks: boolean
}

export interface EncodedRequest {
  readonly body: WireObject
  readonly warnings: readonly Warning[]
}

/** What a reply is written with. */
export interface ReplyContext {
  /** The client's request: a reply names tools as it did. */
  readonly request: IrRequest
  /** As the client named it. */
  readonly model: string
  /** Zendo's id of the request, from which the reply's id is made. */
  readonly requestId: string
  readonly createdAtMs: number
  /** A new id with this prefix, for items and calls: `msg_…`. */
  readonly newId: (prefix: string) => string
  /** Who made what the reply signs: sealed with it, so that it finds its way back. */
  readonly mint: Mint
  /** Chat streams: whether the client asked for the usage chunk. Other protocols always have usage. */
  readonly includeUsage: boolean
}

/** How a streamed reply ended. */
export interface ReplyEnd {
  readonly finish: IrFinish
  readonly usage: Usage | null
  /** The exact charge in dollars, for the usage object; null unless the client asked for it. */
  readonly cost: string | null
  /** Why it was ended before its model had ended it, for the client to read; absent otherwise. */
  readonly detail?: EndDetail | undefined
}

export interface StreamDecoder {
  /** Takes one event; `data` is its parsed JSON. Unknown events give nothing. Never throws. */
  decode(name: string | null, data: unknown): IrEvent[]
  /** The stream is over: closes what is open; with `finish` when the wire named a reason. */
  end(): IrEvent[]
}

export interface StreamEncoder {
  /**
   * The bytes of an event, as text; empty when it waits for others. `usage` tells what is known so far; `finish` events
   * are not given to it.
   */
  encode(event: IrEvent): string
  /** The frames that end a complete reply. Called once, after the last event. */
  finish(end: ReplyEnd): string
  /** Where an error event would stand: Responses numbers its events. */
  position(): StreamPosition
}

export interface StreamPosition {
  /** Number of the next event (Responses). */
  readonly sequence: number
  /** The reply's id as the client knows it; null before anything was sent. */
  readonly replyId: string | null
}

export interface Codec {
  /** @throws AppError invalid_request */
  decodeRequest(body: WireObject, context: DecodeContext): IrRequest
  /** @throws AppError unsupported_feature */
  encodeRequest(request: IrRequest, target: UpstreamTarget): EncodedRequest
  /** Takes the parsed body, whatever it is. Never throws. */
  decodeReply(body: unknown): IrReply
  encodeReply(reply: IrReply & { readonly cost: string | null }, context: ReplyContext): WireObject
  createStreamDecoder(): StreamDecoder
  createStreamEncoder(context: ReplyContext): StreamEncoder
}

/** What a reply ends with when its wire named no reason but came to its end. */
export const PLAIN_END: IrFinish = { finish: 'stop' satisfies Finish, raw: null, stopSequence: null }
