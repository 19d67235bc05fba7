/** SQL of who belongs to which workspace, and in which role. */
import type { Sql } from './database.ts'
import type { Workspace } from './workspace.ts'

export type Role = 'admin' | 'member'

export interface Membership {
  readonly id: string
  readonly workspaceId: string
  readonly role: Role
}

/** A workspace with what its operator decided. */
export interface WorkspaceRow extends Workspace {
  readonly createdAtMs: number
  /** Null: open. */
  readonly blockedAtMs: number | null
}

/** A member with the person behind it, if there is one. */
export interface MemberRow extends Membership {
  readonly name: string
  readonly createdAtMs: number
  readonly removedAtMs: number | null
  readonly person: MemberPerson | null
}

export interface MemberPerson {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly isDisabled: boolean
  /** Whether somebody has shown that the address is its own. */
  readonly isProved: boolean
}

interface RawWorkspace {
  readonly id: string
  readonly name: string
  readonly time_zone: string
  readonly week_start: bigint
  readonly created_at: bigint
  readonly blocked_at: bigint | null
}

function workspaceOf(row: RawWorkspace): WorkspaceRow {
  return {
    id: row.id,
    name: row.name,
    timeZone: row.time_zone,
    weekStart: Number(row.week_start),
    createdAtMs: Number(row.created_at),
    blockedAtMs: row.blocked_at === null ? null : Number(row.blocked_at),
  }
}

/** A workspace by its id. */
export async function loadWorkspace(sql: Sql, id: string): Promise<WorkspaceRow | undefined> {
  const row = await sql.get<RawWorkspace>(
    'SELECT id, name, time_zone, week_start, created_at, blocked_at FROM workspace WHERE id = ?',
    id,
  )
  return row && workspaceOf(row)
}

/** All of them behind an id, oldest first. */
export async function listAllWorkspaces(sql: Sql, after: string, limit: number): Promise<WorkspaceRow[]> {
  const rows = await sql.all<RawWorkspace>(
    'SELECT id, name, time_zone, week_start, created_at, blocked_at FROM workspace WHERE id > ? ORDER BY id LIMIT ?',
    after,
    limit,
  )
  return rows.map(workspaceOf)
}

/** Those that a person belongs to, oldest first. */
export async function listWorkspacesOf(
  sql: Sql,
  personId: string,
  after: string,
  limit: number,
): Promise<WorkspaceRow[]> {
  const rows = await sql.all<RawWorkspace>(
    'SELECT w.id, w.name, w.time_zone, w.week_start, w.created_at, w.blocked_at' +
      ' FROM member m JOIN workspace w ON w.id = m.workspace_id' +
      ' WHERE m.person_id = ? AND m.removed_at IS NULL AND w.id > ? ORDER BY w.id LIMIT ?',
    personId,
    after,
    limit,
  )
  return rows.map(workspaceOf)
}

export async function renameWorkspace(sql: Sql, id: string, name: string): Promise<void> {
  await sql.run('UPDATE workspace SET name = ? WHERE id = ?', name, id)
}

/** Null opens it again. */
export async function setWorkspaceBlocked(sql: Sql, id: string, blockedAtMs: number | null): Promise<void> {
  await sql.run('UPDATE workspace SET blocked_at = ? WHERE id = ?', blockedAtMs, id)
}

/** A person's membership that was not ended. */
export function loadMembership(sql: Sql, workspaceId: string, personId: string): Promise<Membership | undefined> {
  return sql.get<Membership>(
    'SELECT id, workspace_id AS "workspaceId", role FROM member' +
      ' WHERE workspace_id = ? AND person_id = ? AND removed_at IS NULL',
    workspaceId,
    personId,
  )
}

interface RawMember {
  readonly id: string
  readonly workspace_id: string
  readonly name: string
  readonly role: Role
  readonly created_at: bigint
  readonly removed_at: bigint | null
  readonly person_id: string | null
  readonly email: string | null
  readonly person_name: string | null
  readonly disabled_at: bigint | null
  readonly email_proved_at: bigint | null
}

const SELECT_MEMBERS =
  'SELECT m.id, m.workspace_id, m.name, m.role, m.created_at, m.removed_at, m.person_id,' +
  ' p.email, p.name AS person_name, p.disabled_at, p.email_proved_at FROM member m LEFT JOIN person p ON p.id = m.person_id'

function memberOf(row: RawMember): MemberRow {
  const { person_id: personId, email, person_name: personName } = row
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    name: row.name,
    role: row.role,
    createdAtMs: Number(row.created_at),
    removedAtMs: row.removed_at === null ? null : Number(row.removed_at),
    person:
      personId === null || email === null || personName === null
        ? null
        : {
            ...{ id: personId, email, name: personName, isDisabled: row.disabled_at !== null },
            isProved: row.email_proved_at !== null,
          },
  }
}

/** A member of that workspace who was not removed. */
export async function loadMember(sql: Sql, workspaceId: string, id: string): Promise<MemberRow | undefined> {
  const where = `${SELECT_MEMBERS} WHERE m.workspace_id = ? AND m.id = ? AND m.removed_at IS NULL`
  const row = await sql.get<RawMember>(where, workspaceId, id)
  return row && memberOf(row)
}

/** The member that a person was in a workspace before it was removed, if it ever was; the latest. */
export async function loadFormerMember(
  sql: Sql,
  workspaceId: string,
  personId: string,
): Promise<MemberRow | undefined> {
  const where = `${SELECT_MEMBERS} WHERE m.workspace_id = ? AND m.person_id = ? AND m.removed_at IS NOT NULL`
  const row = await sql.get<RawMember>(`${where} ORDER BY m.id DESC LIMIT 1`, workspaceId, personId)
  return row && memberOf(row)
}

/** Members who were not removed, oldest first; with `only`, no other than that one. */
export async function listMemberRows(
  sql: Sql,
  workspaceId: string,
  { after, limit, only }: { readonly after: string; readonly limit: number; readonly only: string | null },
): Promise<MemberRow[]> {
  const rows = await sql.all<RawMember>(
    `${SELECT_MEMBERS} WHERE m.workspace_id = ? AND m.removed_at IS NULL AND m.id > ?` +
      ' AND (CAST(? AS TEXT) IS NULL OR m.id = ?) ORDER BY m.id LIMIT ?',
    workspaceId,
    after,
    only,
    only,
    limit,
  )
  return rows.map(memberOf)
}

/** Everybody who may administer a workspace, whether somebody is behind it or not. */
export async function listAdmins(sql: Sql, workspaceId: string): Promise<MemberRow[]> {
  const where = `${SELECT_MEMBERS} WHERE m.workspace_id = ? AND m.role = 'admin' AND m.removed_at IS NULL ORDER BY m.id`
  return (await sql.all<RawMember>(where, workspaceId)).map(memberOf)
}

export async function countMembers(sql: Sql, workspaceId: string): Promise<number> {
  const row = await sql.get<{ count: bigint }>(
    'SELECT COUNT(*) AS count FROM member WHERE workspace_id = ? AND removed_at IS NULL',
    workspaceId,
  )
  return Number(row?.count ?? 0n)
}

export async function insertPersonMember(
  sql: Sql,
  member: Membership & { readonly name: string; readonly personId: string },
  nowMs: number,
): Promise<void> {
  await sql.run(
    'INSERT INTO member (id, workspace_id, name, role, person_id, created_at) VALUES (?, ?, ?, ?, ?, ?)',
    ...[member.id, member.workspaceId, member.name, member.role, member.personId, nowMs],
  )
}

/** Whatever a role map said of it before counts no longer. */
export async function setMemberRole(sql: Sql, id: string, role: Role): Promise<void> {
  await sql.run('UPDATE member SET role = ?, mapped_by = NULL, hand_role = NULL WHERE id = ?', role, id)
}

export async function renameMember(sql: Sql, id: string, name: string): Promise<void> {
  await sql.run('UPDATE member SET name = ? WHERE id = ?', name, id)
}

/** Null takes it back in. Either way no role map has given it any longer. */
export async function setMemberRemoved(sql: Sql, id: string, removedAtMs: number | null): Promise<void> {
  await sql.run('UPDATE member SET removed_at = ?, mapped_by = NULL, hand_role = NULL WHERE id = ?', removedAtMs, id)
}

/** Returns how many keys that makes useless. */
export function revokeKeysOf(sql: Sql, memberId: string, nowMs: number): Promise<number> {
  return sql.run('UPDATE api_key SET revoked_at = ? WHERE member_id = ? AND revoked_at IS NULL', nowMs, memberId)
}

/** How many keys each member of a workspace has that were not revoked; members without any are left out. */
export async function countKeys(sql: Sql, workspaceId: string): Promise<Map<string, number>> {
  const rows = await sql.all<{ member_id: string; count: bigint }>(
    'SELECT member_id, COUNT(*) AS count FROM api_key WHERE workspace_id = ? AND revoked_at IS NULL GROUP BY member_id',
    workspaceId,
  )
  return new Map(rows.map(({ member_id: id, count }) => [id, Number(count)]))
}

export interface SessionStanding {
  readonly isOperator: boolean
  /** When its person last proved who it is, and so got the token that opens it. */
  readonly authenticatedAtMs: number
  readonly expiresAtMs: number
}

/** Whether a session is in use, and what its person is now; undefined once it was ended or the person disabled. */
export async function loadSessionStanding(sql: Sql, sessionId: string): Promise<SessionStanding | undefined> {
  const row = await sql.get<{ is_operator: bigint; authenticated_at: bigint; expires_at: bigint }>(
    'SELECT p.is_operator, s.authenticated_at, s.expires_at FROM session s JOIN person p ON p.id = s.person_id' +
      ' WHERE s.id = ? AND s.ended_at IS NULL AND p.disabled_at IS NULL',
    sessionId,
  )
  return (
    row && {
      isOperator: row.is_operator === 1n,
      authenticatedAtMs: Number(row.authenticated_at),
      expiresAtMs: Number(row.expires_at),
    }
  )
}
