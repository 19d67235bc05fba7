/** `zendo credit`: prepaid money. */
import type { Command } from 'commander'
import { formatUsd, type NanoUsd } from '../base/money.ts'
import { grantCredit } from '../control/credit.ts'
import { findWorkspace } from '../control/workspace.ts'
import type { Database } from '../store/database.ts'
import { type Answer, answerFromDatabase, CommandError, type CommandLine, type Session } from './command-line.ts'
import { parseDollars } from './options.ts'

interface GrantOptions {
  readonly amount?: NanoUsd
  readonly note: string
  readonly workspace?: string
  readonly idempotencyKey?: string
}

export function addCreditCommands(program: Command, session: Session): void {
  const credit = program.command('credit').description('give workspaces credit')
  credit
    .command('grant')
    .description('add to the balance of a workspace')
    .argument('[dollars]', 'how much, exactly: 5, 0.25', parseDollars)
    .option('--amount <dollars>', 'the same, as an option', parseDollars)
    .option('--note <note>', 'why, for the record', '')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .option('--idempotency-key <key>', 'the same key, given again, grants nothing more')
    .action((dollars: NanoUsd | undefined, options: GrantOptions, command: Command) => {
      const amount = theOneAmount(dollars, options.amount)
      answerFromDatabase(session, command, (db) => grant(db, session.line, amount, options))
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

function grant(db: Database, line: CommandLine, amount: NanoUsd, options: GrantOptions): Answer {
  const workspace = findWorkspace(db, options.workspace)
  const { note, idempotencyKey } = options
  const granted = grantCredit(db, { workspaceId: workspace.id, amount, note, idempotencyKey }, line.clock())
  const available = formatUsd(granted.available)
  return {
    json: {
      grant: granted.grantId,
      created: granted.created,
      workspace: workspace.id,
      amount: formatUsd(granted.amount),
      amount_nano: String(granted.amount),
      note,
      balance: { available, available_nano: String(granted.available), posted: formatUsd(granted.posted) },
    },
    text: granted.created
      ? `Granted $${formatUsd(amount)} to ${workspace.name}; $${available} is available.`
      : `This idempotency key had granted $${formatUsd(amount)} before; nothing was added. $${available} is available.`,
  }
}
