/** `zendo restore`: puts a backup in the place of the instance, and audits it. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { AppError } from '../base/errors.ts'
import { formatInstant } from '../base/time.ts'
import { type RestoreReport, restoreBackup } from '../control/restore.ts'
import { checkSecretsFit, type SecretsFit } from '../control/secrets-fit.ts'
import { openDatabase } from '../store/open-database.ts'
import { type Answer, databasePlaceOf, dataDirOf, environmentOf, globalOptions, type Session } from './command-line.ts'
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
      const report = await restoreBackup({ file, place, dataDir, force, nowMs: line.clock() })
      session.answer = answerOf(report, report.rejected === null ? await checkFit(session, command) : null)
    })
}

/** Or why it could not be looked at. */
type Fit = SecretsFit | { readonly reason: string }

/** The secrets are those of the directory and the environment, as the server will have them. */
async function checkFit({ line }: Session, command: Command): Promise<Fit> {
  const options = globalOptions(command)
  const db = await openDatabase(databasePlaceOf(line, options), { nowMs: line.clock() })
  try {
    const { control } = await line.operate(environmentOf(line, options), db, line.clock)
    return await checkSecretsFit(db, control)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { reason: error.message }
  } finally {
    await db.close()
  }
}

function answerOf(report: RestoreReport, fit: Fit | null): Answer {
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
      secrets: fit && {
        own_keys_closed: 'reason' in fit ? null : fit.ownKeys,
        audit_entries_unverified: 'reason' in fit ? null : fit.auditEntries,
        unchecked: 'reason' in fit ? fit.reason : null,
      },
      audit,
    },
    text: [...restoreLines(report), ...fitLines(fit), ...auditLines(report)].join('\n'),
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

/** Nothing where all fits. */
function fitLines(fit: Fit | null): string[] {
  if (fit === null) return []
  const need =
    'Put secrets.json of the instance that was backed up into the data directory, or set its ZENDO_MASTER_KEY, before the server starts: else own keys do not open, the audit log does not verify, and nothing can be changed.'
  if ('reason' in fit) return [`WARNING: it was not looked at whether its secrets are here: ${fit.reason} ${need}`]
  const { ownKeys, auditEntries } = fit
  if (ownKeys === 0 && auditEntries === 0) return []
  const entries = auditEntries === 1 ? '1 entry' : `${auditEntries} entries`
  const what = `${plural(ownKeys, 'own key')} of workspaces cannot be opened, ${entries} of the audit log do not verify`
  return [`WARNING: the secrets that are here are not those of this instance: ${what}. ${need}`]
}

export function auditLines({ audit: { checked, differences } }: Pick<RestoreReport, 'audit'>): string[] {
  const rows = differences.map(({ rule, subject, expected, found }) => [rule, subject, expected, found])
  const columns = [{ title: 'RULE' }, { title: 'SUBJECT' }, { title: 'EXPECTED' }, { title: 'FOUND' }]
  const summary = `Audit: ${plural(checked.requests, 'request')}, ${plural(checked.transfers, 'transfer')} checked by ${checked.rules} rules: ${plural(differences.length, 'difference')}.`
  return [...(rows.length > 0 ? [formatTable(columns, rows, '')] : []), summary]
}
