/** Workspaces and their calendars; and which workspace and member a command means: those named, or the only ones. */
import { AppError } from '../base/errors.ts'
import type { Calendar } from '../domain/window.ts'
import type { Database, Sql } from '../store/database.ts'
import { listMembers, listWorkspaces, type Member, setCalendar, type Workspace } from '../store/workspace.ts'
import { changePolicy } from './policy.ts'

/** By id or name. @throws AppError invalid_request when there is none, or several and none was named. */
export async function findWorkspace(sql: Sql, wanted: string | undefined): Promise<Workspace> {
  return findOne('workspace', await listWorkspaces(sql), wanted)
}

/** By id or name, within a workspace. @throws AppError invalid_request as `findWorkspace`. */
export async function findMember(sql: Sql, workspaceId: string, wanted: string | undefined): Promise<Member> {
  return findOne('member', await listMembers(sql, workspaceId), wanted)
}

function findOne<T extends { readonly id: string; readonly name: string }>(
  what: string,
  all: readonly T[],
  wanted: string | undefined,
): T {
  // Names are anybody's choice: one that is spelled like an id takes nobody's place.
  const named = all.find(({ id }) => id === wanted)
  if (named) return named
  const matching = wanted === undefined ? all : all.filter(({ name }) => name === wanted)
  const [first, second] = matching
  if (first !== undefined && second === undefined) return first
  if (first === undefined) {
    throw new AppError(
      'invalid_request',
      wanted === undefined ? `there is no ${what}` : `there is no ${what} ${wanted}`,
    )
  }
  throw new AppError('invalid_request', `there are several: say which with --${what} <id>`)
}

/**
 * Changes whose midnights, and which weeks, the calendar windows and caps of a workspace follow. Windows that are open
 * end when they were to end. @throws AppError invalid_request for a zone or day that does not exist.
 */
export function changeCalendar(db: Database, workspaceId: string, change: Partial<Calendar>): Promise<Workspace> {
  return changePolicy(db, async (sql) => {
    const workspace = await findWorkspace(sql, workspaceId)
    const timeZone = change.timeZone === undefined ? workspace.timeZone : checkTimeZone(change.timeZone)
    const weekStart = change.weekStart === undefined ? workspace.weekStart : checkWeekStart(change.weekStart)
    await setCalendar(sql, workspace.id, { timeZone, weekStart })
    return { ...workspace, timeZone, weekStart }
  })
}

/**
 * The name as it is spelled. A fixed offset is refused: it is nobody's calendar, and keeps no summer time.
 * @throws AppError invalid_request
 */
export function checkTimeZone(name: string): string {
  const wrong = new AppError('invalid_request', 'the time zone is not a name like Europe/Berlin or UTC')
  if (!/^[A-Za-z][\w+\-/]{0,63}$/.test(name)) throw wrong
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).timeZoneId
  } catch {
    throw wrong
  }
}

/** @throws AppError invalid_request */
export function checkWeekStart(day: number): number {
  if (Number.isInteger(day) && day >= 1 && day <= 7) return day
  throw new AppError('invalid_request', 'a week starts on a day from 1, Monday, to 7, Sunday')
}
