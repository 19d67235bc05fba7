/** Plan seats: a member's subscription to a plan, and whether it may go on from the balance. */
import { AppError } from '../base/errors.ts'
import type { Plan } from '../domain/catalog.ts'
import type { Database, Sql } from '../store/database.ts'
import * as store from '../store/workspace.ts'
import { changePolicy } from './policy.ts'
import { giveSeat, type SeatRequest } from './seat-assignment.ts'

/**
 * The seat that a member had on the plan, with what it has counted; or a new one.
 * @throws AppError invalid_request when there is no such plan, or the member has a seat on it.
 */
export async function createSeat(
  db: Database,
  plans: ReadonlyMap<string, Plan>,
  request: SeatRequest,
  nowMs: number,
): Promise<store.Seat> {
  const { workspaceId, memberId, planId } = request
  if (!plans.has(planId)) {
    throw new AppError('invalid_request', `there is no plan ${planId}; there is: ${[...plans.keys()].join(', ')}`)
  }
  return await changePolicy(db, async (sql) => {
    const seats = await store.listSeats(sql, workspaceId)
    if (seats.some((seat) => seat.memberId === memberId && seat.planId === planId)) {
      throw new AppError('invalid_request', `the member ${memberId} already has a seat on ${planId}`)
    }
    return await giveSeat(sql, request, 'none', nowMs)
  })
}

/** The seats in use, oldest first. */
export function listSeats(db: Database, workspaceId: string): Promise<store.Seat[]> {
  return store.listSeats(db, workspaceId)
}

/** Ends a seat; what it counted stays on record. @throws AppError invalid_request when it is not in use. */
export function endSeat(db: Database, workspaceId: string, seatId: string, nowMs: number): Promise<store.Seat> {
  return changePolicy(db, async (sql) => {
    const seat = await findSeat(sql, workspaceId, seatId)
    await store.endSeat(sql, seat.id, nowMs)
    return seat
  })
}

/**
 * Lets a seat go on from the balance when a window is full, or stops that. Without an id, the only seat there is.
 * @throws AppError invalid_request when there is no such seat, or several and none was named.
 */
export function setUseBalance(
  db: Database,
  workspaceId: string,
  seatId: string | undefined,
  useBalance: boolean,
): Promise<store.Seat> {
  return changePolicy(db, async (sql) => {
    const seat = await findSeat(sql, workspaceId, seatId)
    await store.setSeatUseBalance(sql, seat.id, useBalance)
    return { ...seat, useBalance }
  })
}

async function findSeat(sql: Sql, workspaceId: string, seatId: string | undefined): Promise<store.Seat> {
  const seats = await store.listSeats(sql, workspaceId)
  const matching = seatId === undefined ? seats : seats.filter((seat) => seat.id === seatId)
  const [first, second] = matching
  if (first !== undefined && second === undefined) return first
  if (second !== undefined) throw new AppError('invalid_request', 'there are several seats: say which')
  throw new AppError('invalid_request', seatId === undefined ? 'there is no seat' : `there is no seat ${seatId} in use`)
}
