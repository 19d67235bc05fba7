/** `zendo plan`: the plans of the catalogue, and the seats that members have on them. */
import type { Command } from 'commander'
import { formatUsd } from '../base/money.ts'
import { formatInstant, HOUR_MS } from '../base/time.ts'
import { createSeat, endSeat, listSeats, setUseBalance } from '../control/plan.ts'
import { findMember, findWorkspace } from '../control/workspace.ts'
import type { Plan, WindowSpec } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import { listMembers, type Seat } from '../store/workspace.ts'
import { loadCommandCatalog } from './catalog.ts'
import {
  type Answer,
  answerFromDatabase,
  CommandError,
  type CommandLine,
  globalOptions,
  type Session,
} from './command-line.ts'
import { parseSwitch } from './options.ts'
import { formatMinute, formatTable } from './table.ts'

interface SeatOptions {
  readonly workspace?: string
  readonly member?: string
  readonly plan: string
  readonly seat?: string
  readonly useBalance?: boolean
}

export function addPlanCommands(program: Command, session: Session): void {
  const plan = program.command('plan').description('plans and seats')
  plan
    .command('list')
    .description('list the plans with their windows')
    .action(async (_options: unknown, command: Command) => {
      const { plans } = await loadCommandCatalog(session.line, globalOptions(command))
      session.answer = answerPlans([...plans.values()])
    })
  addSeatCommands(plan, session)
}

/** `plan seat` acts itself, too: it lists, or with --use-balance switches that for a seat. */
function addSeatCommands(plan: Command, session: Session): void {
  // Commander hands options that `seat` knows to `seat`, even behind a subcommand: hence optsWithGlobals below.
  const answer = (command: Command, act: (db: Database, options: SeatOptions) => Promise<Answer>): Promise<void> =>
    answerFromDatabase(session, command, (db) => act(db, command.optsWithGlobals<SeatOptions>()))
  const seat = plan
    .command('seat')
    .description('list the seats in use; with --use-balance, change one')
    .option('--use-balance <on|off>', 'whether a seat goes on from the balance when a window is full', parseSwitch)
    .option('--seat <seat>', 'id of the seat to change; needed when there are several')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .action((_options: unknown, command: Command) => answer(command, listOrSwitch))
  seat
    .command('list')
    .description('list the seats in use')
    .action((_options: unknown, command: Command) => answer(command, list))
  seat
    .command('add')
    .description('give a member a seat; --use-balance as above, off by default')
    .option('--plan <plan>', 'id of the plan', 'go')
    .option('--member <member>', 'id or name; needed when there are several')
    .action(async (_options: unknown, command: Command) => {
      const { plans } = await loadCommandCatalog(session.line, globalOptions(command))
      await answer(command, (db, options) => add(db, session.line, plans, options))
    })
  seat
    .command('end')
    .description('end a seat; what it counted stays on record')
    .argument('<seat>', 'id of the seat, as `plan seat list` shows it')
    .action((seatId: string, _options: unknown, command: Command) =>
      answer(command, (db, options) => end(db, session.line, seatId, options)),
    )
}

async function listOrSwitch(db: Database, options: SeatOptions): Promise<Answer> {
  if (options.useBalance !== undefined) return switchBalance(db, options, options.useBalance)
  if (options.seat !== undefined) throw new CommandError('usage', '--seat goes with --use-balance on or off')
  return list(db, options)
}

async function list(db: Database, options: SeatOptions): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const names = new Map((await listMembers(db, workspace.id)).map((member) => [member.id, member.name]))
  const seats = await listSeats(db, workspace.id)
  const rows = seats.map((seat) => [
    seat.id,
    seat.planId,
    names.get(seat.memberId) ?? seat.memberId,
    seat.useBalance ? 'on' : 'off',
    formatMinute(seat.startedAtMs),
  ])
  return {
    json: { workspace: workspace.id, seats: seats.map(seatJson) },
    text: formatTable(
      [{ title: 'SEAT' }, { title: 'PLAN' }, { title: 'MEMBER' }, { title: 'USE BALANCE' }, { title: 'SINCE' }],
      rows,
      'There are no seats. Add one with `zendo plan seat add`.',
    ),
  }
}

async function add(
  db: Database,
  line: CommandLine,
  plans: ReadonlyMap<string, Plan>,
  options: SeatOptions,
): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const member = await findMember(db, workspace.id, options.member)
  const request = {
    workspaceId: workspace.id,
    memberId: member.id,
    planId: options.plan,
    useBalance: options.useBalance ?? false,
  }
  const seat = await createSeat(db, plans, request, line.clock())
  return { json: seatJson(seat), text: `${member.name} has the seat ${seat.id} on ${seat.planId}.` }
}

async function end(db: Database, line: CommandLine, seatId: string, options: SeatOptions): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const endedAtMs = line.clock()
  const seat = await endSeat(db, workspace.id, seatId, endedAtMs)
  return {
    json: { ...seatJson(seat), ended_at: formatInstant(endedAtMs) },
    text: `The seat ${seat.id} on ${seat.planId} has ended.`,
  }
}

async function switchBalance(db: Database, options: SeatOptions, useBalance: boolean): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const seat = await setUseBalance(db, workspace.id, options.seat, useBalance)
  return {
    json: seatJson(seat),
    text: useBalance
      ? `When a window of ${seat.id} is full, requests go on from the balance.`
      : `When a window of ${seat.id} is full, requests are refused until it resets.`,
  }
}

function seatJson(seat: Seat) {
  return {
    id: seat.id,
    plan: seat.planId,
    member: seat.memberId,
    use_balance: seat.useBalance,
    started_at: formatInstant(seat.startedAtMs),
  }
}

function answerPlans(plans: readonly Plan[]): Answer {
  const rows = plans.flatMap((plan) =>
    plan.windows.map((window, index) => [
      index === 0 ? plan.id : '',
      index === 0 ? `$${formatUsd(plan.price)} a ${plan.interval}` : '',
      index === 0 ? plan.products.join(', ') : '',
      window.name,
      `$${formatUsd(window.limit)}`,
      lengthOf(window),
    ]),
  )
  return {
    json: { plans: plans.map(planJson) },
    text: formatTable(
      [
        { title: 'PLAN' },
        { title: 'PRICE' },
        { title: 'PRODUCTS' },
        { title: 'WINDOW' },
        { title: 'LIMIT', align: 'right' },
        { title: 'LASTS' },
      ],
      rows,
      'There are no plans.',
    ),
  }
}

function planJson(plan: Plan) {
  return {
    id: plan.id,
    price: formatUsd(plan.price),
    interval: plan.interval,
    products: plan.products,
    windows: plan.windows.map(({ name, kind, unit, lengthMs, limit }) => ({
      name,
      kind,
      unit,
      hours: unit === null ? lengthMs / HOUR_MS : null,
      limit: formatUsd(limit),
      limit_nano: String(limit),
    })),
  }
}

function lengthOf({ kind, unit, lengthMs }: WindowSpec): string {
  if (kind === 'session') return `${lengthMs / HOUR_MS} h from the first request`
  if (kind === 'sliding') return `the last ${lengthMs / HOUR_MS} h`
  return kind === 'calendar' ? `a calendar ${unit}` : `a ${unit} from the seat's start`
}
