/** `zendo workspace`: workspaces, and whose midnights and weeks their limits follow. */
import type { Command } from 'commander'
import { findWorkspace } from '../control/workspace.ts'
import { updateWorkspace } from '../control/workspace-settings.ts'
import type { Calendar } from '../domain/window.ts'
import type { Database } from '../store/database.ts'
import { listMembers, listWorkspaces, type Workspace } from '../store/workspace.ts'
import {
  type Answer,
  answerAsOperator,
  answerFromDatabase,
  CommandError,
  type Operator,
  type Session,
} from './command-line.ts'
import { formatWeekday, parseWeekday } from './options.ts'
import { formatTable } from './table.ts'

interface WorkspaceOptions {
  readonly workspace?: string
  readonly timeZone?: string
  readonly weekStart?: number
}

export function addWorkspaceCommands(program: Command, session: Session): void {
  const workspace = program.command('workspace').description('workspaces and their calendars')
  workspace
    .command('list')
    .description('list the workspaces')
    .action(async (_options: unknown, command: Command) => {
      await answerFromDatabase(session, command, list)
    })
  workspace
    .command('show')
    .description('show a workspace and its members')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .action(async (options: WorkspaceOptions, command: Command) => {
      await answerFromDatabase(session, command, (db) => show(db, options))
    })
  workspace
    .command('set')
    .description('change the calendar; windows that are open end when they were to end')
    .option('--time-zone <zone>', 'whose midnights days, weeks and months follow: Europe/Berlin, UTC')
    .option('--week-start <day>', 'the first day of a week: monday to sunday', parseWeekday)
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .action(async (options: WorkspaceOptions, command: Command) => {
      const change = changeOf(options)
      await answerAsOperator(session, command, (operator) => set(operator, options, change))
    })
}

async function list(db: Database): Promise<Answer> {
  const workspaces = await listWorkspaces(db)
  const rows = workspaces.map(({ id, name, timeZone, weekStart }) => [id, name, timeZone, formatWeekday(weekStart)])
  return {
    json: { workspaces: workspaces.map(workspaceJson) },
    text: formatTable(
      [{ title: 'WORKSPACE' }, { title: 'NAME' }, { title: 'TIME ZONE' }, { title: 'WEEK STARTS' }],
      rows,
      'There are no workspaces.',
    ),
  }
}

async function show(db: Database, options: WorkspaceOptions): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const members = await listMembers(db, workspace.id)
  const rows = members.map(({ id, name, role }) => [id, name, role])
  const columns = [{ title: 'MEMBER' }, { title: 'NAME' }, { title: 'ROLE' }]
  return {
    json: { ...workspaceJson(workspace), members: members.map(({ id, name, role }) => ({ id, name, role })) },
    text: `${calendarText(workspace)}\n\n${formatTable(columns, rows, 'It has no members.')}`,
  }
}

function changeOf({ timeZone, weekStart }: WorkspaceOptions): Partial<Calendar> {
  if (timeZone === undefined && weekStart === undefined) {
    throw new CommandError('usage', 'set what? Give --time-zone or --week-start')
  }
  return { ...(timeZone !== undefined && { timeZone }), ...(weekStart !== undefined && { weekStart }) }
}

async function set(
  { control: { database }, acting }: Operator,
  options: WorkspaceOptions,
  change: Partial<Calendar>,
): Promise<Answer> {
  const { id } = await findWorkspace(database, options.workspace)
  const workspace = await updateWorkspace(database, acting, id, change)
  return { json: workspaceJson(workspace), text: calendarText(workspace) }
}

function calendarText({ id, name, timeZone, weekStart }: Workspace): string {
  return `Workspace ${name} (${id}): days in ${timeZone}, weeks from ${formatWeekday(weekStart)}.`
}

function workspaceJson({ id, name, timeZone, weekStart }: Workspace) {
  return { id, name, time_zone: timeZone, week_start: formatWeekday(weekStart) }
}
