/** `zendo plan`: the plans of the catalogue, and the seats that members have on them. */
import type { Command } from 'commander'
import { AppError } from '../base/errors.ts'
import { formatUsd } from '../base/money.ts'
import { formatInstant, HOUR_MS } from '../base/time.ts'
import { assignSeat, endAssignedSeat, switchUseBalance } from '../control/seat-assignment.ts'
import { findMember, findWorkspace } from '../control/workspace.ts'
import type { Plan, WindowSpec } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import { listMembers, listSeats, type Seat } from '../store/workspace.ts'
import { loadCommandCatalog } from './catalog.ts'
import {
  type Answer,
  answerAsOperator,
  answerFromDatabase,
  CommandError,
  globalOptions,
  type Operator,
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
  const optionsOf = (command: Command): SeatOptions => command.optsWithGlobals<SeatOptions>()
  const answerList = (command: Command): Promise<void> =>
    answerFromDatabase(session, command, (db) => list(db, optionsOf(command)))
  const answer = (command: Command, act: (operator: Operator, options: SeatOptions) => Promise<Answer>) =>
    answerAsOperator(session, command, (operator) => act(operator, optionsOf(command)))
  const seat = plan
    .command('seat')
    .description('list the seats in use; with --use-balance, change one')
    .option('--use-balance <on|off>', 'whether a seat goes on from the balance when a window is full', parseSwitch)
    .option('--seat <seat>', 'id of the seat to change; needed when there are several')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .action(async ({ useBalance, seat }: SeatOptions, command: Command) => {
      if (useBalance !== undefined) await answer(command, (operator, options) => change(operator, options, useBalance))
      else if (seat === undefined) await answerList(command)
      else throw new CommandError('usage', '--seat goes with --use-balance on or off')
    })
  seat
    .command('list')
    .description('list the seats in use')
    .action((_options: unknown, command: Command) => answerList(command))
  seat
    .command('add')
    .description('give a member a seat; --use-balance as above, off by default')
    .option('--plan <plan>', 'id of the plan', 'go')
    .option('--member <member>', 'id or name; needed when there are several')
    .action((_options: unknown, command: Command) => answer(command, add))
  seat
    .command('end')
    .description('end a seat; what it counted stays on record')
    .argument('<seat>', 'id of the seat, as `plan seat list` shows it')
    .action((seatId: string, _options: unknown, command: Command) =>
      answer(command, (operator, options) => end(operator, seatId, options)),
    )
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

async function add({ control, acting }: Operator, options: SeatOptions): Promise<Answer> {
  const { database } = control
  const workspace = await findWorkspace(database, options.workspace)
  const member = await findMember(database, workspace.id, options.member)
  const request = {
    workspaceId: workspace.id,
    memberId: member.id,
    planId: options.plan,
    useBalance: options.useBalance ?? false,
  }
  const seat = await assignSeat(database, acting, request, { plans: control.catalog().plans, bound: 'none' })
  return { json: seatJson(seat), text: `${member.name} has the seat ${seat.id} on ${seat.planId}.` }
}

async function end(operator: Operator, seatId: string, options: SeatOptions): Promise<Answer> {
  const { control, acting } = operator
  const { workspaceId, seat } = await findSeat(control.database, options, seatId)
  await endAssignedSeat(control.database, acting, workspaceId, seat.id)
  return {
    json: { ...seatJson(seat), ended_at: formatInstant(acting.nowMs) },
    text: `The seat ${seat.id} on ${seat.planId} has ended.`,
  }
}

async function change(operator: Operator, options: SeatOptions, useBalance: boolean): Promise<Answer> {
  const { control, acting } = operator
  const { workspaceId, seat } = await findSeat(control.database, options, options.seat)
  const place = { workspaceId, seatId: seat.id, ownerId: null }
  const changed = await switchUseBalance(control.database, acting, place, useBalance)
  return {
    json: seatJson(changed),
    text: useBalance
      ? `When a window of ${seat.id} is full, requests go on from the balance.`
      : `When a window of ${seat.id} is full, requests are refused until it resets.`,
  }
}

/** The seat that is named, or the only one there is. @throws AppError invalid_request */
async function findSeat(
  db: Database,
  options: SeatOptions,
  wanted: string | undefined,
): Promise<{ readonly workspaceId: string; readonly seat: Seat }> {
  const { id: workspaceId } = await findWorkspace(db, options.workspace)
  const seats = await listSeats(db, workspaceId)
  const [seat, second] = wanted === undefined ? seats : seats.filter(({ id }) => id === wanted)
  if (second !== undefined) throw new AppError('invalid_request', 'there are several seats: say which')
  if (seat !== undefined) return { workspaceId, seat }
  throw new AppError('invalid_request', wanted === undefined ? 'there is no seat' : `there is no seat ${wanted} in use`)
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
