/** Says why money could not be held: which limit, how much of it, until when, and what helps. */
import { AppError, type ErrorCode } from '../base/errors.ts'
import { formatUsd, type NanoUsd, subtractUsd } from '../base/money.ts'
import { DAY_MS, formatInstant } from '../base/time.ts'
import type { Refusal, Standing } from '../ledger/command.ts'
import type { Call } from './call.ts'

type LimitRefusal = Extract<Refusal, { kind: 'limit' }>
type Repeated = Extract<Refusal, { kind: 'repeated' }>

/** How soon to ask again when it is other requests' holds that are in the way: they last as long as an answer. */
const HELD_RETRY_SECONDS = 5
/** How soon an answer under the same idempotency key may be over. */
const REPEATED_RETRY_SECONDS = 5

export function refusalError(refusal: Refusal, call: Call, nowMs: number): AppError {
  switch (refusal.kind) {
    case 'anonymous':
      return freeLimit(refusal.limit, (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS)
    case 'repeated':
      return repeated(refusal)
    case 'limit':
      return limitError(refusal, call)
  }
}

function limitError(refusal: LimitRefusal, call: Call): AppError {
  const { limit } = refusal
  const code = codeOf(limit)
  return new AppError(code, messageOf(refusal, call), {
    limit: {
      name: limit.name,
      kind: limit.kind,
      scope: limit.scope,
      used: formatUsd(limit.settled + limit.held),
      limit: formatUsd(limit.limit),
      unit: 'usd',
      resetsAtMs: limit.resetsAtMs,
    },
    ...(code !== 'insufficient_balance' && {
      metadata: { workspace: call.request.owner?.workspaceId ?? '', limitName: limit.name },
    }),
    ...(refusal.isHeldOnly && { retryAfterSeconds: HELD_RETRY_SECONDS }),
  })
}

function codeOf({ kind, scope }: Standing): ErrorCode {
  if (kind === 'balance') return 'insufficient_balance'
  return scope === 'seat' ? 'plan_limit' : 'cap_reached'
}

function messageOf(refusal: LimitRefusal, call: Call): string {
  const { limit, amount, isHeldOnly } = refusal
  if (limit.kind === 'balance') return balanceMessage(refusal, call)
  const ask = `this request takes $${formatUsd(amount)} or more`
  if (amount > limit.limit) {
    return `The ${limit.name} limit of $${formatUsd(limit.limit)} is smaller than this request, which takes $${formatUsd(amount)} or more. ${helpOf(limit)}`
  }
  const used = `$${formatUsd(limit.settled)} used, $${formatUsd(limit.held)} held by requests under way`
  if (isHeldOnly) {
    return `The ${limit.name} limit of $${formatUsd(limit.limit)} has no room right now: ${used}, and ${ask}. Try again in a few seconds.`
  }
  const reached = limit.settled >= limit.limit ? 'is reached' : 'does not fit this request'
  const resets = limit.resetsAtMs === null ? '' : ` It resets at ${formatInstant(limit.resetsAtMs)}.`
  return `The ${limit.name} limit of $${formatUsd(limit.limit)} ${reached}: ${used}, and ${ask}.${resets} ${helpOf(limit)}`
}

function helpOf({ scope }: Standing): string {
  return scope === 'seat'
    ? 'To go on now, ask for less output (max_tokens), or let the seat use the balance.'
    : 'To go on now, ask for less output (max_tokens), or have an admin raise the cap.'
}

function balanceMessage({ limit, amount, isHeldOnly }: LimitRefusal, { model }: Call): string {
  const available = subtractUsd(limit.limit, limit.held)
  const held = isHeldOnly ? ` ($${formatUsd(limit.held)} more is held by requests under way)` : ''
  return (
    `The balance of $${formatUsd(positive(available))}${held} does not cover this request, which takes $${formatUsd(amount)} or more ` +
    `on ${model.id}. Add credit, or ask for less output (max_tokens).`
  )
}

function positive(amount: NanoUsd): bigint {
  return amount > 0n ? amount : 0n
}

/** Answers are kept nowhere: a key that was used names the request it was used for, and what that cost. */
function repeated({ requestId, state, charged, isSameBody }: Repeated): AppError {
  const options = { status: 409, param: 'Idempotency-Key', metadata: { request: requestId } }
  if (!isSameBody) {
    const message = `This Idempotency-Key was used for another request body, by request ${requestId}. Use a new key; nothing was charged now.`
    return new AppError('invalid_request', message, options)
  }
  if (state === 'held') {
    const message = `A request with this Idempotency-Key is under way (${requestId}). Nothing was charged for this one.`
    return new AppError('invalid_request', message, { ...options, retryAfterSeconds: REPEATED_RETRY_SECONDS })
  }
  const message =
    `The request with this Idempotency-Key was answered (${requestId}) and charged $${formatUsd(charged ?? 0n)}. ` +
    'Answers are not kept; nothing was charged now.'
  return new AppError('invalid_request', message, options)
}

function freeLimit(limit: number, resetsAtMs: number): AppError {
  return new AppError(
    'free_limit',
    `The ${limit} free requests a day without a key are used up. They reset at ${formatInstant(resetsAtMs)}; a key has no such limit.`,
    {
      limit: {
        name: 'free requests per day',
        kind: 'calendar',
        scope: 'address',
        used: String(limit),
        limit: String(limit),
        unit: 'requests',
        resetsAtMs,
      },
    },
  )
}
