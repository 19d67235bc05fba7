/** SQL of answers that are kept for a repetition of the same write: claimed before the work, filled in after it. */
import type { Sql } from './database.ts'

/** Whose, and under which name. */
export interface ReplyName {
  readonly principal: string
  readonly name: string
}

export interface KeptReply {
  /** Of what was asked. */
  readonly digest: string
  /** Null while the first request is under way, or after the process that worked on it died. */
  readonly status: number | null
  /** JSON; null for an answer without content. */
  readonly body: string | null
}

export interface ReplyClaim extends ReplyName {
  readonly digest: string
  readonly nowMs: number
  /** Answers from then or before are forgotten. */
  readonly expiredAtMs: number
  /** A claim that nobody has renewed since then is nobody's. */
  readonly abandonedAtMs: number
}

/** Undefined when the name is now the caller's, else what stands there. Call it in a transaction of its own. */
export async function claimReply(sql: Sql, claim: ReplyClaim): Promise<KeptReply | undefined> {
  const { principal, name, digest, nowMs, expiredAtMs, abandonedAtMs } = claim
  await sql.run(
    'DELETE FROM kept_reply WHERE principal = ? AND name = ?' +
      ' AND (created_at <= ? OR (status IS NULL AND created_at <= ?))',
    ...[principal, name, expiredAtMs, abandonedAtMs],
  )
  const claimed = await sql.run(
    'INSERT INTO kept_reply (principal, name, digest, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ...[principal, name, digest, nowMs],
  )
  if (claimed === 1) return undefined
  const row = await sql.get<{ digest: string; status: bigint | null; body: string | null }>(
    'SELECT digest, status, body FROM kept_reply WHERE principal = ? AND name = ?',
    ...[principal, name],
  )
  if (!row) throw new Error('a claimed answer went missing inside its transaction')
  return { ...row, status: row.status === null ? null : Number(row.status) }
}

/** Says that the work goes on. @param sinceMs when it was claimed, or last renewed @returns whether it is still the caller's */
export async function renewClaim(sql: Sql, at: ReplyName, sinceMs: number, nowMs: number): Promise<boolean> {
  const renewed = await sql.run(
    'UPDATE kept_reply SET created_at = ? WHERE principal = ? AND name = ? AND created_at = ? AND status IS NULL',
    ...[nowMs, at.principal, at.name, sinceMs],
  )
  return renewed === 1
}

/** @param sinceMs as for {@link renewClaim}: what was taken over meanwhile is left alone */
export async function keepReply(
  sql: Sql,
  at: ReplyName,
  sinceMs: number,
  reply: Pick<KeptReply, 'status' | 'body'>,
): Promise<void> {
  await sql.run(
    'UPDATE kept_reply SET status = ?, body = ? WHERE principal = ? AND name = ? AND created_at = ? AND status IS NULL',
    ...[reply.status, reply.body, at.principal, at.name, sinceMs],
  )
}

/** Nothing was done: the next request may use the name. */
export async function releaseClaim(sql: Sql, at: ReplyName, sinceMs: number): Promise<void> {
  await sql.run(
    'DELETE FROM kept_reply WHERE principal = ? AND name = ? AND created_at = ? AND status IS NULL',
    ...[at.principal, at.name, sinceMs],
  )
}

export async function deleteRepliesBefore(sql: Sql, beforeMs: number): Promise<void> {
  await sql.run('DELETE FROM kept_reply WHERE created_at < ?', beforeMs)
}
