/** Seats on plans. */
import { AppError } from '../base/errors.ts'
import { allowSeats, assignSeat, endSeat, listPlans, listSeats, updateSeat } from '../contract/seats.ts'
import * as assignment from '../control/seat-assignment.ts'
import { reportSeats, type SeatReport } from '../control/usage.ts'
import { listAllowances } from '../store/plan-allowance.ts'
import { countSeats, listSeatPage } from '../store/seat.ts'
import type { Seat } from '../store/workspace.ts'
import { type OperationContext, serve } from './operation-route.ts'
import { readPage, toPage } from './page.ts'
import { placeOf } from './place.ts'
import type { RouteDefinition } from './routes.ts'

export const seatRoutes: readonly RouteDefinition[] = [
  serve(listSeats, async (context, { query }) => {
    const { limit, after = '' } = readPage(query)
    const { workspaceId, only } = placeOf(context)
    const seats = await listSeatPage(context.control.database, workspaceId, { after, limit: limit + 1, only })
    return toPage(await report(context, seats), limit, ({ id }) => id, view)
  }),
  serve(assignSeat, async (context, { body }) => {
    const { control, acting, principal } = context
    const { workspaceId } = placeOf(context)
    const request = { workspaceId, memberId: body.member, planId: body.plan, useBalance: body.use_balance }
    const bound = principal?.isOperator === true ? 'none' : 'allowance'
    const { plans } = control.catalog()
    return await one(context, await assignment.assignSeat(control.database, acting, request, { plans, bound }))
  }),
  serve(updateSeat, async (context, { params: { seat: seatId }, body }) => {
    const { control, acting } = context
    const { workspaceId, only } = placeOf(context)
    const place = { workspaceId, seatId, ownerId: only }
    // The answer has the plan's windows: without a catalogue nothing is switched.
    control.catalog()
    return await one(context, await assignment.switchUseBalance(control.database, acting, place, body.use_balance))
  }),
  serve(endSeat, async (context, { params: { seat } }) => {
    const { control, acting } = context
    await assignment.endAssignedSeat(control.database, acting, placeOf(context).workspaceId, seat)
    return undefined
  }),
  serve(listPlans, async (context) => {
    const { control } = context
    const { workspaceId } = placeOf(context)
    const [allowed, inUse] = await Promise.all([
      listAllowances(control.database, workspaceId),
      countSeats(control.database, workspaceId),
    ])
    const plans = [...control.catalog().plans.keys()]
    return { data: plans.map((plan) => ({ plan, seats: allowed.get(plan) ?? 0, in_use: inUse.get(plan) ?? 0 })) }
  }),
  serve(allowSeats, async (context, { params: { plan }, body: { seats } }) => {
    const { control, acting } = context
    const change = { workspaceId: placeOf(context).workspaceId, planId: plan, seats }
    const inUse = await assignment.setAllowance(control.database, acting, change, control.catalog().plans)
    return { plan, seats, in_use: inUse }
  }),
]

function report(context: OperationContext, seats: readonly Seat[]): Promise<SeatReport[]> {
  const { control, acting } = context
  return reportSeats(control.database, control.catalog().plans, {
    ...{ workspaceId: placeOf(context).workspaceId, seats, nowMs: acting.nowMs },
  })
}

async function one(context: OperationContext, seat: Seat) {
  const [found] = await report(context, [seat])
  if (!found) throw new AppError('not_found', 'There is no such seat.')
  return view(found)
}

function view({ windows, ...seat }: SeatReport) {
  return { ...seat, windows: [...windows] }
}
