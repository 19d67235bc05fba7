/** Refunds: a part of what a request was charged, given back as credit. Never more than was charged, in all of them. */
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { addUsd, formatUsd, type NanoUsd, subtractUsd, ZERO_USD } from '../base/money.ts'
import { type NewLot, refundLot } from '../ledger/credit.ts'
import type { Database, Sql } from '../store/database.ts'
import { type Lot, loadLot } from '../store/lot.ts'
import { listEntries, refundIds } from '../store/request-detail.ts'
import { loadRequest, type RequestRecord } from '../store/request-list.ts'
import { type Acting, putOnRecord } from './acting.ts'
import {
  type Credited,
  checkAmount,
  checkBalance,
  checkWords,
  creditedOf,
  DEFAULT_PRIORITY,
  keyInUse,
  lockBalance,
  lotIdFor,
  noteOnRecord,
} from './credit.ts'
import { untilAnswered } from './until-answered.ts'

export interface RefundRequest {
  readonly requestId: string
  /** All that is left of its charge, when not said. */
  readonly amount?: NanoUsd | undefined
  /** Why; it stands on the lot. */
  readonly note: string
  /** The same key, given again, gives nothing more back. */
  readonly idempotencyKey?: string | undefined
}

export interface Refunded extends Credited {
  readonly workspaceId: string
  /** Of the request. */
  readonly charged: NanoUsd
  /** In all refunds of the request, this one included. */
  readonly refunded: NanoUsd
}

/** Gives back in one transaction, on record. @throws AppError invalid_request */
export async function refundRequest(db: Database, acting: Acting, request: RefundRequest): Promise<Refunded> {
  if (request.amount !== undefined) checkAmount(request.amount)
  checkWords(request, 1)
  const attempt: Attempt = { request, acting, freshId: newId('grant', acting.nowMs), created: false }
  return await untilAnswered(() => db.write((sql) => refund(sql, attempt), { opensLedger: true }))
}

/** One call, however often its work runs. */
interface Attempt {
  readonly request: RefundRequest
  /** Of the lot, where no key names one. */
  readonly freshId: string
  readonly acting: Acting
  created: boolean
}

async function refund(sql: Sql, attempt: Attempt): Promise<Refunded> {
  const { request, freshId, acting } = attempt
  const { nowMs } = acting
  const { requestId, note } = request
  await acting.confirm?.(sql)
  const { workspaceId, charged } = await requireCharge(sql, requestId)
  const balance = await lockBalance(sql, workspaceId)
  const before = await refundsOf(sql, requestId)
  const id = lotIdFor(workspaceId, request.idempotencyKey) ?? freshId
  const earlier = await loadLot(sql, id)
  if (earlier) checkRepeats(earlier, request, before)
  else {
    const amount = request.amount ?? subtractUsd(charged, before.amount)
    checkRefund(requestId, charged, before, amount)
    checkBalance(balance, amount)
    await postRefund(sql, balance.id, before, { requestId, lot: lotOf({ id, workspaceId, amount, note }, nowMs) })
    attempt.created = true
    const after = { request: requestId, amount: formatUsd(amount), note: noteOnRecord(note) }
    await putOnRecord(sql, acting, { action: 'credit.refund', workspaceId, target: id, after })
  }
  const { amount: refunded } = await refundsOf(sql, requestId)
  const credited = await creditedOf(sql, { id, workspaceId, created: attempt.created }, nowMs)
  return { ...credited, workspaceId, charged, refunded }
}

function lotOf(lot: Pick<NewLot, 'id' | 'workspaceId' | 'amount' | 'note'>, nowMs: number): NewLot {
  return { ...lot, source: 'refund', priority: DEFAULT_PRIORITY, expiresAtMs: null, createdAtMs: nowMs }
}

async function postRefund(
  sql: Sql,
  accountId: string,
  before: Refunds,
  { requestId, lot }: { readonly requestId: string; readonly lot: NewLot },
): Promise<void> {
  const n = before.lotIds.length
  if (await refundLot(sql, accountId, requestId, n, lot)) return
  throw new Error(`refund ${n} of ${requestId} was posted before`)
}

async function requireCharge(sql: Sql, requestId: string): Promise<{ workspaceId: string; charged: NanoUsd }> {
  const record = await loadRequest(sql, requestId)
  if (!record) throw new AppError('invalid_request', `there is no request ${requestId}`)
  const reason = reasonAgainst(record)
  if (reason !== null) throw new AppError('invalid_request', `the request ${requestId} ${reason}`)
  const { workspaceId, charged } = record
  if (workspaceId === null || charged === null) throw new Error(`request ${requestId} was settled on no balance`)
  return { workspaceId, charged }
}

/** Why there is nothing to give back; null when there is. */
function reasonAgainst({ state, funding, charged }: RequestRecord): string | null {
  if (state === 'held') return 'is under way: it has not been charged yet'
  if (funding === 'plan') return 'was paid by a plan: no money was charged for it'
  return state === 'released' || funding === 'free' || charged === 0n ? 'was not charged' : null
}

interface Refunds {
  readonly amount: NanoUsd
  readonly lotIds: readonly string[]
}

/** Read with the balance locked: no other refund of the request comes in between. */
async function refundsOf(sql: Sql, requestId: string): Promise<Refunds> {
  const lots = (await listEntries(sql, refundIds(requestId))).filter(({ account }) => account === 'balance')
  return {
    amount: lots.reduce<NanoUsd>((sum, { amount }) => addUsd(sum, amount), ZERO_USD),
    lotIds: lots.map(({ grantId }) => grantId ?? ''),
  }
}

function checkRepeats(earlier: Lot, { requestId, amount }: RefundRequest, { lotIds }: Refunds): void {
  if (!lotIds.includes(earlier.id)) throw keyInUse(`made credit of the source ${earlier.source}, not of ${requestId}`)
  if (amount !== undefined && amount !== earlier.amount) {
    throw keyInUse(`gave back $${formatUsd(earlier.amount)}, not $${formatUsd(amount)}`)
  }
}

function checkRefund(requestId: string, charged: NanoUsd, before: Refunds, amount: NanoUsd): void {
  const left = subtractUsd(charged, before.amount)
  if (amount > left || left === 0n) {
    throw new AppError(
      'invalid_request',
      `of the $${formatUsd(charged)} that ${requestId} was charged, $${formatUsd(before.amount)} was given back before; $${formatUsd(left)} is left`,
    )
  }
  if (before.lotIds.length < refundIds(requestId).length) return
  throw new AppError(
    'invalid_request',
    `the request ${requestId} was refunded ${before.lotIds.length} times; that is the most`,
  )
}
