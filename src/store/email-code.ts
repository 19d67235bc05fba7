/** SQL of codes by e-mail beyond that of all challenges. */
import type { Sql } from './database.ts'

/** Uses up every code that was sent to an address, whoever asked for it and whether or not it has an account. */
export async function endEmailCodes(sql: Sql, email: string, nowMs: number): Promise<void> {
  await sql.run(
    "UPDATE challenge SET used_at = ? WHERE purpose = 'email_code' AND used_at IS NULL" +
      " AND payload /*postgres ::json */ ->> 'email' = ?",
    nowMs,
    email,
  )
}
