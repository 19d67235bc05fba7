/** SQL of invitations: what was sent out is known here by its hash alone. */
import type { Sql } from './database.ts'
import type { Role } from './membership.ts'

export interface Invite {
  readonly id: string
  readonly workspaceId: string
  /** In lower case; null: whoever has the link. */
  readonly email: string | null
  readonly role: Role
  /** The member who made it; the person, where an operator did who is no member; or `shell`. */
  readonly invitedBy: string
  /** Whether the link went to the address by mail and was shown to nobody. */
  readonly byMail: boolean
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly acceptedAtMs: number | null
  /** The person. */
  readonly acceptedBy: string | null
  readonly revokedAtMs: number | null
}

export type NewInvite = Omit<Invite, 'acceptedAtMs' | 'acceptedBy' | 'revokedAtMs'> & { readonly hash: string }

interface Row {
  readonly id: string
  readonly workspace_id: string
  readonly email: string | null
  readonly role: Role
  readonly invited_by: string
  readonly by_mail: bigint
  readonly created_at: bigint
  readonly expires_at: bigint
  readonly accepted_at: bigint | null
  readonly accepted_by: string | null
  readonly revoked_at: bigint | null
}

const SELECT_INVITES =
  'SELECT id, workspace_id, email, role, invited_by, by_mail, created_at, expires_at, accepted_at, accepted_by,' +
  ' revoked_at FROM invite'

function inviteOf(row: Row): Invite {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    email: row.email,
    role: row.role,
    invitedBy: row.invited_by,
    byMail: row.by_mail === 1n,
    createdAtMs: Number(row.created_at),
    expiresAtMs: Number(row.expires_at),
    acceptedAtMs: row.accepted_at === null ? null : Number(row.accepted_at),
    acceptedBy: row.accepted_by,
    revokedAtMs: row.revoked_at === null ? null : Number(row.revoked_at),
  }
}

export async function insertInvite(sql: Sql, invite: NewInvite): Promise<void> {
  await sql.run(
    'INSERT INTO invite (id, workspace_id, hash, email, role, invited_by, by_mail, created_at, expires_at)' +
      ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...[invite.id, invite.workspaceId, invite.hash, invite.email, invite.role, invite.invitedBy],
    ...[invite.byMail ? 1 : 0, invite.createdAtMs, invite.expiresAtMs],
  )
}

/** An invitation of that workspace, whatever became of it. */
export async function loadInvite(sql: Sql, workspaceId: string, id: string): Promise<Invite | undefined> {
  const row = await sql.get<Row>(`${SELECT_INVITES} WHERE workspace_id = ? AND id = ?`, workspaceId, id)
  return row && inviteOf(row)
}

/** The invitation that somebody holds, while it can be accepted. */
export async function findOpenInvite(sql: Sql, hash: string, nowMs: number): Promise<Invite | undefined> {
  const row = await sql.get<Row>(
    `${SELECT_INVITES} WHERE hash = ? AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ?`,
    hash,
    nowMs,
  )
  return row && inviteOf(row)
}

/** Behind an id, oldest first, whatever became of them. */
export async function listInvites(sql: Sql, workspaceId: string, after: string, limit: number): Promise<Invite[]> {
  const where = `${SELECT_INVITES} WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?`
  return (await sql.all<Row>(where, workspaceId, after, limit)).map(inviteOf)
}

/** The invitation of a workspace that an address can still accept. */
export async function findInviteFor(
  sql: Sql,
  workspaceId: string,
  email: string,
  nowMs: number,
): Promise<Invite | undefined> {
  const where =
    `${SELECT_INVITES} WHERE workspace_id = ? AND email = ?` +
    ' AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ? LIMIT 1'
  const row = await sql.get<Row>(where, workspaceId, email, nowMs)
  return row && inviteOf(row)
}

/** How many were made since an instant, and how many of all could be accepted now. */
export async function countInvites(
  sql: Sql,
  workspaceId: string,
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
): Promise<{ readonly recent: number; readonly open: number }> {
  const row = await sql.get<{ recent: bigint | null; open: bigint | null }>(
    'SELECT SUM(CASE WHEN created_at > ? THEN 1 ELSE 0 END) AS recent,' +
      ' SUM(CASE WHEN accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ? THEN 1 ELSE 0 END) AS open' +
      ' FROM invite WHERE workspace_id = ?',
    sinceMs,
    nowMs,
    workspaceId,
  )
  return { recent: Number(row?.recent ?? 0n), open: Number(row?.open ?? 0n) }
}

/** Returns whether it could still be accepted. */
export async function revokeInvite(sql: Sql, id: string, nowMs: number): Promise<boolean> {
  const set = 'UPDATE invite SET revoked_at = ? WHERE id = ? AND accepted_at IS NULL AND revoked_at IS NULL'
  return (await sql.run(set, nowMs, id)) === 1
}

/** Another link in place of the one that was given out, and on whose behalf. */
export async function renewInvite(
  sql: Sql,
  invite: Pick<NewInvite, 'id' | 'hash' | 'invitedBy' | 'byMail' | 'expiresAtMs'>,
): Promise<void> {
  await sql.run(
    'UPDATE invite SET hash = ?, invited_by = ?, by_mail = ?, expires_at = ?' +
      ' WHERE id = ? AND accepted_at IS NULL AND revoked_at IS NULL',
    ...[invite.hash, invite.invitedBy, invite.byMail ? 1 : 0, invite.expiresAtMs, invite.id],
  )
}

/** Uses it up. Returns false for whoever comes second. */
export async function acceptInvite(
  sql: Sql,
  accepted: { readonly id: string; readonly personId: string },
  nowMs: number,
): Promise<boolean> {
  const { id, personId } = accepted
  const set =
    'UPDATE invite SET accepted_at = ?, accepted_by = ?' +
    ' WHERE id = ? AND accepted_at IS NULL AND revoked_at IS NULL'
  return (await sql.run(set, nowMs, personId, id)) === 1
}
