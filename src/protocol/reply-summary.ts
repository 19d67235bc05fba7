/** What a reply amounted to, whichever protocol it came in and whether it was streamed or not. */
import type { Usage } from '../base/usage.ts'

export type Finish = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'pause' | 'other'

/** An error that the upstream put into a reply. For operators: never shown as it is, the operator's secrets may be in it. */
export interface ReplyError {
  readonly type: string | null
  readonly code: string | null
  readonly message: string | null
  readonly status: number | null
}

export interface ReplySummary {
  /** Null when the upstream gave none. */
  readonly usage: Usage | null
  /** False when `usage` is what the upstream said at the start: its output is a placeholder until the end. */
  readonly usageIsFinal: boolean
  readonly finish: Finish | null
  /** Any text, reasoning, tool call or refusal was delivered. */
  readonly hasOutput: boolean
  /** Estimate of the output tokens from the delivered content; 0 when there was no output. */
  readonly deliveredTokens: number
  /** The upstream's own id of the reply. */
  readonly upstreamId: string | null
  readonly error: ReplyError | null
}

/** A reply that was not streamed. */
export interface WholeReply extends ReplySummary {
  /** False when the body is not JSON or carries nothing but an error, whatever its status says. */
  readonly ok: boolean
}
