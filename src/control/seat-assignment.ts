/**
 * Seats handed out and taken back, on record: by the operator without bound, by admins as far as the operator allows.
 *
 * What a seat has counted stays with it. Whoever gets one that somebody had before in the same periods gets the rest:
 * ending and giving again, to whomever, makes no more of a plan than its seats are worth.
 */
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Plan } from '../domain/catalog.ts'
import type { Database, Sql } from '../store/database.ts'
import { loadMember } from '../store/membership.ts'
import { loadAllowance, saveAllowance } from '../store/plan-allowance.ts'
import { countSeats, listSpentSeats, loadEndedSeat, loadSeat, reopenSeat } from '../store/seat.ts'
import { endSeat, insertSeat, listSeats, type Seat, setSeatUseBalance } from '../store/workspace.ts'
import { type Acting, changeOnRecord, type Facts } from './acting.ts'

export interface SeatRequest {
  readonly workspaceId: string
  readonly memberId: string
  readonly planId: string
  readonly useBalance: boolean
}

/** Whether the operator's allowance bounds it. */
export type SeatBound = 'allowance' | 'none'

/** @throws AppError not_found for the member; invalid_request for the plan; conflict for a second seat, or one too many */
export function assignSeat(
  db: Database,
  acting: Acting,
  request: SeatRequest,
  { plans, bound }: { readonly plans: ReadonlyMap<string, Plan>; readonly bound: SeatBound },
): Promise<Seat> {
  const { workspaceId, memberId, planId } = request
  checkPlan(plans, planId)
  return changeOnRecord(db, acting, async (sql, put) => {
    if (!(await loadMember(sql, workspaceId, memberId))) throw new AppError('not_found', 'There is no such member.')
    const seats = await listSeats(sql, workspaceId)
    if (seats.some((seat) => seat.memberId === memberId && seat.planId === planId)) {
      throw new AppError('conflict', `The member has a seat on ${planId}.`)
    }
    const seat = await giveSeat(sql, request, bound, acting.nowMs)
    await put({ action: 'seat.assign', workspaceId, target: seat.id, after: factsOf(seat) })
    return seat
  })
}

/**
 * Gives a member a seat inside the caller's transaction: the one it had, or that another had and has used, or a new one.
 * @throws AppError conflict when the allowance is used up
 */
export async function giveSeat(sql: Sql, request: SeatRequest, bound: SeatBound, nowMs: number): Promise<Seat> {
  const { workspaceId, memberId, planId, useBalance } = request
  const again =
    bound === 'none'
      ? await loadEndedSeat(sql, memberId, planId)
      : await findSeatWithin(sql, request, await loadAllowance(sql, workspaceId, planId), nowMs)
  if (again) {
    const seat = { ...again, memberId, useBalance }
    await reopenSeat(sql, seat)
    return seat
  }
  const seat = { id: newId('seat', nowMs), memberId, planId, useBalance, startedAtMs: nowMs }
  await insertSeat(sql, { ...seat, workspaceId })
  return seat
}

/** The seat to give again; undefined: a new one. Seats in use and those that were used count, each once. */
async function findSeatWithin(
  sql: Sql,
  { workspaceId, memberId, planId }: SeatRequest,
  allowance: number,
  nowMs: number,
): Promise<Seat | undefined> {
  const inUse = (await countSeats(sql, workspaceId)).get(planId) ?? 0
  if (inUse >= allowance) {
    throw new AppError(
      'conflict',
      `The workspace may hand out ${allowance} seats on ${planId}, and ${inUse} are in use. End one, or ask the operator for more.`,
      { metadata: { reason: 'allowance' } },
    )
  }
  const spent = await listSpentSeats(sql, workspaceId, planId, nowMs)
  const own = spent.find((seat) => seat.memberId === memberId)
  if (own) return own
  return inUse + spent.length < allowance ? await loadEndedSeat(sql, memberId, planId) : spent[0]
}

/** @throws AppError not_found */
export function endAssignedSeat(db: Database, acting: Acting, workspaceId: string, seatId: string): Promise<void> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const seat = await requireSeat(sql, workspaceId, seatId)
    await endSeat(sql, seat.id, acting.nowMs)
    await put({ action: 'seat.end', workspaceId, target: seat.id, before: factsOf(seat) })
  })
}

/**
 * Lets a seat go on from the balance when a window is full, or stops that.
 * @param ownerId the member that it must belong to; null: no matter which
 * @throws AppError not_found
 */
export function switchUseBalance(
  db: Database,
  acting: Acting,
  { workspaceId, seatId, ownerId }: { workspaceId: string; seatId: string; ownerId: string | null },
  useBalance: boolean,
): Promise<Seat> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await requireSeat(sql, workspaceId, seatId)
    if (ownerId !== null && before.memberId !== ownerId) throw noSuchSeat()
    await setSeatUseBalance(sql, seatId, useBalance)
    const after = { ...before, useBalance }
    await put({ action: 'seat.update', workspaceId, target: seatId, before: factsOf(before), after: factsOf(after) })
    return after
  })
}

/** How many seats of a plan the workspace's admins may hand out; seats in use above it stay. @throws AppError not_found */
export function setAllowance(
  db: Database,
  acting: Acting,
  { workspaceId, planId, seats }: { workspaceId: string; planId: string; seats: number },
  plans: ReadonlyMap<string, Plan>,
): Promise<number> {
  if (!plans.has(planId)) throw new AppError('not_found', 'There is no such plan.')
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await loadAllowance(sql, workspaceId, planId)
    await saveAllowance(sql, workspaceId, planId, seats)
    await put({
      ...{ action: 'plan.allow', workspaceId, target: planId, before: { seats: before }, after: { seats } },
    })
    return (await countSeats(sql, workspaceId)).get(planId) ?? 0
  })
}

function checkPlan(plans: ReadonlyMap<string, Plan>, planId: string): void {
  if (plans.has(planId)) return
  const known = [...plans.keys()].join(', ')
  throw new AppError('invalid_request', `There is no plan ${planId}; there is: ${known}.`, { param: 'plan' })
}

async function requireSeat(sql: Sql, workspaceId: string, id: string): Promise<Seat> {
  const seat = await loadSeat(sql, workspaceId, id)
  if (!seat) throw noSuchSeat()
  return seat
}

function noSuchSeat(): AppError {
  return new AppError('not_found', 'There is no such seat.')
}

function factsOf({ memberId, planId, useBalance }: Seat): Facts {
  return { member: memberId, plan: planId, use_balance: useBalance }
}
