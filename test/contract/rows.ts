/** Rows that the contract tests start from. */
import type { Database, Sql } from '../../src/store/database.ts'

export const WORKSPACE = 'wrk_1'
export const BALANCE = 'acc_1'

/** A workspace with a balance of so much. */
export async function addBalance(db: Database, posted: bigint): Promise<void> {
  await db.write(async (sql) => {
    await addWorkspace(sql, WORKSPACE)
    await sql.run(
      "INSERT INTO account (id, workspace_id, kind, posted) VALUES (?, ?, 'balance', ?)",
      BALANCE,
      WORKSPACE,
      posted,
    )
  })
}

export async function addWorkspace(sql: Sql, id: string, name = id): Promise<void> {
  await sql.run('INSERT INTO workspace (id, name, created_at) VALUES (?, ?, ?)', id, name, 1)
}

export async function countWorkspaces(sql: Sql): Promise<number> {
  const row = await sql.get<{ n: bigint }>('SELECT COUNT(*) AS n FROM workspace')
  return Number(row?.n)
}

/** How many rows a test has put into `revision`, beside those that the schema comes with. */
export async function countOwnRevisions(sql: Sql): Promise<number> {
  const row = await sql.get<{ n: bigint }>(
    "SELECT COUNT(*) AS n FROM revision WHERE name NOT IN ('policy', 'audit_log')",
  )
  return Number(row?.n)
}

export async function heldOf(sql: Sql): Promise<bigint | undefined> {
  return (await sql.get<{ held: bigint }>('SELECT held FROM account WHERE id = ?', BALANCE))?.held
}

/** A row as a plain object: what the engines give differs in its prototype. */
export function fieldsOf(row: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row ?? {}))
}
