/** Ends an admitted request: charges what the policy says, or gives the hold back, in one durable transaction, once. */
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../base/errors.ts'
import { minUsd, type NanoUsd, nanoUsd, subtractUsd, weighUsd, ZERO_USD } from '../base/money.ts'
import type { Usage } from '../base/usage.ts'
import type { Protocol } from '../base/words.ts'
import { CHARGE_POLICY_VERSION, chargeableUsage, type Delivery, type Outcome } from '../domain/charge-policy.ts'
import { chargeForUsage } from '../domain/price.ts'
import { type Entry, postTransfer, releaseBalance } from '../store/account.ts'
import type { Database } from '../store/database.ts'
import { type AttemptRecord, endRequest } from '../store/request.ts'
import { settleWindows } from '../store/window.ts'
import type { Admission } from './admission.ts'
import type { Gateway } from './gateway.ts'

/** How a request ended, as the relay saw it. */
export interface RequestResult {
  readonly outcome: Outcome
  readonly delivery: Delivery
  /** The status sent to the client; null when it had left before one was. */
  readonly status: number | null
  readonly errorCode: string | null
  readonly provider: string | null
  readonly upstreamId: string | null
  /** What was spoken upstream; null when nothing was sent. */
  readonly upstreamProtocol: Protocol | null
  /** What translation changed or dropped; null when nothing. */
  readonly warnings: string | null
  readonly attempts: readonly AttemptRecord[]
  readonly firstByteAtMs: number | null
}

/** What was decided, for headers and logs. */
export interface Settlement {
  readonly charged: NanoUsd
  readonly estimated: boolean
}

/** For a database that fails at once; for one that is locked, the commit queue has waited by itself. */
const RETRY_DELAYS_MS = [20, 500]
/** After this long a client is not kept waiting for another try. */
const GIVE_UP_MS = 4000
/** What was given up is released as soon as the database takes writes again. */
const RELEASE_RETRY_MS = 1000

/**
 * @throws AppError storage_unavailable when the database could not be written. The client must then be told that
 * nothing was charged: the hold is released as soon as that can be written, at the latest by the next start.
 */
export async function settle(gateway: Gateway, admission: Admission, result: RequestResult): Promise<Settlement> {
  const ended = price(gateway, admission, result)
  const work = (): void => writeEnd(gateway.database, admission, ended)
  const giveUpAtMs = performance.now() + GIVE_UP_MS
  for (let tries = 0; ; tries++) {
    try {
      await gateway.commits.run(work)
      return { charged: ended.charged, estimated: ended.estimated }
    } catch (error) {
      const delayMs = RETRY_DELAYS_MS[tries]
      if (delayMs === undefined || performance.now() > giveUpAtMs) {
        void releaseLater(gateway, admission, result)
        throw error
      }
      const cause = error instanceof AppError ? error.cause : error
      gateway.log.error({ requestId: admission.call.request.id, cause }, 'settlement not written, trying again')
      await delay(delayMs)
    }
  }
}

async function releaseLater(gateway: Gateway, admission: Admission, result: RequestResult): Promise<void> {
  const fault: RequestResult = { ...result, outcome: 'operator_fault', errorCode: 'storage_unavailable' }
  const released = price(gateway, admission, fault)
  for (;;) {
    await delay(RELEASE_RETRY_MS, undefined, { ref: false })
    try {
      // If a settlement had been written after all, the row has ended and this changes nothing.
      await gateway.commits.run(() => writeEnd(gateway.database, admission, released))
      return
    } catch {
      // Still not: the hold stays meanwhile, and with it the money.
    }
  }
}

interface PricedEnd {
  readonly result: RequestResult
  readonly usage: Usage
  readonly estimated: boolean
  readonly chargeable: boolean
  /** At list price; more than `charged` when the upstream used more than was held: the operator's loss. */
  readonly cost: NanoUsd
  readonly charged: NanoUsd
  readonly atMs: number
}

function price(gateway: Gateway, admission: Admission, result: RequestResult): PricedEnd {
  const { chargeable, usage, estimated } = chargeableUsage(result.outcome, result.delivery)
  const { model } = admission.call
  const cost = chargeable && model.price ? chargeForUsage(model.price, usage) : ZERO_USD
  const charged = minUsd(cost, admission.hold)
  if (cost > charged) {
    const lost = { requestId: admission.call.request.id, model: model.id, nanoUsd: String(cost - charged) }
    gateway.log.warn(lost, 'the upstream used more than was held; the difference is written off')
  }
  return { result, usage, estimated, chargeable, cost, charged, atMs: gateway.clock() }
}

function writeEnd(db: Database, admission: Admission, end: PricedEnd): void {
  const { call, funding, hold } = admission
  const { result } = end
  const first = endRequest(db, {
    id: call.request.id,
    state: end.chargeable ? 'settled' : 'released',
    cost: end.cost,
    charged: end.charged,
    outcome: result.outcome,
    policyVersion: CHARGE_POLICY_VERSION,
    estimated: end.estimated,
    status: result.status,
    errorCode: result.errorCode,
    provider: result.provider,
    upstreamId: result.upstreamId,
    upstreamProtocol: result.upstreamProtocol,
    warnings: result.warnings,
    attempts: result.attempts,
    usage: end.usage,
    firstByteAtMs: result.firstByteAtMs,
    endedAtMs: end.atMs,
  })
  // A repeated settlement finds the row ended and moves no money a second time.
  if (!first) return
  if (funding === 'plan') {
    const { weightPpm } = call.model
    settleWindows(db, call.request.id, weighUsd(hold, weightPpm), weighUsd(end.charged, weightPpm))
  } else if (funding === 'balance' && call.request.owner) {
    const { balanceId } = call.request.owner
    if (end.cost === 0n) releaseBalance(db, balanceId, hold)
    else postCharge(db, { requestId: call.request.id, balanceId, hold, end })
  }
}

function postCharge(
  db: Database,
  charge: { requestId: string; balanceId: string; hold: NanoUsd; end: PricedEnd },
): void {
  const { requestId, balanceId, hold, end } = charge
  const entries: Entry[] = [
    { accountId: balanceId, amount: nanoUsd(-end.charged), releases: hold },
    { accountId: 'usage_revenue', amount: end.cost },
  ]
  const lost = subtractUsd(end.cost, end.charged)
  if (lost > 0n) entries.push({ accountId: 'write_off', amount: nanoUsd(-lost) })
  postTransfer(db, { id: `s:${requestId}`, kind: 'settlement', atMs: end.atMs, entries })
}
