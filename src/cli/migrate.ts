/** `zendo migrate`: brings the database to the newest schema, or the instance to another database. */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { migrateSchema, moveInstance } from '../control/migrate-instance.ts'
import type { RestoreReport } from '../control/restore.ts'
import type { DatabasePlace } from '../store/open-database.ts'
import { type Answer, CommandError, databasePlaceOf, dataDirOf, globalOptions, type Session } from './command-line.ts'
import { auditLines, rowsIn } from './restore.ts'
import { plural } from './table.ts'

interface MigrateOptions {
  readonly to?: string
  readonly from?: string
}

export function addMigrateCommand(program: Command, session: Session): void {
  program
    .command('migrate')
    .description('bring the database to the newest schema, or with --to the instance to another database')
    .option('--to <database>', 'an empty PostgreSQL database (postgres://…), or a file that does not exist')
    .option('--from <file>', 'the SQLite database to take; else the one that the servers use')
    .action(async (options: MigrateOptions, command: Command) => {
      const { line } = session
      const globals = globalOptions(command)
      const from: DatabasePlace =
        options.from === undefined ? databasePlaceOf(line, globals) : { path: resolve(line.cwd, options.from) }
      requireDatabase(from)
      const dataDir = options.from !== undefined && 'path' in from ? dirname(from.path) : dataDirOf(line, globals)
      const nowMs = line.clock()
      if (options.to === undefined) {
        session.answer = await schemaAnswer(from, dataDir, nowMs)
        return
      }
      const to = placeNamed(options.to, line.cwd)
      session.answer = moveAnswer(await moveInstance({ from, to, dataDir, nowMs }), to)
    })
}

/** Opening would make an empty database. */
export function requireDatabase(place: DatabasePlace): void {
  if ('url' in place || existsSync(place.path)) return
  throw new CommandError(
    'no_database',
    `there is no database at ${place.path}: run \`npm start\` first, or set --data-dir`,
  )
}

function placeNamed(text: string, cwd: string): DatabasePlace {
  return /^postgres(?:ql)?:\/\//.test(text) ? { url: text } : { path: resolve(cwd, text) }
}

async function schemaAnswer(place: DatabasePlace, dataDir: string, nowMs: number): Promise<Answer> {
  const { engine, fromSchema, toSchema } = await migrateSchema(place, dataDir, nowMs)
  const text =
    fromSchema === toSchema
      ? `The database has the newest schema, ${toSchema}.`
      : `The database went from schema ${fromSchema} to ${toSchema}.`
  return { json: { engine, from_schema: fromSchema, to_schema: toSchema }, text }
}

function moveAnswer(report: RestoreReport, to: DatabasePlace): Answer {
  const { fromSchema, toSchema, settled, released, rejected, audit } = report
  const engine = 'url' in to ? 'postgres' : 'sqlite'
  const rows = rowsIn(report)
  const all = Object.values(rows).reduce((sum, count) => sum + count, 0)
  const lines = [
    `${plural(all, 'row')} of ${plural(Object.keys(rows).length, 'table')} copied and compared.`,
    ...(settled > 0 ? [`Charged as the spill says: ${plural(settled, 'request')}.`] : []),
    ...(released > 0 ? [`Were under way, and are not charged: ${plural(released, 'request')}.`] : []),
    ...auditLines(report),
    rejected === null ? next(to) : `Nothing was copied: the audit found differences. The copy lies at ${rejected}.`,
  ]
  return {
    json: { engine, from_schema: fromSchema, to_schema: toSchema, rows, settled, released, rejected, audit },
    text: lines.join('\n'),
    exitCode: audit.differences.length === 0 ? 0 : 1,
  }
}

/** An address may hold a password, and is not repeated. */
function next(to: DatabasePlace): string {
  if ('url' in to) return 'Now set DATABASE_URL to the address given with --to, and start the server.'
  return `Now unset DATABASE_URL, set ZENDO_DATA_DIR to ${dirname(to.path)} (where it must be named zendo.db), and start the server.`
}
