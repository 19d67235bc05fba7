/** `zendo key`: API keys. */
import type { Command } from 'commander'
import { formatInstant } from '../base/time.ts'
import { createKey, listKeys, revokeKey } from '../control/key.ts'
import { findMember, findWorkspace } from '../control/workspace.ts'
import type { Database } from '../store/database.ts'
import { type Answer, answerFromDatabase, CommandError, type CommandLine, type Session } from './command-line.ts'
import { formatMinute, formatTable } from './table.ts'

interface KeyOptions {
  readonly workspace?: string
  readonly member?: string
}

export function addKeyCommands(program: Command, session: Session): void {
  const key = program.command('key').description('make, list and revoke API keys')
  key
    .command('create')
    .description('make a key and show it, once')
    .option('--name <name>', 'what the key is for', 'key')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .option('--member <member>', 'id or name of its owner; needed when there are several')
    .action(async (options: KeyOptions & { name: string }, command: Command) => {
      await answerFromDatabase(session, command, (db) => create(db, session.line, options))
    })
  key
    .command('list')
    .description('list the keys of a workspace, revoked ones too')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .action(async (options: KeyOptions, command: Command) => {
      await answerFromDatabase(session, command, (db) => list(db, options))
    })
  key
    .command('revoke')
    .description('revoke a key; a running server refuses it within a second')
    .argument('<key>', 'id of the key, as `key list` shows it')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .action(async (keyId: string, options: KeyOptions, command: Command) => {
      await answerFromDatabase(session, command, (db) => revoke(db, session.line, keyId, options))
    })
}

async function create(db: Database, line: CommandLine, options: KeyOptions & { name: string }): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const member = await findMember(db, workspace.id, options.member)
  const request = { workspaceId: workspace.id, memberId: member.id, name: options.name }
  const made = await createKey(db, request, { nowMs: line.clock(), randomBytes: line.randomBytes })
  return {
    json: {
      id: made.id,
      key: made.key,
      preview: made.preview,
      name: made.name,
      workspace: workspace.id,
      member: member.id,
      created_at: formatInstant(made.createdAtMs),
    },
    text: `${made.key}\n\nKey ${made.id} (${made.name}) of ${member.name}. It is not shown again.`,
  }
}

async function list(db: Database, options: KeyOptions): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const keys = await listKeys(db, workspace.id)
  const state = (revokedAtMs: number | null): string =>
    revokedAtMs === null ? 'active' : `revoked ${formatMinute(revokedAtMs)}`
  const rows = keys.map((key) => [key.id, key.name, key.preview, formatMinute(key.createdAtMs), state(key.revokedAtMs)])
  return {
    json: {
      workspace: workspace.id,
      keys: keys.map((key) => ({
        id: key.id,
        name: key.name,
        preview: key.preview,
        member: key.memberId,
        created_at: formatInstant(key.createdAtMs),
        revoked_at: key.revokedAtMs === null ? null : formatInstant(key.revokedAtMs),
      })),
    },
    text: formatTable(
      [{ title: 'KEY' }, { title: 'NAME' }, { title: 'BEGINS AND ENDS' }, { title: 'CREATED' }, { title: 'STATE' }],
      rows,
      'There are no keys. Make one with `zendo key create`.',
    ),
  }
}

async function revoke(db: Database, line: CommandLine, keyId: string, options: KeyOptions): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const result = await revokeKey(db, workspace.id, keyId, line.clock())
  if (result === 'not_found') throw new CommandError('not_found', `there is no key ${keyId} in ${workspace.name}`)
  const text = result === 'revoked' ? `Key ${keyId} is revoked.` : `Key ${keyId} was revoked before.`
  return { json: { id: keyId, result }, text }
}
