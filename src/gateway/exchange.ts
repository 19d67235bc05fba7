/** What the relays share: the request under way, its client, and how its end is told. */
import type { ServerResponse } from 'node:http'
import { formatUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import type { Outcome } from '../domain/charge-policy.ts'
import { promptEstimate } from '../domain/hold-size.ts'
import type { Standing } from '../ledger/command.ts'
import type { Warning } from '../protocol/codec.ts'
import type { ReplySummary } from '../protocol/reply-summary.ts'
import type { AttemptRecord } from '../store/request.ts'
import type { Admission } from './admission.ts'
import type { ClientStream } from './client-stream.ts'
import type { Dispatch } from './dispatch.ts'
import type { Gateway } from './gateway.ts'
import type { RequestResult, Settlement } from './settlement.ts'
import type { Interruptible } from './under-way.ts'

/** The client's side of a request. */
export interface ClientReply {
  readonly response: ServerResponse
  /** Headers of every answer (request id, CORS), names and values in turn. */
  readonly headers: readonly string[]
}

/** An admitted request under way. The attempts grow; everything else stays. */
export interface Exchange {
  readonly gateway: Gateway
  readonly admission: Admission
  readonly reply: ClientReply
  /** The client's side of a streamed answer; null when it asked for a whole one. */
  readonly client: ClientStream | null
  readonly attempts: AttemptRecord[]
  /** What was sent last, or is about to be. */
  dispatch: Dispatch
  /** Whether the client has closed its connection before the answer was whole. */
  clientGone: boolean
  /** Whether a shutdown has ended it before the answer was whole. */
  interrupted: boolean
  /** The try under way. */
  attempt: Interruptible | null
}

/** The outcome of an answer that ended by itself; what is free of charge is so whoever was still listening. */
export function outcomeOfAnswer({ clientGone }: Exchange, reply: ReplySummary): Outcome {
  if (reply.finish === 'content_filter') return 'filtered'
  if (!reply.hasOutput && reply.finish !== 'length' && reply.finish !== 'pause') return 'empty'
  return clientGone ? 'client_stopped' : 'complete'
}

/** Puts together what `settle` needs of an answer. */
export function resultOf(
  exchange: Exchange,
  end: {
    outcome: Outcome
    reply: ReplySummary | null
    /** Where it is less than what the reply holds: the client had left before. */
    deliveredTokens?: number | null
    provider: string | null
    status: number | null
    errorCode?: string | null
    firstByteAtMs?: number | null
  },
): RequestResult {
  const { call } = exchange.admission
  return {
    outcome: end.outcome,
    delivery: {
      usage: end.reply?.usage ?? null,
      usageIsFinal: end.reply?.usageIsFinal ?? false,
      promptEstimate: promptEstimate(call.request.body.length, call.model),
      deliveredTokens: end.deliveredTokens ?? end.reply?.deliveredTokens ?? 0,
    },
    status: end.status,
    errorCode: end.errorCode ?? null,
    provider: end.provider,
    upstreamId: end.reply?.upstreamId ?? null,
    attempts: exchange.attempts,
    upstreamProtocol: end.provider === null ? null : exchange.dispatch.protocol,
    warnings: warningText(exchange.dispatch.warnings),
    firstByteAtMs: end.firstByteAtMs ?? null,
  }
}

/** Headers that tell how a request is paid; the cost only when it is known before the body. */
export function fundingHeaders(admission: Admission, settlement: Settlement | null): string[] {
  const headers = ['x-zendo-funding', admission.holding.funding, ...limitHeaders(admission.tightest)]
  if (settlement) headers.push('x-zendo-cost', formatUsd(settlement.charged))
  return headers
}

/** The window, cap or balance with the least left, this request's hold included. */
function limitHeaders(tightest: Standing | null): string[] {
  if (!tightest) return []
  const { name, kind, scope, settled, held, limit, resetsAtMs } = tightest
  const used = settled + held
  const remaining = limit > used ? limit - used : 0n
  const values: [string, string][] = [
    ['name', name],
    ['kind', kind],
    ['scope', scope],
    ['limit', formatUsd(limit)],
    ['used', formatUsd(used)],
    ['remaining', formatUsd(remaining)],
    ['percent', String(limit > 0n && used < limit ? (used * 100n) / limit : 100n)],
  ]
  if (resetsAtMs !== null) values.push(['resets-at', formatInstant(resetsAtMs)])
  return values.flatMap(([part, value]) => [`x-zendo-limit-${part}`, value])
}

const MAX_WARNINGS_LENGTH = 1000
/** Names of members are the client's own: a long one could be words that no row and no header is for. */
const MAX_FIELD_LENGTH = 100

/**
 * `dropped top_k, changed tools[2].parameters`; null when there are none. Names come from the client's body: what could
 * not stand in a header is replaced.
 */
export function warningText(warnings: readonly Warning[]): string | null {
  if (warnings.length === 0) return null
  const words = new Set(
    warnings.map(
      ({ action, field }) => `${action} ${field.slice(0, MAX_FIELD_LENGTH).replace(/[^\x21-\x2b\x2d-\x7e ]/g, '?')}`,
    ),
  )
  const text = [...words].join(', ')
  return text.length > MAX_WARNINGS_LENGTH ? `${text.slice(0, MAX_WARNINGS_LENGTH - 5)}, ...` : text
}

export function warningHeaders({ warnings }: Dispatch): string[] {
  const text = warningText(warnings)
  return text === null ? [] : ['x-zendo-warnings', text]
}
