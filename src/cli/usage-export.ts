/** `zendo usage export`: every request of a period on stdout, to be kept, computed again, or loaded elsewhere. */
import { type Command, Option } from 'commander'
import { exportCsv, exportPricesCsv } from '../control/request-csv.ts'
import { closedAt, exportJsonLines } from '../control/request-export.ts'
import { findMember, findWorkspace } from '../control/workspace.ts'
import type { Database } from '../store/database.ts'
import { allRequestsOf, type RequestFilter } from '../store/request-list.ts'
import { answerFromDatabase, type Session } from './command-line.ts'
import { type Since, sinceMs } from './options.ts'

/** `workspace`, `member`, `key`, `since` and `until` are those of `usage`. */
interface ExportOptions {
  readonly workspace?: string
  readonly member?: string
  readonly key?: string
  readonly since?: Since
  readonly until?: Since
  readonly format: 'jsonl' | 'csv'
  readonly what: 'requests' | 'prices'
}

export function addUsageExportCommand(usage: Command, session: Session): void {
  usage
    .command('export')
    .description('write every request to stdout; takes --workspace, --member, --key, --since and --until of usage, too')
    .addOption(
      new Option('--format <format>', 'one JSON document a line, or CSV').choices(['jsonl', 'csv']).default('jsonl'),
    )
    .addOption(
      new Option('--what <what>', 'with csv: the requests, or the prices they were charged at')
        .choices(['requests', 'prices'])
        .default('requests'),
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ExportOptions>()
      // What is printed is the export itself and nothing else, also with --json.
      await answerFromDatabase(session, command, async (db) => {
        const nowMs = session.line.clock()
        const filter = closedAt(await readFilter(db, options, nowMs), nowMs)
        for await (const lines of linesOf(db, filter, options, nowMs)) session.line.stdout(lines)
        return undefined
      })
    })
}

async function readFilter(db: Database, options: ExportOptions, nowMs: number): Promise<RequestFilter> {
  const { member, key, since, until } = options
  const workspace = await findWorkspace(db, options.workspace)
  return {
    ...allRequestsOf(workspace.id, null),
    member: member === undefined ? null : (await findMember(db, workspace.id, member)).id,
    key: key ?? null,
    sinceMs: since === undefined ? null : sinceMs(since, nowMs),
    untilMs: until === undefined ? null : sinceMs(until, nowMs),
  }
}

function linesOf(
  db: Database,
  filter: RequestFilter,
  { format, what }: ExportOptions,
  nowMs: number,
): AsyncGenerator<string, void> {
  if (what === 'prices') return exportPricesCsv(db, filter)
  return format === 'csv' ? exportCsv(db, filter) : exportJsonLines(db, filter, nowMs)
}
