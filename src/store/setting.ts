/** SQL of settings that were changed at run time. */
import type { Sql } from './database.ts'

export interface StoredSetting {
  readonly name: string
  /** JSON. */
  readonly value: string
}

export function listSettings(sql: Sql): Promise<StoredSetting[]> {
  return sql.all<StoredSetting>('SELECT name, value FROM setting ORDER BY name')
}

export async function saveSetting(sql: Sql, { name, value }: StoredSetting, nowMs: number): Promise<void> {
  await sql.run(
    'INSERT INTO setting (name, value, changed_at) VALUES (?, ?, ?)' +
      ' ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at',
    ...[name, value, nowMs],
  )
}

/** Whether there was one. */
export async function deleteSetting(sql: Sql, name: string): Promise<boolean> {
  return (await sql.run('DELETE FROM setting WHERE name = ?', name)) === 1
}

export async function loadSetting(sql: Sql, name: string): Promise<string | undefined> {
  return (await sql.get<StoredSetting>('SELECT name, value FROM setting WHERE name = ?', name))?.value
}

/** Saves it where there is none; who comes second changes nothing. */
export async function claimSetting(sql: Sql, { name, value }: StoredSetting, nowMs: number): Promise<void> {
  await sql.run(
    'INSERT INTO setting (name, value, changed_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING',
    ...[name, value, nowMs],
  )
}
