/** Caps on what is spent of the balance. */
import { AppError } from '../base/errors.ts'
import { listCaps, removeCap, setCap } from '../contract/caps.ts'
import * as caps from '../control/cap.ts'
import type { Workspace } from '../store/workspace.ts'
import { type OperationContext, serve } from './operation-route.ts'
import { readPage, toPage } from './page.ts'
import { placeOf } from './place.ts'
import type { RouteDefinition } from './routes.ts'

export const capRoutes: readonly RouteDefinition[] = [
  serve(listCaps, async (context, { query }) => {
    const { limit, after = '' } = readPage(query)
    const all = (await listVisible(context)).toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const rows = all.filter(({ id }) => id > after).slice(0, limit + 1)
    return toPage(rows, limit, ({ id }) => id, view)
  }),
  serve(setCap, async (context, { body: { scope, subject, unit, limit } }) => {
    const { control, acting } = context
    const { workspaceId } = placeOf(context)
    const wanted = { workspaceId, scope, subjectId: subject, unit, limit: caps.parseCapAmount(limit) }
    const set = await caps.setCap(control.database, acting, wanted)
    const found = (await listVisible(context)).find(({ id }) => id === set.id)
    if (!found) throw new AppError('conflict', 'The cap was removed in the same moment.')
    return view(found)
  }),
  serve(removeCap, async (context, { params: { cap } }) => {
    const { control, acting } = context
    await caps.removeCap(control.database, acting, placeOf(context).workspaceId, cap)
    return undefined
  }),
]

/** All of them for admins; for others the workspace's, their own and those of their keys. */
async function listVisible(context: OperationContext): Promise<caps.ListedCap[]> {
  const { control, acting, place } = context
  const { workspaceId, only } = placeOf(context)
  const workspace = place?.workspace as Workspace
  const all = await caps.listCapReports(control.database, workspace, acting.nowMs)
  if (only === null) return all
  const subjects = new Set([workspaceId, only, ...(await caps.listKeyIds(control.database, workspaceId, only))])
  return all.filter(({ subject }) => subjects.has(subject))
}

function view({ effective: _, ...cap }: caps.ListedCap) {
  return cap
}
