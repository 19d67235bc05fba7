/** Credit grants: prepaid money that a workspace receives from the operator. */
import { createHash } from 'node:crypto'
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { formatUsd, type NanoUsd, nanoUsd, parseUsd } from '../base/money.ts'
import { loadBalance, postTransfer } from '../store/account.ts'
import type { Database } from '../store/database.ts'
import { loadGrant } from '../store/grant.ts'
import { writeTransaction } from '../store/transaction.ts'
import { type CreditGrant, insertGrant } from '../store/workspace.ts'
import { checkText } from './text.ts'

/** Keeps a slip of the keyboard, and sums of many grants, far from the end of 64 bits. */
const MAX_GRANT = parseUsd(1_000_000)
const MAX_BALANCE = parseUsd(1_000_000_000)
const MAX_NOTE_LENGTH = 500
const MAX_IDEMPOTENCY_KEY_LENGTH = 200

export interface GrantRequest {
  readonly workspaceId: string
  readonly amount: NanoUsd
  readonly note: string
  /** The same key, given again, grants nothing more. */
  readonly idempotencyKey?: string | undefined
}

export interface Granted {
  readonly grantId: string
  /** False when an earlier call with the same idempotency key had granted it. */
  readonly created: boolean
  readonly amount: NanoUsd
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

function checkAmount(amount: NanoUsd): void {
  if (amount <= 0n) throw new AppError('invalid_request', 'the amount must be above zero')
  if (amount > MAX_GRANT) {
    throw new AppError('invalid_request', `the amount must not be above $${formatUsd(MAX_GRANT)} per grant`)
  }
}

/** Grants credit in one transaction. @throws AppError invalid_request */
export function grantCredit(db: Database, request: GrantRequest, nowMs: number): Granted {
  checkAmount(request.amount)
  checkText('note', request.note, { minLength: 0, maxLength: MAX_NOTE_LENGTH })
  const { idempotencyKey } = request
  if (idempotencyKey !== undefined) {
    checkText('idempotency key', idempotencyKey, { minLength: 1, maxLength: MAX_IDEMPOTENCY_KEY_LENGTH })
  }
  const id = idempotencyKey === undefined ? newId('grant', nowMs) : derivedGrantId(request.workspaceId, idempotencyKey)
  return writeTransaction(db, () => {
    const { workspaceId, amount, note } = request
    const earlier = loadGrant(db, id)
    if (earlier) checkRepeats(earlier, request)
    else postGrant(db, { id, workspaceId, source: 'operator', amount, note }, nowMs)
    const balance = requireBalance(db, workspaceId)
    const available = nanoUsd(balance.posted - balance.held)
    return { grantId: id, created: !earlier, amount, posted: balance.posted, available }
  })
}

/** Writes a grant and its transfer inside the caller's transaction. @throws AppError invalid_request */
export function postGrant(db: Database, grant: CreditGrant, nowMs: number): void {
  const balance = requireBalance(db, grant.workspaceId)
  if (balance.posted + grant.amount > MAX_BALANCE) {
    throw new AppError('invalid_request', `a balance must not be above $${formatUsd(MAX_BALANCE)}`)
  }
  insertGrant(db, grant, nowMs)
  postTransfer(db, {
    id: `g:${grant.id}`,
    kind: 'grant',
    atMs: nowMs,
    entries: [
      { accountId: balance.id, amount: grant.amount },
      { accountId: 'credit_issued', amount: nanoUsd(-grant.amount) },
    ],
  })
}

function requireBalance(db: Database, workspaceId: string) {
  const balance = loadBalance(db, workspaceId)
  if (!balance) throw new AppError('invalid_request', `the workspace ${workspaceId} has no balance account`)
  return balance
}

/** The key is bound to its workspace, so that two workspaces may use the same one. */
function derivedGrantId(workspaceId: string, idempotencyKey: string): string {
  const digest = createHash('sha256').update(workspaceId).update('\0').update(idempotencyKey).digest('hex')
  return `grant_k${digest.slice(0, 32)}`
}

function checkRepeats(earlier: CreditGrant, request: GrantRequest): void {
  if (earlier.amount === request.amount) return
  throw new AppError(
    'invalid_request',
    `this idempotency key already granted $${formatUsd(earlier.amount)}, not $${formatUsd(request.amount)}; nothing was granted now`,
  )
}
