/** `zendo audit-log export`: who changed what, on stdout; the other commands of the log are made from its operations. */
import { type Command, Option } from 'commander'
import { type AuditFormat, exportAuditLog } from '../control/audit-log.ts'
import { ALL_ENTRIES } from '../store/audit-log.ts'
import { answerFromDatabase, type Session } from './command-line.ts'

export function addAuditLogCommands(program: Command, session: Session): void {
  program
    .command('audit-log')
    .description('who changed what, and when')
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
}
