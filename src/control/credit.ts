/** Credit: prepaid money that a workspace receives from the operator, lot by lot. */
import { createHash } from 'node:crypto'
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { formatUsd, type NanoUsd, parseUsd, subtractUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import { grantLot, type NewLot } from '../ledger/credit.ts'
import { type Account, loadBalance, lockAccount } from '../store/account.ts'
import type { Database, Sql } from '../store/database.ts'
import { type CreditSource, type Lot, loadLot } from '../store/lot.ts'
import { type Acting, type Change, putOnRecord } from './acting.ts'
import { type BalanceLeft, readBalance } from './left.ts'
import { checkText } from './text.ts'
import { untilAnswered } from './until-answered.ts'

/** Keeps a slip of the keyboard, and sums of many grants, far from the end of 64 bits. */
const MAX_GRANT = parseUsd(1_000_000)
const MAX_BALANCE = parseUsd(1_000_000_000)
const MAX_NOTE_LENGTH = 500
const MAX_RECORDED_NOTE_LENGTH = 100
const MAX_IDEMPOTENCY_KEY_LENGTH = 200
/** Lots without a priority of their own. */
export const DEFAULT_PRIORITY = 100
export const MAX_PRIORITY = 1000

/** What an operator gives; demo credit comes with the first start, refunds with `refundRequest`. */
export const GRANT_SOURCES = ['operator', 'promotion'] as const satisfies readonly CreditSource[]
export type GrantSource = (typeof GRANT_SOURCES)[number]

export interface GrantRequest {
  readonly workspaceId: string
  readonly amount: NanoUsd
  readonly note: string
  /** `operator` when not said. */
  readonly source?: GrantSource | undefined
  /** From then on nothing of it can be spent; never, when not said. */
  readonly expiresAtMs?: number | undefined
  /** Lower is spent first; 0 to 1000, 100 when not said. */
  readonly priority?: number | undefined
  /** The same key, given again, grants nothing more. */
  readonly idempotencyKey?: string | undefined
}

/** A lot, and what the workspace has with it. */
export interface Credited {
  readonly lot: Lot
  /** False when an earlier call with the same idempotency key had made it. */
  readonly created: boolean
  /** What the workspace has after it, open holds included. */
  readonly posted: NanoUsd
  /** What it may still spend. */
  readonly available: NanoUsd
}

/** Reads the dollars of a grant exactly. @throws AppError invalid_request unless positive, exact and not above the limit. */
export function parseGrantAmount(text: string): NanoUsd {
  let amount: NanoUsd
  try {
    amount = parseUsd(text)
  } catch {
    throw new AppError('invalid_request', 'the amount is not a plain decimal of dollars with at most nine decimals')
  }
  checkAmount(amount)
  return amount
}

/** @throws AppError invalid_request unless above zero and not above the limit of one lot. */
export function checkAmount(amount: NanoUsd): void {
  if (amount <= 0n) throw new AppError('invalid_request', 'the amount must be above zero')
  if (amount > MAX_GRANT) {
    throw new AppError('invalid_request', `the amount must not be above $${formatUsd(MAX_GRANT)} per grant`)
  }
}

/** Notes, and keys that make a repeated call harmless. @throws AppError invalid_request */
export function checkWords(
  { note, idempotencyKey }: Pick<GrantRequest, 'note' | 'idempotencyKey'>,
  minNoteLength = 0,
): void {
  checkText('note', note, { minLength: minNoteLength, maxLength: MAX_NOTE_LENGTH })
  if (idempotencyKey === undefined) return
  checkText('idempotency key', idempotencyKey, { minLength: 1, maxLength: MAX_IDEMPOTENCY_KEY_LENGTH })
}

/** Grants credit in one transaction, on record. @throws AppError invalid_request */
export async function grantCredit(db: Database, acting: Acting, request: GrantRequest): Promise<Credited> {
  const { nowMs } = acting
  checkAmount(request.amount)
  checkWords(request)
  const lot = lotOf(request, nowMs)
  let created = false
  const work = async (sql: Sql): Promise<Credited> => {
    await acting.confirm?.(sql)
    const balance = await lockBalance(sql, request.workspaceId)
    const earlier = await loadLot(sql, lot.id)
    if (earlier) checkRepeats(earlier, lot)
    else {
      await postLot(sql, balance, lot, nowMs)
      created = true
      await putOnRecord(sql, acting, recordOf(lot))
    }
    return await creditedOf(sql, { ...lot, created }, nowMs)
  }
  return await untilAnswered(() => db.write(work, { opensLedger: true }))
}

function recordOf({ id, workspaceId, amount, source, note, priority, expiresAtMs }: NewLot): Change {
  const expiresAt = expiresAtMs === null ? null : formatInstant(expiresAtMs)
  const after = { amount: formatUsd(amount), source, note: noteOnRecord(note), priority, expires_at: expiresAt }
  return { action: 'credit.grant', workspaceId, target: id, after }
}

/** A short note as it is; a longer one stands on its lot alone. */
export function noteOnRecord(note: string): string | null {
  return note.length > MAX_RECORDED_NOTE_LENGTH ? null : note
}

function lotOf(request: GrantRequest, nowMs: number): NewLot {
  const { workspaceId, amount, note, source = 'operator', expiresAtMs = null, priority = DEFAULT_PRIORITY } = request
  if (!Number.isInteger(priority) || priority < 0 || priority > MAX_PRIORITY) {
    throw new AppError('invalid_request', `the priority must be a whole number from 0 to ${MAX_PRIORITY}`)
  }
  const id = lotIdFor(workspaceId, request.idempotencyKey) ?? newId('grant', nowMs)
  return { id, workspaceId, source, amount, priority, expiresAtMs, note, createdAtMs: nowMs }
}

/** The id of the lot that a key names, in its workspace: two workspaces may use the same key. Undefined without one. */
export function lotIdFor(workspaceId: string, idempotencyKey: string | undefined): string | undefined {
  if (idempotencyKey === undefined) return undefined
  const digest = createHash('sha256').update(workspaceId).update('\0').update(idempotencyKey).digest('hex')
  return `grant_k${digest.slice(0, 32)}`
}

function checkRepeats(earlier: Lot, lot: NewLot): void {
  if (earlier.amount !== lot.amount) {
    throw keyInUse(`granted $${formatUsd(earlier.amount)}, not $${formatUsd(lot.amount)}`)
  }
  if (earlier.source !== lot.source) throw keyInUse(`made credit of the source ${earlier.source}, not ${lot.source}`)
  if (earlier.expiresAtMs !== lot.expiresAtMs || earlier.priority !== lot.priority) {
    throw keyInUse('granted this with another expiry or priority')
  }
}

/** The key of another movement of money. */
export function keyInUse(whatItDid: string): AppError {
  return new AppError('invalid_request', `this idempotency key already ${whatItDid}; nothing was granted now`)
}

/** Writes a lot of demo credit inside the caller's transaction, which opens the ledger. */
export async function postGrant(
  sql: Sql,
  grant: Pick<Lot, 'id' | 'workspaceId' | 'source' | 'amount' | 'note'>,
  nowMs: number,
): Promise<void> {
  const balance = await lockBalance(sql, grant.workspaceId)
  const lot = { ...grant, priority: DEFAULT_PRIORITY, expiresAtMs: null, createdAtMs: nowMs }
  await postLot(sql, balance, lot, nowMs)
}

async function postLot(sql: Sql, balance: Account, lot: NewLot, nowMs: number): Promise<void> {
  if (lot.expiresAtMs !== null && lot.expiresAtMs <= nowMs) {
    throw new AppError(
      'invalid_request',
      `credit that expired at ${formatInstant(lot.expiresAtMs)} can pay for nothing`,
    )
  }
  checkBalance(balance, lot.amount)
  if (!(await grantLot(sql, balance.id, lot))) throw new Error(`lot ${lot.id} was posted before`)
}

/** @throws AppError invalid_request when a balance would become too large. */
export function checkBalance({ posted }: Account, amount: NanoUsd): void {
  if (posted + amount <= MAX_BALANCE) return
  throw new AppError('invalid_request', `a balance must not be above $${formatUsd(MAX_BALANCE)}`)
}

/** Keeps others from changing it until the transaction ends. @throws AppError invalid_request when there is none. */
export async function lockBalance(sql: Sql, workspaceId: string): Promise<Account> {
  const balance = await loadBalance(sql, workspaceId)
  const locked = balance && (await lockAccount(sql, balance.id))
  if (!locked) throw new AppError('invalid_request', `the workspace ${workspaceId} has no balance account`)
  return locked
}

/** What a call answers, read in its transaction. */
export async function creditedOf(
  sql: Sql,
  { id, workspaceId, created }: { readonly id: string; readonly workspaceId: string; readonly created: boolean },
  nowMs: number,
): Promise<Credited> {
  const [lot, { posted, held }] = await Promise.all([loadLot(sql, id), readBalance(sql, workspaceId, nowMs)])
  if (!lot) throw new Error(`lot ${id} was not written`)
  return { lot, created, posted, available: subtractUsd(posted, held) }
}

/** The lots with something left, in the order in which they are spent, and what they come to. */
export function listCredit(db: Database, workspaceId: string, nowMs: number): Promise<BalanceLeft> {
  return db.read((sql) => readBalance(sql, workspaceId, nowMs))
}
