/** Members of a workspace. */
import type { z } from 'zod'
import { AppError } from '../base/errors.ts'
import { formatUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import {
  createMember,
  leaveWorkspace,
  listMembers,
  readMember,
  removeMember,
  transferAdmin,
  updateMember,
} from '../contract/members.ts'
import * as members from '../control/member.ts'
import { listCaps } from '../store/cap.ts'
import type { Sql } from '../store/database.ts'
import { countKeys, listMemberRows, loadMember, type MemberRow } from '../store/membership.ts'
import { listSeats } from '../store/workspace.ts'
import { noSuch, type OperationContext, serve } from './operation-route.ts'
import { readPage, toPage } from './page.ts'
import { checkMayGiveAdmin, placeOf } from './place.ts'
import type { RouteDefinition } from './routes.ts'

export const memberRoutes: readonly RouteDefinition[] = [
  serve(listMembers, async (context, { query }) => {
    const { limit, after = '' } = readPage(query)
    const { workspaceId, only } = placeOf(context)
    const page = { after, limit: limit + 1, only }
    const views = await context.control.database.read(async (sql) =>
      viewAll(sql, workspaceId, await listMemberRows(sql, workspaceId, page)),
    )
    return toPage(
      views,
      limit,
      ({ id }) => id,
      (view) => view,
    )
  }),
  serve(readMember, async (context, { params: { member } }) => {
    const { workspaceId, only } = placeOf(context)
    if (only !== null && only !== member) throw noSuch('member')
    return await context.control.database.read(async (sql) => {
      const row = await loadMember(sql, workspaceId, member)
      if (!row) throw noSuch('member')
      return await viewOf(sql, row)
    })
  }),
  serve(createMember, async (context, { body }) => {
    const { workspaceId } = placeOf(context)
    const { database } = context.control
    if (body.role === 'admin') checkMayGiveAdmin(context)
    return await viewOf(database, await members.addServiceMember(database, context.acting, { workspaceId, ...body }))
  }),
  serve(updateMember, async (context, { params: { member }, body }) => {
    const place = { workspaceId: placeOf(context).workspaceId, memberId: member }
    const { database } = context.control
    if (body.role === 'admin') checkMayGiveAdmin(context)
    return await viewOf(database, await members.updateMember(database, context.acting, place, body))
  }),
  serve(removeMember, async (context, { params: { member } }) => {
    const place = { workspaceId: placeOf(context).workspaceId, memberId: member }
    await members.removeMember(context.control.database, context.acting, place)
    return undefined
  }),
  serve(leaveWorkspace, async (context) => {
    await members.leaveWorkspace(context.control.database, context.acting, ownMemberOf(context))
    return undefined
  }),
  serve(transferAdmin, async (context, { params: { member } }) => {
    const { database } = context.control
    const change = { ...ownMemberOf(context), toId: member }
    return await viewOf(database, await members.transferAdmin(database, context.acting, change))
  }),
]

function ownMemberOf(context: OperationContext): members.MemberPlace {
  const { workspaceId, memberId } = placeOf(context)
  if (memberId === null) throw new AppError('conflict', 'You are no member of this workspace.')
  return { workspaceId, memberId }
}

type MemberView = z.input<typeof readMember.reply>

async function viewOf(sql: Sql, row: MemberRow): Promise<MemberView> {
  const [view] = await viewAll(sql, row.workspaceId, [row])
  if (!view) throw noSuch('member')
  return view
}

async function viewAll(sql: Sql, workspaceId: string, rows: readonly MemberRow[]): Promise<MemberView[]> {
  const [keys, seats, caps] = await Promise.all([
    countKeys(sql, workspaceId),
    listSeats(sql, workspaceId),
    listCaps(sql, workspaceId),
  ])
  const seatsOf = Map.groupBy(seats, ({ memberId }) => memberId)
  const capsOf = Map.groupBy(caps, ({ subjectId }) => subjectId)
  return rows.map(({ id, name, role, person, createdAtMs }) => ({
    ...{ id, name, role, created_at: formatInstant(createdAtMs), keys: keys.get(id) ?? 0 },
    person: person && {
      ...{ id: person.id, email: person.email, name: person.name, is_disabled: person.isDisabled },
      address_proved: person.isProved,
    },
    seats: (seatsOf.get(id) ?? []).map((seat) => ({
      ...{ id: seat.id, plan: seat.planId, use_balance: seat.useBalance },
    })),
    caps: (capsOf.get(id) ?? []).map((cap) => ({ id: cap.id, unit: cap.unit, limit: formatUsd(cap.limit) })),
  }))
}
