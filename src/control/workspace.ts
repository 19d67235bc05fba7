/** Finds the workspace and member that a command means: the ones named, or the only ones there are. */
import { AppError } from '../base/errors.ts'
import type { Database } from '../store/database.ts'
import { listMembers, listWorkspaces, type Member, type Workspace } from '../store/workspace.ts'

/** By id or name. @throws AppError invalid_request when there is none, or several and none was named. */
export function findWorkspace(db: Database, wanted: string | undefined): Workspace {
  return findOne('workspace', listWorkspaces(db), wanted)
}

/** By id or name, within a workspace. @throws AppError invalid_request as `findWorkspace`. */
export function findMember(db: Database, workspaceId: string, wanted: string | undefined): Member {
  return findOne('member', listMembers(db, workspaceId), wanted)
}

function findOne<T extends { readonly id: string; readonly name: string }>(
  what: string,
  all: readonly T[],
  wanted: string | undefined,
): T {
  const matching = wanted === undefined ? all : all.filter(({ id, name }) => id === wanted || name === wanted)
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
