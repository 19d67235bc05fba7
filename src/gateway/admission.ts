/**
 * Decides what pays for a call and holds the worst case of it, durably, before anything is sent upstream.
 *
 * The whole decision runs inside one transaction: windows and balance are read, judged and changed together, so no
 * number of requests at once can pass on the same last cent.
 */
import { createHmac } from 'node:crypto'
import { AppError, type LimitDetail } from '../base/errors.ts'
import { formatUsd, type NanoUsd, nanoUsd, weighUsd, ZERO_USD } from '../base/money.ts'
import { DAY_MS, formatInstant } from '../base/time.ts'
import type { Funding } from '../base/words.ts'
import type { Model, Plan } from '../domain/catalog.ts'
import { addressGroup } from '../domain/client-address.ts'
import { outputCap, promptBound } from '../domain/hold-size.ts'
import { worstCaseCharge } from '../domain/price.ts'
import { findFullWindow, type WindowState } from '../domain/window.ts'
import { type Account, holdBalance, loadBalance } from '../store/account.ts'
import { countAnonymousUse, loadAnonymousUse } from '../store/anonymous-use.ts'
import { type CurrentWindow, loadCurrentWindows } from '../store/current-window.ts'
import type { Database } from '../store/database.ts'
import type { KeyOwner, OwnedSeat } from '../store/key.ts'
import { insertHeldRequest } from '../store/request.ts'
import { holdWindow, openWindow } from '../store/window.ts'
import type { Call } from './call.ts'
import type { Gateway } from './gateway.ts'

/** A call whose worst case is held: it may be sent, and must be settled or released. */
export interface Admission {
  readonly call: Call
  readonly funding: Funding
  /** At list price. */
  readonly hold: NanoUsd
  /** What the hold was sized for: nothing larger may be sent. */
  readonly size: RequestSize
}

/** What a request can cost by: the body that is really sent, and the cap on output in it. */
export interface RequestSize {
  readonly bytes: number
  readonly maxOutput: number | null
}

/** A body that another provider is sent may be written a little longer; the bound per byte is generous. */
const SPARE_SHARE = 1.25
const SPARE_BYTES = 8192

/** Whether what was held also covers a request of this size. */
export function coversSize({ call, size }: Admission, sent: RequestSize): boolean {
  const cap = (maxOutput: number | null): number => outputCap(maxOutput, call.fields.answers, call.model)
  return sent.bytes <= size.bytes * SPARE_SHARE + SPARE_BYTES && cap(sent.maxOutput) <= cap(size.maxOutput)
}

type Verdict = { readonly ok: true; readonly admission: Admission } | { readonly ok: false; readonly error: AppError }

/** @throws AppError insufficient_balance, plan_required, plan_limit, free_limit, storage_unavailable */
export async function admit(gateway: Gateway, call: Call, size = sizeAsAsked(call)): Promise<Admission> {
  const question = questionOf(gateway, call, size)
  const verdict = await gateway.commits.run(() => decide(gateway.database, question))
  if (!verdict.ok) throw verdict.error
  return verdict.admission
}

/**
 * Refuses, without holding anything, what `admit` would refuse anyway: translating a large body is work that nobody
 * without money or a request left may cause. @throws AppError as `admit`
 */
export function refuseEarly(gateway: Gateway, call: Call): void {
  const refusal = findRefusal(gateway.database, questionOf(gateway, call, sizeAsAsked(call)))
  if (refusal) throw refusal
}

/** Before anything is written for an upstream: the size of what the client sent. */
function sizeAsAsked({ request, fields }: Call): RequestSize {
  return { bytes: request.body.length, maxOutput: fields.maxOutput }
}

function questionOf(gateway: Gateway, call: Call, size: RequestSize): Question {
  const addressHash = call.request.owner ? '' : hashAddress(gateway.addressSalt, call.request.address)
  return { call, size, hold: holdFor(call, size), nowMs: gateway.clock(), addressHash }
}

function holdFor({ model, fields }: Call, { bytes, maxOutput }: RequestSize): NanoUsd {
  if (!model.price) return ZERO_USD
  const cap = outputCap(maxOutput, fields.answers, model)
  // What the vendor has kept is not in the body.
  const prompt = fields.namesKeptContent ? model.context : promptBound(bytes, model)
  return worstCaseCharge(model.price, prompt, cap)
}

/** Addresses are counted under a keyed hash, so that the rows tell nobody who called. */
function hashAddress(salt: string, address: string): string {
  return createHmac('sha256', salt).update(addressGroup(address)).digest('base64url')
}

interface Question {
  readonly call: Call
  readonly size: RequestSize
  readonly hold: NanoUsd
  readonly nowMs: number
  readonly addressHash: string
}

function decide(db: Database, question: Question): Verdict {
  const { call } = question
  if (call.model.free) return admitFree(db, question)
  const { owner, product } = call.request
  if (!owner) throw new Error('a metered model was called without an owner')
  return product === 'zen' ? admitOnBalance(db, question, owner) : admitOnPlan(db, question, owner)
}

/** What `decide` would refuse by, read without changing anything; null when it would be admitted as things stand. */
function findRefusal(db: Database, question: Question): AppError | null {
  const { call, hold, nowMs, addressHash } = question
  const { owner, product } = call.request
  if (call.model.free) {
    const limit = call.catalog.anonymous.requestsPerDay
    const day = Math.floor(nowMs / DAY_MS)
    const isUsedUp = !owner && loadAnonymousUse(db, addressHash, day) >= limit
    return isUsedUp ? freeLimit(limit, (day + 1) * DAY_MS) : null
  }
  if (!owner) return null
  const found = product === 'zen' ? null : findSeat(call, owner)
  if (product !== 'zen' && !found) return planRequired(call)
  if (found) {
    const weighted = weighUsd(hold, call.model.weightPpm)
    const full = findFullWindow(loadCurrentWindows(db, found.seat, found.plan, nowMs), weighted)
    if (!full) return null
    if (!found.seat.useBalance) return planLimit(full, weighted, owner.workspaceId)
  }
  const balance = loadBalance(db, owner.workspaceId)
  const isCovered = balance !== undefined && balance.posted - balance.held >= hold
  return isCovered ? null : insufficientBalance(balance, hold, call.model)
}

function admitFree(db: Database, question: Question): Verdict {
  const { call, nowMs, addressHash } = question
  if (!call.request.owner) {
    const limit = call.catalog.anonymous.requestsPerDay
    const day = Math.floor(nowMs / DAY_MS)
    if (!countAnonymousUse(db, addressHash, day, limit)) return refuse(freeLimit(limit, (day + 1) * DAY_MS))
  }
  return accept(db, question, 'free', null)
}

function admitOnBalance(db: Database, question: Question, owner: KeyOwner): Verdict {
  const { hold, call } = question
  if (!holdBalance(db, owner.balanceId, hold)) {
    return refuse(insufficientBalance(loadBalance(db, owner.workspaceId), hold, call.model))
  }
  return accept(db, question, 'balance', null)
}

function admitOnPlan(db: Database, question: Question, owner: KeyOwner): Verdict {
  const { call, hold, nowMs } = question
  const found = findSeat(call, owner)
  if (!found) return refuse(planRequired(call))
  const { seat, plan } = found
  const weighted = weighUsd(hold, call.model.weightPpm)
  const windows = loadCurrentWindows(db, seat, plan, nowMs)
  const full = findFullWindow(windows, weighted)
  if (full) {
    if (seat.useBalance) return admitOnBalance(db, question, owner)
    return refuse(planLimit(full, weighted, owner.workspaceId))
  }
  for (const window of windows) holdOneWindow(db, { window, seat, requestId: call.request.id, amount: weighted })
  return accept(db, question, 'plan', seat.id)
}

function findSeat(call: Call, owner: KeyOwner): { seat: OwnedSeat; plan: Plan } | null {
  for (const seat of owner.seats) {
    const plan = call.catalog.plans.get(seat.planId)
    if (plan?.products.includes(call.request.product)) return { seat, plan }
  }
  return null
}

function holdOneWindow(
  db: Database,
  hold: { window: CurrentWindow; seat: OwnedSeat; requestId: string; amount: NanoUsd },
): void {
  const { window, seat, requestId, amount } = hold
  const { spec } = window
  const windowId =
    window.id ??
    openWindow(db, { seatId: seat.id, name: spec.name, kind: spec.kind, bounds: window, limit: spec.limit })
  if (!holdWindow(db, windowId, requestId, amount, spec.limit)) throw new Error(`window ${windowId} changed while held`)
}

function accept(db: Database, question: Question, funding: Funding, seatId: string | null): Verdict {
  const { call, size, nowMs } = question
  const hold = funding === 'free' ? ZERO_USD : question.hold
  const { request, model, fields } = call
  const { owner } = request
  insertHeldRequest(db, {
    id: request.id,
    workspaceId: owner?.workspaceId ?? null,
    memberId: owner?.memberId ?? null,
    keyId: owner?.keyId ?? null,
    seatId,
    session: request.session,
    product: request.product,
    protocol: request.protocol,
    model: model.id,
    stream: fields.stream,
    funding,
    priceVersion: model.price?.version ?? null,
    weightPpm: model.weightPpm,
    hold,
    createdAtMs: nowMs,
  })
  return { ok: true, admission: { call, funding, hold, size } }
}

function refuse(error: AppError): Verdict {
  return { ok: false, error }
}

function insufficientBalance(balance: Account | undefined, hold: NanoUsd, model: Model): AppError {
  const posted = balance?.posted ?? ZERO_USD
  const held = balance?.held ?? ZERO_USD
  const available = nanoUsd(posted - held)
  const limit: LimitDetail = {
    name: 'balance',
    kind: 'balance',
    scope: 'workspace',
    used: formatUsd(held),
    limit: formatUsd(posted),
    unit: 'usd',
    resetsAtMs: null,
  }
  const message =
    `The balance of $${formatUsd(available)} does not cover this request, which may cost up to $${formatUsd(hold)} ` +
    `on ${model.id}. Add credit, or ask for less output (max_tokens).`
  return new AppError('insufficient_balance', message, { limit })
}

function planRequired(call: Call): AppError {
  return new AppError(
    'plan_required',
    `This key's member has no seat on a plan that covers ${call.request.product}. Add a seat, or use /zen/v1, which is paid from the balance.`,
  )
}

/** How soon to ask again when it is other requests' holds that are in the way: they last as long as an answer. */
const HELD_RETRY_SECONDS = 5

function planLimit(window: WindowState, hold: NanoUsd, workspaceId: string): AppError {
  const { name, kind, limit } = window.spec
  const isHeldOnly = window.settled + hold <= limit
  // Waiting for the reset does not help a request that is larger than the whole window.
  const neverFits = hold > limit
  return new AppError('plan_limit', planLimitMessage(window, hold), {
    limit: {
      name,
      kind,
      scope: 'seat',
      used: formatUsd(window.settled + window.held),
      limit: formatUsd(limit),
      unit: 'usd',
      resetsAtMs: neverFits ? null : window.endsAtMs,
    },
    metadata: { workspace: workspaceId, limitName: name },
    ...(isHeldOnly && { retryAfterSeconds: HELD_RETRY_SECONDS }),
  })
}

/** Says which limit, how much of it, until when, and what helps. */
function planLimitMessage(window: WindowState, hold: NanoUsd): string {
  const { name, limit } = window.spec
  const request = `this request may take up to $${formatUsd(hold)}`
  if (hold > limit) {
    return (
      `The ${name} limit of $${formatUsd(limit)} is smaller than what this request may take, up to $${formatUsd(hold)}. ` +
      'Ask for less output (max_tokens), or let the seat use the balance.'
    )
  }
  const used = `$${formatUsd(window.settled)} used, $${formatUsd(window.held)} held by requests under way`
  if (window.settled + hold <= limit) {
    return `The ${name} limit of $${formatUsd(limit)} has no room right now: ${used}, and ${request}. Try again in a few seconds.`
  }
  const resetsAt = formatInstant(window.endsAtMs)
  const reached = window.settled >= limit ? 'is reached' : 'does not fit this request'
  return (
    `The ${name} limit of $${formatUsd(limit)} ${reached}: ${used}, and ${request}. It resets at ${resetsAt}. ` +
    'To go on now, ask for less output (max_tokens), or let the seat use the balance.'
  )
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
