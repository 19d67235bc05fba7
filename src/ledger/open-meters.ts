/** Reads the meters that holds may take of: those that are open, and the last of each name that has none. */
import type { Sql } from '../store/database.ts'
import { listOpenMeters, loadLastMeter, type MeterRow } from '../store/meter.ts'
import type { HoldCommand } from './command.ts'
import { type MeterName, metersOfHold } from './hold.ts'

export async function loadOpenMeters(sql: Sql, commands: readonly HoldCommand[]): Promise<MeterRow[]> {
  const earliest = new Map<string, number>()
  const names = new Map<string, MeterName>()
  for (const command of commands) {
    const { createdAtMs } = command.request
    for (const wanted of metersOfHold(command)) {
      const { subjectId, name } = wanted
      names.set(`${subjectId} ${name}`, wanted)
      earliest.set(subjectId, Math.min(earliest.get(subjectId) ?? createdAtMs, createdAtMs))
    }
  }
  const open = await Promise.all([...earliest].map(([subjectId, nowMs]) => listOpenMeters(sql, subjectId, nowMs)))
  const found = open.flat()
  for (const { subjectId, name } of found) names.delete(`${subjectId} ${name}`)
  if (names.size === 0) return found
  const last = await Promise.all([...names.values()].map(({ subjectId, name }) => loadLastMeter(sql, subjectId, name)))
  return [...found, ...last.filter((row) => row !== undefined)]
}
