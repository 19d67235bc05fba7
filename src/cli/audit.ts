/** `zendo audit`: re-derives the ledger and shows what disagrees. */
import type { Command } from 'commander'
import { auditLedger } from '../control/audit.ts'
import { type Answer, answerFromDatabase, type Session } from './command-line.ts'
import { formatTable, plural } from './table.ts'

export function addAuditCommand(program: Command, session: Session): void {
  program
    .command('audit')
    .description('re-derive balances, windows and charges from what caused them; exit code 1 on a difference')
    .action((_options: unknown, command: Command) => {
      answerFromDatabase(session, command, (db) => {
        const report = auditLedger(db, { nowMs: session.line.clock() })
        return { json: report, text: formatReport(report), exitCode: report.differences.length === 0 ? 0 : 1 }
      })
    })
}

function formatReport({ checked, differences }: ReturnType<typeof auditLedger>): Answer['text'] {
  const { requests, transfers, entries, windows, accounts } = checked
  const scope = [
    plural(requests, 'request'),
    plural(transfers, 'transfer'),
    plural(entries, 'entry').replace('entrys', 'entries'),
    plural(accounts, 'account'),
    plural(windows, 'window'),
  ]
  const summary = `${scope.join(', ')} checked by ${checked.rules} rules: ${plural(differences.length, 'difference')}.`
  if (differences.length === 0) return summary
  const rows = differences.map(({ rule, subject, expected, found }) => [rule, subject, expected, found])
  const columns = [{ title: 'RULE' }, { title: 'SUBJECT' }, { title: 'EXPECTED' }, { title: 'FOUND' }]
  return `${formatTable(columns, rows, '')}\n\n${summary} Amounts are nano-dollars.`
}
