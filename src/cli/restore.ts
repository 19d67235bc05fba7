/** `zendo restore`: puts a backup in the place of the instance, and audits it. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { formatInstant } from '../base/time.ts'
import { type RestoreReport, restoreBackup } from '../control/restore.ts'
import { type Answer, databasePlaceOf, dataDirOf, globalOptions, type Session } from './command-line.ts'
import { formatTable, plural } from './table.ts'

export function addRestoreCommand(program: Command, session: Session): void {
  program
    .command('restore')
    .description('put a backup in the place of the instance; no server may run; exit code 1 on a difference')
    .argument('<file>', 'what `zendo backup` made')
    .option('--force', 'put aside what is there, under another name; PostgreSQL must be empty all the same')
    .action(async (name: string, { force = false }: { readonly force?: boolean }, command: Command) => {
      const { line } = session
      const options = globalOptions(command)
      const file = resolve(line.cwd, name)
      const place = databasePlaceOf(line, options)
      const dataDir = dataDirOf(line, options)
      session.answer = answerOf(await restoreBackup({ file, place, dataDir, force, nowMs: line.clock() }))
    })
}

function answerOf(report: RestoreReport): Answer {
  const { record, fromSchema, toSchema, settled, released, kept, rejected, audit } = report
  return {
    json: {
      made_at: record ? formatInstant(record.madeAtMs) : null,
      from_schema: fromSchema,
      to_schema: toSchema,
      rows: rowsIn(report),
      settled,
      released,
      kept,
      rejected,
      audit,
    },
    text: [...restoreLines(report), ...auditLines(report)].join('\n'),
    exitCode: audit.differences.length === 0 ? 0 : 1,
  }
}

export function rowsIn({ digests }: Pick<RestoreReport, 'digests'>): Record<string, number> {
  return Object.fromEntries(Object.entries(digests).map(([name, { rows }]) => [name, rows]))
}

function restoreLines({ record, kept, rejected, settled, released }: RestoreReport): string[] {
  const lines = [
    record
      ? `Made on ${formatInstant(record.madeAtMs)}.`
      : 'It is a database that no backup made: only its pages could be checked.',
  ]
  if (settled > 0) lines.push(`Charged as its spill says: ${plural(settled, 'request')}.`)
  if (released > 0) lines.push(`Were under way, and are not charged: ${plural(released, 'request')}.`)
  for (const path of kept) lines.push(`What was there before is kept as ${path}.`)
  if (rejected === null) lines.push('It is in place; start the server.')
  else lines.push(`It is NOT in place: its audit found differences. It lies at ${rejected}.`)
  return lines
}

export function auditLines({ audit: { checked, differences } }: Pick<RestoreReport, 'audit'>): string[] {
  const rows = differences.map(({ rule, subject, expected, found }) => [rule, subject, expected, found])
  const columns = [{ title: 'RULE' }, { title: 'SUBJECT' }, { title: 'EXPECTED' }, { title: 'FOUND' }]
  const summary = `Audit: ${plural(checked.requests, 'request')}, ${plural(checked.transfers, 'transfer')} checked by ${checked.rules} rules: ${plural(differences.length, 'difference')}.`
  return [...(rows.length > 0 ? [formatTable(columns, rows, '')] : []), summary]
}
