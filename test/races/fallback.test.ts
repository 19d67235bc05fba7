/**
 * L04: who pays when a plan is full, in sixty cells: the state of the plan, whether the seat may use the balance, the
 * state of the balance, and what is changed while the request is under way. What was decided at admission stays; what a
 * refusal says of its end is true: just before that instant the same request is refused, and at it admitted.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type NanoUsd, nanoUsd } from '../../src/base/money.ts'
import { assignSeat, endAssignedSeat, switchUseBalance } from '../../src/control/seat-assignment.ts'
import { testActing } from '../../src/control/test-instance.ts'
import type { Cap } from '../../src/domain/cap.ts'
import type { Plan, WindowSpec } from '../../src/domain/catalog.ts'
import type { HoldResult, Source } from '../../src/ledger/command.ts'
import { listSeats } from '../../src/store/workspace.ts'
import { forEachEngine } from '../support/engines.ts'
import { fullViolationsOf } from './checker.ts'
import { createField, type Field } from './nodes.ts'
import { addBuyer, type Buyer, CENT, capOf, endCommand, holdCommand, NOON_MS, type Wish, windowOf } from './world.ts'

const PLAN_STATES = ['roomy', 'spent', 'held'] as const
const BALANCE_STATES = ['enough', 'empty', 'held', 'cap spent', 'cap held'] as const
const CHANGES = ['the fallback is turned round', 'the seat ends, and its plan shrinks'] as const
const SESSION_END_MS = NOON_MS + 5 * 3_600_000
const MIDNIGHT_MS = Date.UTC(2026, 10, 21)

interface Cell {
  readonly plan: (typeof PLAN_STATES)[number]
  readonly fallsBack: boolean
  readonly balance: (typeof BALANCE_STATES)[number]
  readonly change: (typeof CHANGES)[number]
}

const CELLS: readonly Cell[] = PLAN_STATES.flatMap((plan) =>
  [false, true].flatMap((fallsBack) =>
    BALANCE_STATES.flatMap((balance) => CHANGES.map((change) => ({ plan, fallsBack, balance, change }))),
  ),
)

/** Who pays, or which limit refuses, and until when: null while only others' holds are in the way, or for ever. */
type Verdict =
  | { readonly funding: 'plan' | 'balance' | 'byok' }
  | { readonly name: string; readonly isHeldOnly: boolean; readonly endsAtMs: number | null }

function expected({ plan, fallsBack, balance }: Cell): Verdict {
  if (plan === 'roomy') return { funding: 'plan' }
  if (!fallsBack)
    return plan === 'held'
      ? { name: 'session', isHeldOnly: true, endsAtMs: null }
      : { name: 'session', isHeldOnly: false, endsAtMs: SESSION_END_MS }
  switch (balance) {
    case 'enough':
      return { funding: 'balance' }
    case 'empty':
      return { name: 'balance', isHeldOnly: false, endsAtMs: null }
    case 'held':
      return { name: 'balance', isHeldOnly: true, endsAtMs: null }
    case 'cap spent':
      return { name: 'daily member cap', isHeldOnly: false, endsAtMs: MIDNIGHT_MS }
    case 'cap held':
      return { name: 'daily member cap', isHeldOnly: true, endsAtMs: null }
  }
}

interface Table {
  readonly field: Field
  readonly buyer: Buyer
  readonly caps: readonly Cap[]
  readonly window: WindowSpec
}

/** What admission makes of the seat as it stands in the database. */
async function sourcesOf({ field, buyer, window }: Table): Promise<Source[]> {
  const [seat] = await listSeats(field.db, buyer.workspaceId)
  if (!seat) return [{ kind: 'balance' }]
  const plan: Source = { kind: 'plan', seatId: seat.id, anchorMs: seat.startedAtMs, windows: [window] }
  return seat.useBalance ? [plan, { kind: 'balance' }] : [plan]
}

async function use({ field, buyer }: Table, wish: Omit<Wish, 'amount'>, state: string): Promise<void> {
  const command = holdCommand(buyer, { ...wish, amount: CENT })
  const held = await field.nodeOf(0).hold(command)
  assert.ok(held.ok)
  if (!state.includes('held')) await field.nodeOf(0).end(endCommand(command, held, CENT))
}

/** A cent in each limit, and the first request has taken it where the cell says so. */
async function lay(field: Field, cell: Cell): Promise<Table> {
  const isCapped = cell.balance.startsWith('cap')
  const buyer = await addBuyer(
    field.db,
    cell.balance === 'enough' || isCapped ? 10n * CENT : cell.balance === 'held' ? CENT : 0n,
  )
  const window = windowOf('session', CENT)
  const caps = isCapped ? [capOf(buyer, 'member', 'day', CENT)] : []
  const plans = new Map<string, Plan>([
    ['go', { id: 'go', price: nanoUsd(0), interval: 'month', products: ['go'], windows: [window] }],
  ])
  const { workspaceId, memberId } = buyer
  const request = { workspaceId, memberId, planId: 'go', useBalance: cell.fallsBack }
  await assignSeat(field.db, testActing(), request, { plans, bound: 'none' })
  const table = { field, buyer, caps, window }
  const [plan] = await sourcesOf(table)
  assert.ok(plan)
  if (cell.plan !== 'roomy') await use(table, { sources: [plan] }, cell.plan)
  if (cell.balance === 'held' || isCapped) await use(table, { caps }, cell.balance)
  return table
}

function ask(table: Table, sources: readonly Source[], atMs: number): ReturnType<typeof holdCommand> {
  return holdCommand(table.buyer, { sources, caps: table.caps, amount: CENT, atMs })
}

function verdictOf(result: HoldResult): Verdict {
  if (result.ok) {
    assert.ok(result.funding !== 'free')
    return { funding: result.funding }
  }
  const { refusal } = result
  assert.ok(refusal.kind === 'limit')
  const { isHeldOnly, limit } = refusal
  return { name: limit.name, isHeldOnly, endsAtMs: isHeldOnly ? null : limit.resetsAtMs }
}

async function change({ field, buyer }: Table, cell: Cell): Promise<void> {
  const [seat] = await listSeats(field.db, buyer.workspaceId)
  assert.ok(seat)
  const place = { workspaceId: buyer.workspaceId, seatId: seat.id, ownerId: null }
  if (cell.change === CHANGES[0]) await switchUseBalance(field.db, testActing(), place, !cell.fallsBack)
  else await endAssignedSeat(field.db, testActing(), place.workspaceId, seat.id)
}

async function checkCell(field: Field, cell: Cell): Promise<void> {
  const table = await lay(field, cell)
  const text = JSON.stringify(cell)
  const sources = await sourcesOf(table)
  const command = ask(table, sources, NOON_MS)
  const result = await field.nodeOf(1).hold(command)
  const verdict = expected(cell)
  assert.deepEqual(verdictOf(result), verdict, text)
  if (!result.ok) return checkReset(table, sources, verdict, text)
  const before = await countedOf(table)
  await change(table, cell)
  assert.deepEqual(await field.nodeOf(2).end(endCommand(command, result, CENT)), { kind: 'ended', charged: CENT }, text)
  const row = await field.db.get<{ funding: string }>('SELECT funding FROM request WHERE id = ?', command.request.id)
  assert.equal(row?.funding, result.funding, text)
  const after = await countedOf(table)
  const paid = { plan: after.plan - before.plan, balance: before.posted - after.posted }
  assert.deepEqual(paid, result.funding === 'plan' ? { plan: CENT, balance: 0n } : { plan: 0n, balance: CENT }, text)
}

async function checkReset(table: Table, sources: readonly Source[], verdict: Verdict, text: string): Promise<void> {
  if (!('name' in verdict) || verdict.endsAtMs === null) return
  const { field } = table
  if (sources.length === 1) {
    const early = await field.nodeOf(2).hold(ask(table, sources, verdict.endsAtMs - 1))
    assert.equal(early.ok, false, text)
  }
  assert.equal((await field.nodeOf(0).hold(ask(table, sources, verdict.endsAtMs))).ok, true, text)
}

async function countedOf({ field, buyer }: Table): Promise<{ plan: bigint; posted: bigint }> {
  const meter = await field.db.get<{ settled: NanoUsd }>(
    "SELECT settled FROM meter WHERE workspace_id = ? AND scope = 'seat'",
    buyer.workspaceId,
  )
  const account = await field.db.get<{ posted: NanoUsd }>('SELECT posted FROM account WHERE id = ?', buyer.accountId)
  return { plan: meter?.settled ?? 0n, posted: account?.posted ?? -1n }
}

forEachEngine((engine) => {
  describe('a seat that may, or may not, use the balance', () => {
    it(`is decided in ${CELLS.length} cells as the table says, and stays so while settings change`, async (t) => {
      assert.equal(CELLS.length, 60)
      const field = await createField(t, engine)
      for (const cell of CELLS) await checkCell(field, cell)
      assert.deepEqual(await fullViolationsOf(field.db), [])
    })
  })
})
