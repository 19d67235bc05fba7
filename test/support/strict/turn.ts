/** What a strict upstream is told to answer, before a protocol gives it a shape. */
import type { Usage } from '../../../src/base/usage.ts'

export interface StrictCall {
  readonly id: string
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** What goes wrong; frames are counted from 1. */
export type Fault =
  /** Refused before anything was answered, in the vendor's form. */
  | { readonly type: 'refused'; readonly status: number; readonly retryAfterSeconds?: number }
  /** Broken off after so many frames, with a reset or as if all had been said. */
  | { readonly type: 'cut'; readonly after: number; readonly how: 'reset' | 'end' }
  /** An error in the vendor's in-band form after so many frames, then the end. */
  | { readonly type: 'error'; readonly after: number }

/** One answer of the model. */
export interface StrictTurn {
  readonly reasoning?: string
  /** Messages: a block of reasoning that nobody may see, before the visible one. */
  readonly isRedacted?: boolean
  readonly text?: string
  /** More than one are parallel calls. */
  readonly calls?: readonly StrictCall[]
  /** By default `tool_calls` with calls, else `stop`. */
  readonly finish?: 'stop' | 'length' | 'refusal'
  readonly usage?: Usage
  readonly fault?: Fault
  /** Frames go out up to `after` (0: not even the head), and the others once `open` is settled. */
  readonly gate?: { readonly after: number; readonly open: Promise<void> }
}

export const UPSTREAM_SECRET = 'planted-upstream-secret'
/** What an upstream says of itself when it fails; none of it may reach a client. */
export const UPSTREAM_ERROR_TEXT = `The strict upstream failed at ${UPSTREAM_SECRET}.`

export const TURN_USAGE: Usage = {
  input: 120,
  cachedRead: 900,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 64,
  reasoning: 21,
}

export type TurnFinish = 'stop' | 'length' | 'refusal' | 'tool_calls'

export function finishOf(turn: StrictTurn): TurnFinish {
  return turn.finish ?? (turn.calls?.length ? 'tool_calls' : 'stop')
}

const PIECE_LENGTH = 11

/** Pieces as a model would stream them, cut without regard to words or surrogate pairs; none for an empty text. */
export function piecesOf(text: string): string[] {
  const pieces: string[] = []
  for (let start = 0; start < text.length; start += PIECE_LENGTH) pieces.push(text.slice(start, start + PIECE_LENGTH))
  return pieces
}
