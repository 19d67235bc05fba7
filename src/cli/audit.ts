/** `zendo audit`: re-derives the ledger and shows what disagrees. */
import type { Command } from 'commander'
import { AppError } from '../base/errors.ts'
import { formatUsd } from '../base/money.ts'
import { type AuditReport, auditLedger } from '../control/audit.ts'
import type { Database } from '../store/database.ts'
import {
  answerFromDatabase,
  type CommandLine,
  type Environment,
  environmentOf,
  globalOptions,
  type Session,
} from './command-line.ts'
import { formatTable, plural } from './table.ts'

export function addAuditCommand(program: Command, session: Session): void {
  program
    .command('audit')
    .description(
      're-derive balances, meters and charges from what caused them, and walk the audit log; exit code 1 on a difference',
    )
    .action((_options: unknown, command: Command) =>
      answerFromDatabase(session, command, async (db) => {
        const { line } = session
        const trailKeys = await findTrailKeys(line, environmentOf(line, globalOptions(command)), db)
        const report = await auditLedger(db, { nowMs: line.clock(), ...(trailKeys && { trailKeys }) })
        return { json: report, text: formatReport(report), exitCode: report.differences.length === 0 ? 0 : 1 }
      }),
    )
}

/** Null, with a word on stderr, where the instance's secrets are not: money can be audited all the same. */
async function findTrailKeys(line: CommandLine, env: Environment, db: Database): Promise<readonly string[] | null> {
  try {
    return (await line.operate(env, db, line.clock)).control.trailKeys
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    line.stderr(`The hashes of the audit log are not checked: ${error.message}\n`)
    return null
  }
}

function formatReport({ checked, figures, differences }: AuditReport): string {
  const { requests, transfers, entries, meters, lots, accounts } = checked
  const scope = [
    plural(requests, 'request'),
    plural(transfers, 'transfer'),
    plural(entries, 'entry').replace('entrys', 'entries'),
    plural(accounts, 'account'),
    plural(lots, 'lot'),
    plural(meters, 'meter'),
  ]
  const summary = `${scope.join(', ')} checked by ${checked.rules} rules: ${plural(differences.length, 'difference')}.`
  const lines = [...formatFigures(checked, figures), summary]
  if (differences.length === 0) return lines.join('\n')
  const rows = differences.map(({ rule, subject, expected, found }) => [rule, subject, expected, found])
  const columns = [{ title: 'RULE' }, { title: 'SUBJECT' }, { title: 'EXPECTED' }, { title: 'FOUND' }]
  return `${formatTable(columns, rows, '')}\n\n${lines.join('\n')} Amounts are nano-dollars.`
}

/** What there is to tell, a line each. */
function formatFigures({ held }: AuditReport['checked'], figures: AuditReport['figures']): string[] {
  const lines: string[] = []
  if (held > 0) {
    const unattended = figures.unattended > 0 ? `; for ${figures.unattended} of them no process answers` : ''
    lines.push(`Under way: ${plural(held, 'request')}, for $${formatUsd(BigInt(figures.held_nano))}${unattended}.`)
  }
  if (figures.late > 0) {
    const cost = formatUsd(BigInt(figures.late_nano))
    lines.push(`Reported too late: ${plural(figures.late, 'request')}, for $${cost}, never charged.`)
  }
  if (figures.written_off_nano !== '0') {
    lines.push(`Written off: $${formatUsd(BigInt(figures.written_off_nano))}.`)
  }
  return lines
}
