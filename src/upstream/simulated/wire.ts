/** What a protocol must be able to write for the simulation: the events of a stream, a whole reply, an error. */
import type { Usage } from '../../base/usage.ts'
import type { Answer } from './answer.ts'
import type { SimulatedFailure } from './failure.ts'

export interface Reply {
  /** Number of the request since the start: what ids are made of. */
  readonly serial: number
  readonly createdSeconds: number
  readonly model: string
  readonly answer: Answer
  /** Null for a reply without token counts. */
  readonly usage: Usage | null
  /** Whether a chat stream was asked to report usage. */
  readonly usageAsked: boolean
}

export interface ErrorAnswer {
  readonly status: number
  readonly body: unknown
}

/** Texts are complete server-sent events, ready for the socket; an empty text means that nothing is sent. */
export interface Wire {
  readonly requestIdHeader: string
  opening(reply: Reply): string
  delta(reply: Reply, index: number): string
  closing(reply: Reply): string
  /** The error of a stream that has begun; nothing follows it. */
  failing(failure: SimulatedFailure): string
  /** The body of a reply that is not streamed. */
  whole(reply: Reply): unknown
  error(failure: SimulatedFailure, requestId: string): ErrorAnswer
}

/** `sim0000000042`: readable, and the same again in the next run. */
export function serialText(serial: number): string {
  return `sim${String(serial).padStart(10, '0')}`
}
