/** Answers that come in one piece: read whole, settled, then sent, so that nobody sees an answer that is not booked. */
import type { AppError } from '../base/errors.ts'
import type { Outcome } from '../domain/charge-policy.ts'
import type { ReplySummary } from '../protocol/reply-summary.ts'
import { type Exchange, fundingHeaders, outcomeOfAnswer, resultOf } from './exchange.ts'
import { type Settlement, settle } from './settlement.ts'

/** A whole answer of an upstream. */
export interface WholeAnswer {
  readonly provider: string
  readonly status: number
  /** Names and values in turn; already an allow-list. */
  readonly headers: readonly string[]
  readonly body: Buffer
}

/** Settles a complete answer and sends it. @throws AppError storage_unavailable */
export async function relayAnswer(exchange: Exchange, answer: WholeAnswer, reply: ReplySummary): Promise<void> {
  const outcome = outcomeOfAnswer(exchange, reply)
  const settlement = await settle(
    exchange.gateway,
    exchange.admission,
    resultOf(exchange, {
      outcome,
      reply,
      deliveredTokens: exchange.clientGone ? 0 : null,
      provider: answer.provider,
      status: answer.status,
      firstByteAtMs: exchange.gateway.clock(),
    }),
  )
  send(exchange, answer, settlement)
}

/** Gives the hold back and shows the client what the upstream refused. @throws AppError storage_unavailable */
export async function relayRejection(exchange: Exchange, answer: WholeAnswer): Promise<void> {
  const { provider, status } = answer
  await settle(
    exchange.gateway,
    exchange.admission,
    resultOf(exchange, { outcome: 'upstream_failed', reply: null, provider, status, errorCode: 'upstream_rejected' }),
  )
  send(exchange, answer, null)
}

/** Gives the hold back because no upstream answered, or the client left before one did. */
export async function releaseUnanswered(exchange: Exchange, error: AppError | null, outcome: Outcome): Promise<void> {
  await settle(
    exchange.gateway,
    exchange.admission,
    resultOf(exchange, {
      outcome,
      reply: null,
      provider: exchange.attempts.at(-1)?.provider ?? null,
      status: error?.status ?? null,
      errorCode: error?.code ?? null,
    }),
  )
}

function send(exchange: Exchange, answer: WholeAnswer, settlement: Settlement | null): void {
  if (exchange.clientGone) return
  const { response, headers } = exchange.reply
  response.writeHead(answer.status, [
    ...headers,
    ...answer.headers,
    'content-length',
    String(answer.body.length),
    ...fundingHeaders(exchange.admission, settlement),
  ])
  response.end(answer.body)
}
