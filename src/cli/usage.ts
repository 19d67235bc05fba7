/** `zendo usage`: what is left, what was used, and how one request came to its charge. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { listKeys } from '../control/key.ts'
import { reportUsage } from '../control/usage.ts'
import { explainRequest } from '../control/usage-explain.ts'
import { checkZone, parseSides, totalUsage, type UsageSide } from '../control/usage-total.ts'
import { findMember, findWorkspace } from '../control/workspace.ts'
import type { Plan } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import { allRequestsOf } from '../store/request-list.ts'
import { loadCommandCatalog } from './catalog.ts'
import {
  type Answer,
  answerFromDatabase,
  CommandError,
  type CommandLine,
  globalOptions,
  type Session,
} from './command-line.ts'
import { formatExplanation } from './explanation-text.ts'
import { parseSince, type Since, sinceMs } from './options.ts'
import { addUsageExportCommand } from './usage-export.ts'
import { formatTotals, formatUsage } from './usage-text.ts'

interface UsageOptions {
  readonly workspace?: string
  readonly member?: string
  readonly key?: string
  readonly by?: readonly UsageSide[]
  readonly zone?: string
  readonly since?: Since
  readonly until?: Since
  readonly explain?: string
}

const DEFAULT_SINCE = parseSince('30d')

export function addUsageCommand(program: Command, session: Session): void {
  const usage = program
    .command('usage')
    .description('show what is left of balance and windows, what was used, or why a request cost what it did')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .addOption(new Option('--member <member>', 'only this member: id or name').conflicts('key'))
    .option('--key <key>', "only what this key's owner has left, or what was asked with it: id of the key")
    .option(
      '--by <sides>',
      'sum requests by one to three of hour, day, key, member, model, session, tag, …',
      asArgument(parseSides),
    )
    .option('--zone <zone>', "with --by: the time zone of days and hours; else the workspace's", asArgument(checkZone))
    .option('--since <when>', 'with --by: from when on, like 7d, 12h or 2026-11-01', parseSince)
    .option('--until <when>', 'with --by: until when', parseSince)
    .addOption(
      new Option('--explain <request>', 'id of a request: show how its charge came about').conflicts(['by', 'key']),
    )
    .action(async (options: UsageOptions, command: Command) => {
      const { explain, by } = options
      if (explain !== undefined) await answerFromDatabase(session, command, (db) => answerExplanation(db, explain))
      else if (by !== undefined)
        await answerFromDatabase(session, command, (db) => answerTotals(db, session.line, by, options))
      else {
        const { plans } = await loadCommandCatalog(session.line, globalOptions(command))
        await answerFromDatabase(session, command, (db) => answerUsage(db, session.line, plans, options))
      }
    })
  addUsageExportCommand(usage, session)
}

/** A refusal of the value is one of the command line. */
function asArgument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : '')
    }
  }
}

async function answerExplanation(db: Database, requestId: string): Promise<Answer> {
  const explanation = await explainRequest(db, requestId)
  if (!explanation) throw new CommandError('not_found', `there is no request ${requestId}`)
  return { json: explanation, text: formatExplanation(explanation) }
}

async function answerTotals(
  db: Database,
  line: CommandLine,
  by: readonly UsageSide[],
  options: UsageOptions,
): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const nowMs = line.clock()
  const totals = await totalUsage(db, {
    filter: {
      ...allRequestsOf(workspace.id, null),
      sinceMs: sinceMs(options.since ?? DEFAULT_SINCE, nowMs),
      untilMs: options.until === undefined ? null : sinceMs(options.until, nowMs),
      member: options.member === undefined ? null : (await findMember(db, workspace.id, options.member)).id,
      key: options.key ?? null,
    },
    by,
    zone: options.zone ?? workspace.timeZone,
  })
  return { json: totals, text: formatTotals(totals) }
}

async function answerUsage(
  db: Database,
  line: CommandLine,
  plans: ReadonlyMap<string, Plan>,
  options: UsageOptions,
): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const nowMs = line.clock()
  const scope = {
    workspaceId: workspace.id,
    memberId: await memberOf(db, workspace.id, options),
    keyId: options.key ?? null,
  }
  const report = await reportUsage(db, plans, scope, nowMs)
  return { json: report, text: formatUsage(report, workspace.name, nowMs) }
}

async function memberOf(db: Database, workspaceId: string, { key, member }: UsageOptions): Promise<string | null> {
  if (member !== undefined) return (await findMember(db, workspaceId, member)).id
  if (key === undefined) return null
  const row = (await listKeys(db, workspaceId)).find(({ id }) => id === key)
  if (!row) throw new CommandError('not_found', `there is no key ${key}`)
  return row.memberId
}
