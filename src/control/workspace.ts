/** Which workspace and member a command means: those named, or the only ones; and which calendars there are. */
import { AppError } from '../base/errors.ts'
import type { Sql } from '../store/database.ts'
import { listMembers, listWorkspaces, type Member, type Workspace } from '../store/workspace.ts'

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
