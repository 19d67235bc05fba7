/** Answers that come in one piece: read whole, settled, then sent, so that nobody sees an answer that is not booked. */
import { AppError } from '../base/errors.ts'
import { formatUsd } from '../base/money.ts'
import type { Outcome } from '../domain/charge-policy.ts'
import type { ReplySummary } from '../protocol/reply-summary.ts'
import { type Exchange, fundingHeaders, outcomeOfAnswer, resultOf, warningHeaders } from './exchange.ts'
import { sendsEvents } from './render-reply.ts'
import { type Settlement, settle } from './settlement.ts'

/** A whole answer of an upstream. */
export interface WholeAnswer {
  readonly provider: string
  readonly status: number
  /** Of a refusal: when the upstream may be asked again, as it said. */
  readonly retryAfterSeconds: number | null
  /** Names and values in turn; already an allow-list. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** The answer as the client is to have it, with the charge in its usage when one is given. */
  readonly render: (cost: string | null) => Buffer
}

/** Settles a complete answer and sends it. @throws AppError storage_unavailable */
export async function relayAnswer(exchange: Exchange, answer: WholeAnswer, reply: ReplySummary): Promise<void> {
  const rendered = await renderUncharged(exchange, answer)
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
  const { includeCost } = exchange.admission.call.request
  const body = includeCost ? answer.render(formatUsd(settlement.charged)) : rendered
  if (sendsEvents(exchange)) sendAsStream(exchange, body)
  else send(exchange, { ...answer, body }, settlement)
}

/** Before the money: what cannot be written for the client is not charged. */
async function renderUncharged(exchange: Exchange, answer: WholeAnswer): Promise<Buffer> {
  try {
    return answer.render(null)
  } catch (cause) {
    const error = new AppError('internal', "The model's answer cannot be written in this protocol.", { cause })
    await releaseUnanswered(exchange, error, 'operator_fault')
    throw error
  }
}

/** The client asked for a stream, and the upstream gave the answer in one piece. */
function sendAsStream({ client, clientGone, reply }: Exchange, frames: Buffer): void {
  if (clientGone || !client) return
  client.begin()
  client.write([frames])
  reply.response.end()
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
    ...warningHeaders(exchange.dispatch),
  ])
  response.end(answer.body)
}
