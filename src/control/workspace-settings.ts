/** Workspaces as their admins and the operator change them: made, renamed, shut and opened, all on record. */
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { type Calendar, UTC_CALENDAR } from '../domain/window.ts'
import { createBalance } from '../store/account.ts'
import type { Database, Sql } from '../store/database.ts'
import {
  insertPersonMember,
  loadWorkspace,
  renameWorkspace,
  setWorkspaceBlocked,
  type WorkspaceRow,
} from '../store/membership.ts'
import { loadPerson } from '../store/person.ts'
import { insertWorkspace, setCalendar } from '../store/workspace.ts'
import { type Acting, changeOnRecord } from './acting.ts'
import { checkTimeZone, checkWeekStart } from './workspace.ts'

export interface WorkspaceRequest extends Partial<Calendar> {
  readonly name: string
  /** The person who becomes its admin; null: nobody yet. */
  readonly adminId: string | null
}

/** A workspace with an empty balance. @throws AppError invalid_request for a person, zone or day that does not exist */
export function createWorkspace(db: Database, acting: Acting, request: WorkspaceRequest): Promise<WorkspaceRow> {
  const { nowMs } = acting
  const id = newId('wrk', nowMs)
  const calendar = checkCalendar(request, UTC_CALENDAR)
  return changeOnRecord(db, acting, async (sql, put) => {
    await insertWorkspace(sql, { id, name: request.name }, nowMs)
    await setCalendar(sql, id, calendar)
    await createBalance(sql, newId('acc', nowMs), id)
    const admin = request.adminId === null ? null : await addAdmin(sql, id, request.adminId, nowMs)
    const after = { name: request.name, ...factsOf(calendar), admin }
    await put({ action: 'workspace.create', workspaceId: id, target: id, after })
    return await requireWorkspace(sql, id)
  })
}

async function addAdmin(sql: Sql, workspaceId: string, personId: string, nowMs: number): Promise<string> {
  const person = await loadPerson(sql, personId)
  if (!person || person.disabledAtMs !== null) {
    throw new AppError('invalid_request', 'There is no such person, or it was disabled.', { param: 'admin' })
  }
  const id = newId('mem', nowMs)
  await insertPersonMember(sql, { id, workspaceId, name: person.name, role: 'admin', personId }, nowMs)
  return id
}

/** Windows that are open end when they were to end. @throws AppError invalid_request for a zone or day that does not exist */
export function updateWorkspace(
  db: Database,
  acting: Acting,
  id: string,
  change: Partial<Calendar> & { readonly name?: string | undefined },
): Promise<WorkspaceRow> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await requireWorkspace(sql, id)
    const calendar = checkCalendar(change, before)
    const name = change.name ?? before.name
    await renameWorkspace(sql, id, name)
    await setCalendar(sql, id, calendar)
    await put({
      ...{ action: 'workspace.update', workspaceId: id, target: id },
      ...{ before: { name: before.name, ...factsOf(before) }, after: { name, ...factsOf(calendar) } },
    })
    return { ...before, name, ...calendar }
  })
}

/** Shuts a workspace: its keys are refused from then on; or opens it again. Doing it twice changes nothing. */
export function setBlocked(
  db: Database,
  acting: Acting,
  id: string,
  isBlocked: boolean,
  reason: string | null,
): Promise<WorkspaceRow> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await requireWorkspace(sql, id)
    if ((before.blockedAtMs !== null) === isBlocked) return before
    const blockedAtMs = isBlocked ? acting.nowMs : null
    await setWorkspaceBlocked(sql, id, blockedAtMs)
    await put({
      ...{ action: isBlocked ? 'workspace.block' : 'workspace.unblock', workspaceId: id, target: id },
      ...{ before: { blocked: !isBlocked }, after: { blocked: isBlocked, reason } },
    })
    return { ...before, blockedAtMs }
  })
}

function checkCalendar(change: Partial<Calendar>, before: Calendar): Calendar {
  return {
    timeZone: change.timeZone === undefined ? before.timeZone : checkTimeZone(change.timeZone),
    weekStart: change.weekStart === undefined ? before.weekStart : checkWeekStart(change.weekStart),
  }
}

function factsOf({ timeZone, weekStart }: Calendar): object {
  return { time_zone: timeZone, week_start: weekStart }
}

async function requireWorkspace(sql: Sql, id: string): Promise<WorkspaceRow> {
  const workspace = await loadWorkspace(sql, id)
  if (!workspace) throw new AppError('not_found', 'There is no such workspace.')
  return workspace
}
