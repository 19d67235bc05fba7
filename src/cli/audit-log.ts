/** `zendo audit-log export` and `verify`; the other commands of the log are made from its operations. */
import { type Command, Option } from 'commander'
import { type AuditFormat, exportAuditLog } from '../control/audit-log.ts'
import { ALL_ENTRIES } from '../store/audit-log.ts'
import { answerAsOperator, answerFromDatabase, type Session } from './command-line.ts'
import { formatReply } from './reply-text.ts'

export function addAuditLogCommands(program: Command, session: Session): void {
  const log = program.command('audit-log').description('who changed what, and when')
  log
    .command('export')
    .description('write every entry to stdout, oldest first')
    .addOption(
      new Option('--format <format>', 'one JSON document a line, or CSV').choices(['jsonl', 'csv']).default('jsonl'),
    )
    .action(async ({ format }: { readonly format: AuditFormat }, command: Command) => {
      await answerFromDatabase(session, command, async (db) => {
        for await (const lines of exportAuditLog(db, ALL_ENTRIES, format)) session.line.stdout(lines)
        return undefined
      })
    })
  log
    .command('verify')
    .description('look whether the log is whole: no entry changed, left out, put in or cut off; exit code 1 if not')
    .action(async (_options: unknown, command: Command) => {
      await answerAsOperator(session, command, async (operator) => {
        const reply = await operator.run('audit_log.verify', { params: {}, query: {}, body: undefined })
        const { is_whole: isWhole } = reply as { readonly is_whole: boolean }
        return { json: reply, text: formatReply(reply), exitCode: isWhole ? 0 : 1 }
      })
    })
}
