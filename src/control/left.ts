/**
 * What is left as admission sees it: the rows it would read, expired credit off already, and its own limits asked how
 * much they would still take. Nothing is written.
 */
import { type NanoUsd, WEIGHT_ONE, ZERO_USD } from '../base/money.ts'
import { type Cap, capSpec } from '../domain/cap.ts'
import { NOTHING_TO_HOLD } from '../domain/hold-size.ts'
import { type Calendar, UTC_CALENDAR, type WindowState, windowStateOf } from '../domain/window.ts'
import type { Books } from '../ledger/books.ts'
import type { HoldCommand, Source, Standing } from '../ledger/command.ts'
import { constraintsOf } from '../ledger/constraint.ts'
import { expireDue } from '../ledger/expiry.ts'
import { readBooks } from '../ledger/preview.ts'
import { loadBalance } from '../store/account.ts'
import type { Sql } from '../store/database.ts'
import { type Lot, listLots } from '../store/lot.ts'

/** Whose money, under which limits. */
export interface Payer {
  readonly workspaceId: string
  /** Null: the workspace has no balance, and nothing can be paid. */
  readonly accountId: string | null
  readonly caps: readonly Cap[]
  readonly calendar: Calendar
}

/** The balance as what may pay, where there is one. */
export function balanceSource({ accountId }: Pick<Payer, 'accountId'>): Source[] {
  return accountId === null ? [] : [{ kind: 'balance' }]
}

/** The balance and the meters of a payer and of what it may draw on, as they stand. Run it in one `read`. */
export async function readLeft(sql: Sql, payer: Payer, sources: readonly Source[], nowMs: number): Promise<Books> {
  const { workspaceId, accountId } = payer
  const [books, lots] = await Promise.all([
    readBooks(sql, questionOf(payer, sources, nowMs)),
    listLots(sql, workspaceId),
  ])
  books.addLots(workspaceId, lots)
  if (accountId !== null) await expireDue(sql, books, [books.account(accountId)], nowMs)
  return books
}

const SCOPES: readonly Cap['scope'][] = ['key', 'member', 'workspace']
const UNITS: readonly Cap['unit'][] = ['day', 'week', 'month']

/** The narrowest first, the shortest first. */
export function sortCaps(caps: readonly Cap[]): Cap[] {
  const rankOf = ({ scope, unit }: Cap): number => SCOPES.indexOf(scope) * UNITS.length + UNITS.indexOf(unit)
  return caps.toSorted((a, b) => rankOf(a) - rankOf(b) || (a.subjectId < b.subjectId ? -1 : 1))
}

/** How a cap stands; its meters must have been read: those of the payer's caps are, where the balance is a source. */
export function capState(books: Books, cap: Cap, { calendar }: Pick<Payer, 'calendar'>, nowMs: number): WindowState {
  const spec = capSpec(cap)
  return windowStateOf(spec, books.metersOf(cap.subjectId, spec.name), nowMs, 0, calendar)
}

/** The largest hold that fits, and the limit that ends there. */
export interface LargestHold {
  /** At list price; null where nothing bounds it. */
  readonly amount: NanoUsd | null
  /** Null where nothing limits. */
  readonly binding: Standing | null
}

/**
 * The largest hold that admission would accept now from one of the sources, for a model that counts with weight 1.
 * Null without a source.
 */
export function largestHold(books: Books, payer: Payer, sources: readonly Source[], nowMs: number): LargestHold | null {
  const question = questionOf(payer, sources, nowMs)
  let largest: LargestHold | null = null
  for (const source of sources) {
    const own = largestFrom(books, question, source)
    // Of two that end at the same amount, the later one is what refuses the next.
    if (largest === null || !isMore(largest, own)) largest = own
  }
  return largest
}

function largestFrom(books: Books, question: HoldCommand, source: Source): LargestHold {
  let least: LargestHold = { amount: null, binding: null }
  for (const constraint of constraintsOf(books, question, source)) {
    const own: LargestHold = { amount: constraint.room(), binding: constraint.standing() }
    if (isMore(least, own)) least = own
  }
  return least
}

function isMore(a: LargestHold, b: LargestHold): boolean {
  if (b.amount === null) return false
  return a.amount === null || a.amount > b.amount
}

/** A request that is never sent. */
function questionOf(payer: Payer, sources: readonly Source[], nowMs: number): HoldCommand {
  const { workspaceId, accountId, caps, calendar } = payer
  return {
    kind: 'hold',
    request: {
      ...{ id: '', nodeId: '', workspaceId, accountId, memberId: null, keyId: null, session: null, tags: null },
      ...{ product: 'zen', protocol: 'openai-chat', model: '', stream: false, provider: '' },
      ...{ priceVersion: null, weightPpm: WEIGHT_ONE, idempotencyKey: null, bodyDigest: null, createdAtMs: nowMs },
    },
    sources,
    caps,
    calendar,
    size: NOTHING_TO_HOLD,
    anonymous: null,
  }
}

/** What a workspace has, with credit that has expired taken off. */
export interface BalanceLeft {
  readonly posted: NanoUsd
  readonly held: NanoUsd
  /** Those with something left, in the order in which they are spent. */
  readonly lots: readonly Lot[]
}

export function balanceLeft(
  books: Books,
  { workspaceId, accountId }: Pick<Payer, 'workspaceId' | 'accountId'>,
): BalanceLeft {
  if (accountId === null) return { posted: ZERO_USD, held: ZERO_USD, lots: [] }
  const { posted, held } = books.account(accountId)
  const lots = books.lotsOf(workspaceId).map(({ lot, remaining }) => ({ ...lot, remaining }))
  return { posted, held, lots: lots.filter(({ remaining }) => remaining > 0n) }
}

/** The balance alone. Run it in one `read`, or in the transaction that changes it. */
export async function readBalance(sql: Sql, workspaceId: string, nowMs: number): Promise<BalanceLeft> {
  const accountId = (await loadBalance(sql, workspaceId))?.id ?? null
  const payer: Payer = { workspaceId, accountId, caps: [], calendar: UTC_CALENDAR }
  return balanceLeft(await readLeft(sql, payer, [], nowMs), payer)
}
