/** `zendo backup`: copies the instance into one file while it serves. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { formatInstant } from '../base/time.ts'
import { makeBackup, rowsOf } from '../control/backup.ts'
import { databasePlaceOf, dataDirOf, globalOptions, type Session } from './command-line.ts'
import { requireDatabase } from './migrate.ts'
import { formatCount, plural } from './table.ts'

export function addBackupCommand(program: Command, session: Session): void {
  program
    .command('backup')
    .description('copy the instance into one file, whether or not a server runs')
    .argument('<file>', 'the file to make; it must not exist')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { line } = session
      const place = databasePlaceOf(line, globalOptions(command))
      requireDatabase(place)
      const dataDir = dataDirOf(line, globalOptions(command))
      const file = resolve(line.cwd, name)
      const { record, bytes, unwritten } = await makeBackup({ place, dataDir, file, nowMs: line.clock() })
      const rows = rowsOf(record)
      const { schema, engine, madeAtMs } = record
      const json = { file, made_at: formatInstant(madeAtMs), engine, schema, bytes, unwritten, rows }
      session.answer = { json, text: `${summary(file, bytes, rows)}${keptApart(dataDir)}` }
    })
}

function summary(file: string, bytes: number, rows: Readonly<Record<string, number>>): string {
  const all = Object.values(rows).reduce((sum, count) => sum + count, 0)
  return `${file}: ${formatCount(Math.ceil(bytes / 1024))} KiB, ${plural(all, 'row')}, ${plural(rows.request ?? 0, 'request')}.`
}

/** What a new machine needs beside it. */
function keptApart(dataDir: string): string {
  const secrets = existsSync(`${dataDir}/secrets.json`) ? `${dataDir}/secrets.json, ` : ''
  return `\nIt holds no secrets: keep ${secrets}the configuration file and what it reads (env:, file:, ZENDO_MASTER_KEY) apart from it.`
}
