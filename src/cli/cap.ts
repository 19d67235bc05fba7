/** `zendo cap`: what a key, a member or a workspace may spend of the balance in a day, week or month. */
import type { Command } from 'commander'
import type { NanoUsd } from '../base/money.ts'
import { type ListedCap, listCapReports, removeCaps, setCaps } from '../control/cap.ts'
import { findWorkspace } from '../control/workspace.ts'
import type { Cap } from '../domain/cap.ts'
import type { Database } from '../store/database.ts'
import type { Workspace } from '../store/workspace.ts'
import { formatListedCaps } from './cap-text.ts'
import { type Answer, answerFromDatabase, CommandError, type CommandLine, type Session } from './command-line.ts'
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
      await answerFromDatabase(session, command, (db) => set(db, session.line, options, limits))
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
      await answerFromDatabase(session, command, (db) => remove(db, options, units))
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
  db: Database,
  line: CommandLine,
  options: SubjectOptions,
  limits: ReadonlyMap<Cap['unit'], NanoUsd>,
): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const subject = { workspaceId: workspace.id, key: options.key, member: options.member }
  const nowMs = line.clock()
  const changed = await setCaps(db, subject, limits, nowMs)
  const caps = await listCapReports(db, workspace, nowMs)
  const isChanged = (cap: ListedCap): boolean =>
    changed.some(({ subjectId, unit }) => subjectId === cap.subject && unit === cap.unit)
  return answerCaps(workspace, caps.filter(isChanged), nowMs)
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

async function remove(db: Database, options: SubjectOptions, units: readonly Cap['unit'][]): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const subject = { workspaceId: workspace.id, key: options.key, member: options.member }
  const { scope, subjectId, removed } = await removeCaps(db, subject, units)
  const text =
    removed.length === 0
      ? `There was no such cap of ${scope} ${subjectId}.`
      : `Removed from ${scope} ${subjectId} the cap of a ${removed.join(', of a ')}.`
  return { json: { workspace: workspace.id, scope, subject: subjectId, removed }, text }
}
