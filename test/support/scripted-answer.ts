/** An answer that a scripted provider gives, before a protocol gives it a shape. */
import type { Usage } from '../../src/base/usage.ts'

export interface ScriptedCall {
  readonly id: string
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

export interface ScriptedAnswer {
  /** The provider's own id of the answer; it comes back as `upstream_id` of the request row. */
  readonly id: string
  /** Empty: none. */
  readonly reasoning: string
  readonly text: string
  /** More than one are asked for in parallel. */
  readonly calls: readonly ScriptedCall[]
  readonly usage: Usage
}

/** What the provider says when it fails in the middle of an answer. */
export const SCRIPTED_OVERLOAD = 'The scripted provider is overloaded.'

const PIECE_LENGTH = 9

/** Pieces as a model would stream them; none for an empty text. */
export function piecesOf(text: string): string[] {
  const pieces: string[] = []
  for (let start = 0; start < text.length; start += PIECE_LENGTH) pieces.push(text.slice(start, start + PIECE_LENGTH))
  return pieces
}
