/** `zendo usage`: what is left, what was used, and how one request came to its charge. */
import { type Command, Option } from 'commander'
import { listKeys } from '../control/key.ts'
import { reportUsage } from '../control/usage.ts'
import { explainRequest } from '../control/usage-explain.ts'
import { totalUsage, USAGE_GROUPINGS } from '../control/usage-total.ts'
import { findMember, findWorkspace } from '../control/workspace.ts'
import type { Plan } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import type { UsageGrouping } from '../store/usage-report.ts'
import { loadCommandCatalog } from './catalog.ts'
import {
  type Answer,
  answerFromDatabase,
  CommandError,
  type CommandLine,
  globalOptions,
  type Session,
} from './command-line.ts'
import { parseSince, type Since, sinceMs } from './options.ts'
import { formatExplanation, formatTotals, formatUsage } from './usage-text.ts'

interface UsageOptions {
  readonly workspace?: string
  readonly member?: string
  readonly key?: string
  readonly by?: UsageGrouping
  readonly since: Since
  readonly explain?: string
}

export function addUsageCommand(program: Command, session: Session): void {
  program
    .command('usage')
    .description('show what is left of balance and windows, what was used, or why a request cost what it did')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .addOption(new Option('--member <member>', 'only what this member has left: id or name').conflicts('key'))
    .option('--key <key>', "only what this key's owner has left: id of the key")
    .addOption(
      new Option('--by <group>', 'sum the requests of the workspace by day, model or key')
        .choices(USAGE_GROUPINGS)
        .conflicts(['key', 'member']),
    )
    .option('--since <when>', 'with --by: from when on, like 7d, 12h or 2026-11-01', parseSince, parseSince('30d'))
    .addOption(
      new Option('--explain <request>', 'id of a request: show how its charge came about').conflicts(['by', 'key']),
    )
    .action(async (options: UsageOptions, command: Command) => {
      const { explain, by } = options
      if (explain !== undefined) answerFromDatabase(session, command, (db) => answerExplanation(db, explain))
      else if (by !== undefined)
        answerFromDatabase(session, command, (db) => answerTotals(db, session.line, by, options))
      else {
        const { plans } = await loadCommandCatalog(session.line, globalOptions(command))
        answerFromDatabase(session, command, (db) => answerUsage(db, session.line, plans, options))
      }
    })
}

function answerExplanation(db: Database, requestId: string): Answer {
  const explanation = explainRequest(db, requestId)
  if (!explanation) throw new CommandError('not_found', `there is no request ${requestId}`)
  return { json: explanation, text: formatExplanation(explanation) }
}

function answerTotals(db: Database, line: CommandLine, by: UsageGrouping, options: UsageOptions): Answer {
  const workspace = findWorkspace(db, options.workspace)
  const totals = totalUsage(db, { workspaceId: workspace.id, by, sinceMs: sinceMs(options.since, line.clock()) })
  return { json: totals, text: formatTotals(totals) }
}

function answerUsage(db: Database, line: CommandLine, plans: ReadonlyMap<string, Plan>, options: UsageOptions): Answer {
  const workspace = findWorkspace(db, options.workspace)
  const nowMs = line.clock()
  const scope = { workspaceId: workspace.id, memberId: memberOf(db, workspace.id, options) }
  const report = reportUsage(db, plans, scope, nowMs)
  return { json: report, text: formatUsage(report, workspace.name, nowMs) }
}

function memberOf(db: Database, workspaceId: string, { key, member }: UsageOptions): string | null {
  if (member !== undefined) return findMember(db, workspaceId, member).id
  if (key === undefined) return null
  const row = listKeys(db, workspaceId).find(({ id }) => id === key)
  if (!row) throw new CommandError('not_found', `there is no key ${key}`)
  return row.memberId
}
