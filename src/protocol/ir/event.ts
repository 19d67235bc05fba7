/**
 * The events of a streamed reply in one form for all four protocols: `noun-start`, `noun-delta`, `noun-end`.
 *
 * `block` numbers the blocks of a reply in the order in which they start. Blocks may overlap (vendors interleave
 * parallel calls); `translation/sequence.ts` puts them one after the other for wires that cannot say so.
 */
import type { Usage } from '../../base/usage.ts'
import type { Finish } from '../reply-summary.ts'
import type { WireObject } from '../wire-value.ts'
import type { IrAudio, IrCitation, IrImage, IrOpaque, IrRedactedThinking } from './block.ts'

export type IrEvent =
  | {
      readonly type: 'reply-start' /** The upstream's own. */
      readonly id: string | null
      readonly model: string | null
    }
  | { readonly type: 'text-start'; readonly block: number; readonly isRefusal?: true; readonly raw?: WireObject }
  | { readonly type: 'text-delta'; readonly block: number; readonly text: string }
  | { readonly type: 'citation'; readonly block: number; readonly citation: IrCitation }
  | { readonly type: 'text-end'; readonly block: number }
  | { readonly type: 'thinking-start'; readonly block: number }
  | { readonly type: 'thinking-delta'; readonly block: number; readonly text: string }
  /** A signature comes at the end of its block (`encrypted_content` too); null when there is none. */
  | {
      readonly type: 'thinking-end'
      readonly block: number
      readonly signature: string | null
      readonly raw?: WireObject
    }
  | {
      readonly type: 'tool-call-start'
      readonly block: number
      /** Never empty. */
      readonly id: string
      readonly name: string
      readonly namespace?: string
      readonly kind: 'function' | 'custom'
    }
  /** A piece of the input: of its JSON text, or of the free text of a custom tool. */
  | { readonly type: 'tool-call-delta'; readonly block: number; readonly text: string }
  | { readonly type: 'tool-call-end'; readonly block: number }
  /** A block that comes whole. */
  | { readonly type: 'block'; readonly block: number; readonly value: WholeBlock }
  | { readonly type: 'usage'; readonly usage: Usage }
  | ({ readonly type: 'finish' } & IrFinish)

export type WholeBlock = IrRedactedThinking | IrImage | IrAudio | IrOpaque

/** Why a reply ended. */
export interface IrFinish {
  readonly finish: Finish
  /** The wire's own word. */
  readonly raw: string | null
  /** The stop sequence that was met, where the wire names it. */
  readonly stopSequence: string | null
}
