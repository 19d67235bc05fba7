/** `zendo cap`: what a key, a member or a workspace may spend of the balance in a day, week or month. */
import type { Command } from 'commander'
import { AppError } from '../base/errors.ts'
import type { NanoUsd } from '../base/money.ts'
import { type ListedCap, listCapReports, removeCap, setCap } from '../control/cap.ts'
import { findMember, findWorkspace } from '../control/workspace.ts'
import type { Cap } from '../domain/cap.ts'
import { listCaps } from '../store/cap.ts'
import type { Database } from '../store/database.ts'
import { listKeys } from '../store/key.ts'
import type { Workspace } from '../store/workspace.ts'
import { formatListedCaps } from './cap-text.ts'
import {
  type Answer,
  answerAsOperator,
  answerFromDatabase,
  CommandError,
  type CommandLine,
  type Operator,
  type Session,
} from './command-line.ts'
import { parseCapDollars } from './options.ts'

const UNITS = ['day', 'week', 'month'] as const

interface SubjectOptions {
  readonly key?: string
  readonly member?: string
  readonly workspace?: string
}

type SetOptions = SubjectOptions & Partial<Record<Cap['unit'], NanoUsd>>
type RemoveOptions = SubjectOptions & Partial<Record<Cap['unit'], true>>

export function addCapCommands(program: Command, session: Session): void {
  const cap = program.command('cap').description('what keys, members and workspaces may spend of the balance')
  addSubject(cap.command('set').description('set caps; each takes the place of an earlier one'))
    .option('--day <dollars>', 'what may be spent in a day', parseCapDollars)
    .option('--week <dollars>', 'what may be spent in a week', parseCapDollars)
    .option('--month <dollars>', 'what may be spent in a month', parseCapDollars)
    .action(async (options: SetOptions, command: Command) => {
      checkSubject(options)
      const limits = limitsOf(options)
      await answerAsOperator(session, command, (operator) => set(operator, options, limits))
    })
  cap
    .command('list')
    .description('list the caps with what is left of each')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .action(async (options: SubjectOptions, command: Command) => {
      await answerFromDatabase(session, command, (db) => list(db, session.line, options))
    })
  addSubject(cap.command('remove').description('remove caps'))
    .option('--day', 'the cap of a day')
    .option('--week', 'the cap of a week')
    .option('--month', 'the cap of a month')
    .action(async (options: RemoveOptions, command: Command) => {
      checkSubject(options)
      const units = unitsOf(options)
      await answerAsOperator(session, command, (operator) => remove(operator, options, units))
    })
}

function addSubject(command: Command): Command {
  return command
    .option('--key <key>', 'of a key: its id')
    .option('--member <member>', 'of a member: id or name')
    .option('--workspace <workspace>', 'of a whole workspace, or where the key or member is: id or name')
}

/** A cap that was meant for one key must not become that of everybody. */
function checkSubject({ key, member, workspace }: SubjectOptions): void {
  if (key !== undefined && member !== undefined) throw new CommandError('usage', 'give --key or --member, not both')
  if (key === undefined && member === undefined && workspace === undefined) {
    throw new CommandError('usage', 'whose? Give --key, --member or --workspace')
  }
}

function limitsOf(options: SetOptions): Map<Cap['unit'], NanoUsd> {
  const limits = new Map<Cap['unit'], NanoUsd>()
  for (const unit of UNITS) {
    const limit = options[unit]
    if (limit !== undefined) limits.set(unit, limit)
  }
  if (limits.size === 0) throw noUnit()
  return limits
}

function unitsOf(options: RemoveOptions): Cap['unit'][] {
  const units = UNITS.filter((unit) => options[unit])
  if (units.length === 0) throw noUnit()
  return units
}

function noUnit(): CommandError {
  return new CommandError('usage', 'of which time? Give --day, --week or --month')
}

async function set(
  { control: { database }, acting }: Operator,
  options: SubjectOptions,
  limits: ReadonlyMap<Cap['unit'], NanoUsd>,
): Promise<Answer> {
  const workspace = await findWorkspace(database, options.workspace)
  const subject = await findSubject(database, workspace.id, options)
  const changed = new Set<string>()
  for (const [unit, limit] of limits) {
    const wanted = { workspaceId: workspace.id, ...subject, unit, limit }
    changed.add((await setCap(database, acting, wanted)).id)
  }
  const caps = await listCapReports(database, workspace, acting.nowMs)
  return answerCaps(
    workspace,
    caps.filter(({ id }) => changed.has(id)),
    acting.nowMs,
  )
}

async function findSubject(
  db: Database,
  workspaceId: string,
  { key, member }: SubjectOptions,
): Promise<Pick<Cap, 'scope' | 'subjectId'>> {
  if (member !== undefined) return { scope: 'member', subjectId: (await findMember(db, workspaceId, member)).id }
  if (key === undefined) return { scope: 'workspace', subjectId: workspaceId }
  const keys = await listKeys(db, workspaceId)
  if (!keys.some(({ id }) => id === key)) throw new AppError('invalid_request', `there is no key ${key}`)
  return { scope: 'key', subjectId: key }
}

async function list(db: Database, line: CommandLine, options: SubjectOptions): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const nowMs = line.clock()
  return answerCaps(workspace, await listCapReports(db, workspace, nowMs), nowMs)
}

function answerCaps(workspace: Workspace, caps: readonly ListedCap[], nowMs: number): Answer {
  return {
    json: { workspace: workspace.id, caps },
    text: formatListedCaps(caps, nowMs),
  }
}

async function remove(
  { control: { database }, acting }: Operator,
  options: SubjectOptions,
  units: readonly Cap['unit'][],
): Promise<Answer> {
  const workspace = await findWorkspace(database, options.workspace)
  const { scope, subjectId } = await findSubject(database, workspace.id, options)
  const caps = (await listCaps(database, workspace.id)).filter((cap) => cap.subjectId === subjectId)
  const removed: Cap['unit'][] = []
  for (const unit of units) {
    const cap = caps.find((one) => one.unit === unit)
    if (!cap) continue
    await removeCap(database, acting, workspace.id, cap.id)
    removed.push(unit)
  }
  const text =
    removed.length === 0
      ? `There was no such cap of ${scope} ${subjectId}.`
      : `Removed from ${scope} ${subjectId} the cap of a ${removed.join(', of a ')}.`
  return { json: { workspace: workspace.id, scope, subject: subjectId, removed }, text }
}
