/** Workspaces and their money. */
import type { z } from 'zod'
import { AppError } from '../base/errors.ts'
import { formatUsd, subtractUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import {
  blockWorkspace,
  createWorkspace,
  grantCredit,
  listLots,
  listWorkspaces,
  readBalance,
  readWorkspace,
  unblockWorkspace,
  updateWorkspace,
} from '../contract/workspaces.ts'
import { parseGrantAmount, grantCredit as postCredit } from '../control/credit.ts'
import { readBalance as readBalanceLeft } from '../control/left.ts'
import { instantOrNull } from '../control/request-view.ts'
import { amountOf } from '../control/usage-window.ts'
import * as settings from '../control/workspace-settings.ts'
import { type Lot, listLotPage } from '../store/lot.ts'
import { listAllWorkspaces, listWorkspacesOf, loadWorkspace, type WorkspaceRow } from '../store/membership.ts'
import { listMemberships } from '../store/person.ts'
import { noSuch, type OperationContext, serve } from './operation-route.ts'
import { readPage, toPage } from './page.ts'
import { placeOf } from './place.ts'
import type { RouteDefinition } from './routes.ts'

export const workspaceRoutes: readonly RouteDefinition[] = [
  serve(createWorkspace, async ({ control, acting, principal }, { body }) => {
    const ownId = principal?.personId ?? null
    const adminId = body.admin ?? ownId
    const calendar = calendarOf(body)
    const made = await settings.createWorkspace(control.database, acting, { name: body.name, adminId, ...calendar })
    return await viewOf({ control, principal }, made)
  }),
  serve(listWorkspaces, async (context, { query }) => {
    const { limit, after } = readPage(query)
    const rows = await listFor(context, query.all === 'true', after ?? '', limit + 1)
    const views = await viewAll(context, rows)
    return toPage(
      views,
      limit,
      ({ id }) => id,
      (view) => view,
    )
  }),
  serve(readWorkspace, async (context) => {
    const workspace = await loadWorkspace(context.control.database, placeOf(context).workspaceId)
    if (!workspace) throw noSuch('workspace')
    return await viewOf(context, workspace)
  }),
  serve(updateWorkspace, async (context, { params, body }) => {
    const { control, acting } = context
    const change = { name: body.name, ...calendarOf(body) }
    return await viewOf(context, await settings.updateWorkspace(control.database, acting, params.workspace, change))
  }),
  serve(blockWorkspace, async (context, { params, body: { reason = null } }) => {
    const { control, acting } = context
    return await viewOf(context, await settings.setBlocked(control.database, acting, params.workspace, true, reason))
  }),
  serve(unblockWorkspace, async (context, { params }) => {
    const { control, acting } = context
    return await viewOf(context, await settings.setBlocked(control.database, acting, params.workspace, false, null))
  }),
  serve(readBalance, async ({ control, acting }, { params }) => {
    const { posted, held } = await control.database.read((sql) => readBalanceLeft(sql, params.workspace, acting.nowMs))
    return {
      ...amountOf('available', subtractUsd(posted, held)),
      ...amountOf('held', held),
      ...amountOf('posted', posted),
    }
  }),
  serve(listLots, async ({ control }, { params, query }) => {
    const { limit, after } = readPage(query)
    const lots = await listLotPage(control.database, params.workspace, after ?? '', limit + 1)
    return toPage(lots, limit, ({ id }) => id, viewLot)
  }),
  serve(grantCredit, async ({ control, acting, visit }, { params, body }) => {
    const request = {
      ...{ workspaceId: params.workspace, amount: parseGrantAmount(body.amount), note: body.note },
      ...{ source: body.source, priority: body.priority, idempotencyKey: idempotencyKeyOf(visit) },
      expiresAtMs: body.expires_at === undefined ? undefined : Date.parse(body.expires_at),
    }
    const { lot, available } = await postCredit(control.database, acting, request)
    return { lot: viewLot(lot), available: formatUsd(available), available_nano: String(available) }
  }),
]

/** Kept with the lot for good, where other operations forget it after a day. */
function idempotencyKeyOf(visit: OperationContext['visit'] | null): string | undefined {
  const name = visit?.request.headers['idempotency-key']
  return typeof name === 'string' ? name : undefined
}

function calendarOf({ time_zone, week_start }: { time_zone?: string | undefined; week_start?: number | undefined }) {
  return {
    ...(time_zone !== undefined && { timeZone: time_zone }),
    ...(week_start !== undefined && { weekStart: week_start }),
  }
}

type Viewer = Pick<OperationContext, 'control' | 'principal'>

async function listFor(
  { control: { database }, principal }: Viewer,
  wantsAll: boolean,
  after: string,
  limit: number,
): Promise<WorkspaceRow[]> {
  if (wantsAll && principal?.isOperator !== true) {
    throw new AppError('permission_denied', 'Only an operator of this gateway sees all workspaces.')
  }
  if (wantsAll) return await listAllWorkspaces(database, after, limit)
  if (principal?.kind === 'key') {
    const own = await loadWorkspace(database, principal.owner.workspaceId)
    return own && own.id > after ? [own] : []
  }
  const personId = principal?.personId ?? null
  return personId === null ? [] : await listWorkspacesOf(database, personId, after, limit)
}

type WorkspaceView = z.input<typeof readWorkspace.reply>

/** With what the caller is in each. */
async function viewAll({ control, principal }: Viewer, rows: readonly WorkspaceRow[]): Promise<WorkspaceView[]> {
  const memberOf = await membershipsOf({ control, principal })
  return rows.map(({ id, name, timeZone, weekStart, createdAtMs, blockedAtMs }) => ({
    ...{ id, name, time_zone: timeZone, week_start: weekStart, created_at: formatInstant(createdAtMs) },
    blocked_at: instantOrNull(blockedAtMs),
    ...(memberOf.get(id) ?? { member: null, role: null }),
  }))
}

async function viewOf(viewer: Viewer, row: WorkspaceRow): Promise<WorkspaceView> {
  const [view] = await viewAll(viewer, [row])
  if (!view) throw noSuch('workspace')
  return view
}

async function membershipsOf({
  control,
  principal,
}: Viewer): Promise<Map<string, Pick<WorkspaceView, 'member' | 'role'>>> {
  if (principal?.kind === 'key') {
    const { workspaceId, memberId, role } = principal.owner
    return new Map([[workspaceId, { member: memberId, role }]])
  }
  const personId = principal?.personId ?? null
  const memberships = personId === null ? [] : await listMemberships(control.database, personId)
  return new Map(memberships.map(({ workspaceId, memberId, role }) => [workspaceId, { member: memberId, role }]))
}

function viewLot(lot: Lot): z.input<typeof grantCredit.reply>['lot'] {
  return {
    ...{ id: lot.id, source: lot.source, ...amountOf('amount', lot.amount) },
    ...amountOf('remaining', lot.remaining),
    ...{ priority: lot.priority, expires_at: instantOrNull(lot.expiresAtMs), note: lot.note },
    created_at: formatInstant(lot.createdAtMs),
  }
}
