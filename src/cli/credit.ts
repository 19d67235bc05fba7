/** `zendo credit`: prepaid money. */
import { type Command, Option } from 'commander'
import { formatUsd, type NanoUsd, subtractUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import { type Credited, GRANT_SOURCES, type GrantSource, grantCredit, listCredit } from '../control/credit.ts'
import { type Refunded, refundRequest } from '../control/refund.ts'
import { reportLot } from '../control/usage.ts'
import { findWorkspace } from '../control/workspace.ts'
import type { Database } from '../store/database.ts'
import type { Workspace } from '../store/workspace.ts'
import {
  type Answer,
  answerAsOperator,
  answerFromDatabase,
  CommandError,
  type CommandLine,
  type Operator,
  type Session,
} from './command-line.ts'
import { parseDollars, parseInstant, parsePriority } from './options.ts'
import { formatMinute, formatTable } from './table.ts'

interface GrantOptions {
  readonly amount?: NanoUsd
  readonly note: string
  readonly source: GrantSource
  readonly expires?: number
  readonly priority?: number
  readonly workspace?: string
  readonly idempotencyKey?: string
}

interface RefundOptions {
  readonly amount?: NanoUsd
  readonly note: string
  readonly idempotencyKey?: string
}

export function addCreditCommands(program: Command, session: Session): void {
  const credit = program.command('credit').description('give workspaces credit, give charges back, list what is left')
  addGrantCommand(credit, session)
  credit
    .command('refund')
    .description('give back what a request was charged, or a part of it, as new credit')
    .argument('<request>', 'id of the request')
    .option('--amount <dollars>', 'how much; else all that is left of the charge', parseDollars)
    .requiredOption('--note <note>', 'why, for the record')
    .option('--idempotency-key <key>', 'the same key, given again, gives nothing more back')
    .action(async (requestId: string, options: RefundOptions, command: Command) => {
      await answerAsOperator(session, command, (operator) => refund(operator, requestId, options))
    })
  credit
    .command('list')
    .description('list the credit that is left, in the order in which it is spent')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .action(async (options: { workspace?: string }, command: Command) => {
      await answerFromDatabase(session, command, (db) => list(db, session.line, options))
    })
}

function addGrantCommand(credit: Command, session: Session): void {
  credit
    .command('grant')
    .description('add to the balance of a workspace')
    .argument('[dollars]', 'how much, exactly: 5, 0.25', parseDollars)
    .option('--amount <dollars>', 'the same, as an option', parseDollars)
    .option('--note <note>', 'why, for the record', '')
    .addOption(new Option('--source <source>', 'where it comes from').choices(GRANT_SOURCES).default('operator'))
    .option('--expires <when>', 'when what is left of it is lost: 2026-12-31 or 2026-12-31T12:00:00Z', parseInstant)
    .option('--priority <number>', 'what has a lower one is spent first; 100 by default', parsePriority)
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .option('--idempotency-key <key>', 'the same key, given again, grants nothing more')
    .action(async (dollars: NanoUsd | undefined, options: GrantOptions, command: Command) => {
      const amount = theOneAmount(dollars, options.amount)
      await answerAsOperator(session, command, (operator) => grant(operator, amount, options))
    })
}

function theOneAmount(argument: NanoUsd | undefined, option: NanoUsd | undefined): NanoUsd {
  const amount = argument ?? option
  if (amount === undefined) throw new CommandError('usage', 'how much? For five dollars: zendo credit grant 5')
  if (argument !== undefined && option !== undefined) {
    throw new CommandError('usage', 'give the amount once: as an argument or with --amount')
  }
  return amount
}

async function grant(
  { control: { database }, acting }: Operator,
  amount: NanoUsd,
  options: GrantOptions,
): Promise<Answer> {
  const workspace = await findWorkspace(database, options.workspace)
  const { note, source, expires: expiresAtMs, priority, idempotencyKey } = options
  const request = { workspaceId: workspace.id, amount, note, source, expiresAtMs, priority, idempotencyKey }
  const granted = await grantCredit(database, acting, request)
  return {
    json: { grant: granted.lot.id, ...creditJson(granted) },
    text: granted.created
      ? `Granted $${formatUsd(amount)} to ${workspace.name}${untilText(granted)}; ${availableText(granted)}`
      : `This idempotency key had granted $${formatUsd(amount)} before; nothing was added. ${availableText(granted)}`,
  }
}

function creditJson({ lot, created, posted, available }: Credited) {
  return {
    created,
    workspace: lot.workspaceId,
    amount: formatUsd(lot.amount),
    amount_nano: String(lot.amount),
    source: lot.source,
    priority: lot.priority,
    expires_at: lot.expiresAtMs === null ? null : formatInstant(lot.expiresAtMs),
    note: lot.note,
    balance: { available: formatUsd(available), available_nano: String(available), posted: formatUsd(posted) },
  }
}

function untilText({ lot }: Credited): string {
  return lot.expiresAtMs === null ? '' : ` until ${formatMinute(lot.expiresAtMs)}`
}

function availableText({ available }: Credited): string {
  return `$${formatUsd(available)} is available.`
}

async function refund(
  { control: { database }, acting }: Operator,
  requestId: string,
  options: RefundOptions,
): Promise<Answer> {
  const { amount, note, idempotencyKey } = options
  const refunded = await refundRequest(database, acting, { requestId, amount, note, idempotencyKey })
  const given = formatUsd(refunded.lot.amount)
  return {
    json: {
      refund: refunded.lot.id,
      request: requestId,
      ...creditJson(refunded),
      charged: formatUsd(refunded.charged),
      refunded: formatUsd(refunded.refunded),
      refunded_nano: String(refunded.refunded),
    },
    text: refunded.created
      ? `Gave back $${given} of ${requestId}${restText(refunded)}; ${availableText(refunded)}`
      : `This idempotency key had given back $${given} before; nothing was added. ${availableText(refunded)}`,
  }
}

function restText({ charged, refunded }: Refunded): string {
  return `, which was charged $${formatUsd(charged)} and has $${formatUsd(subtractUsd(charged, refunded))} of it left`
}

async function list(db: Database, line: CommandLine, options: { readonly workspace?: string }): Promise<Answer> {
  const workspace: Workspace = await findWorkspace(db, options.workspace)
  const { posted, held, lots } = await listCredit(db, workspace.id, line.clock())
  const columns = [
    { title: 'CREDIT' },
    { title: 'SOURCE' },
    { title: 'LEFT', align: 'right' },
    { title: 'OF', align: 'right' },
    { title: 'PRIORITY', align: 'right' },
    { title: 'EXPIRES' },
    { title: 'NOTE' },
  ] as const
  const rows = lots.map((lot) => [
    lot.id,
    lot.source,
    `$${formatUsd(lot.remaining)}`,
    `$${formatUsd(lot.amount)}`,
    String(lot.priority),
    lot.expiresAtMs === null ? 'never' : formatMinute(lot.expiresAtMs),
    lot.note,
  ])
  return {
    json: {
      workspace: workspace.id,
      posted: formatUsd(posted),
      posted_nano: String(posted),
      held: formatUsd(held),
      held_nano: String(held),
      lots: lots.map((lot) => ({
        ...reportLot(lot),
        note: lot.note,
        created_at: formatInstant(lot.createdAtMs),
      })),
    },
    text: formatTable(columns, rows, 'There is no credit left. Add some with `zendo credit grant`.'),
  }
}
