/** `zendo key`: API keys. */
import type { Command } from 'commander'
import { formatInstant } from '../base/time.ts'
import { listKeys } from '../control/key.ts'
import { findMember, findWorkspace } from '../control/workspace.ts'
import type { Database } from '../store/database.ts'
import type { KeyRow } from '../store/key.ts'
import {
  type Answer,
  answerFromDatabase,
  CommandError,
  environmentOf,
  globalOptions,
  type Operator,
  type Session,
} from './command-line.ts'
import { formatMinute, formatTable } from './table.ts'

interface KeyOptions {
  readonly workspace?: string
  readonly member?: string
}

interface CreateOptions extends KeyOptions {
  readonly name: string
  readonly scopes: string
  readonly expires?: string
  readonly models?: string
  readonly products?: string
  readonly tags?: string
}

export function addKeyCommands(program: Command, session: Session): void {
  const key = program.command('key').description('make, list and revoke API keys')
  key
    .command('create')
    .description('make a key and show it, once')
    .option('--name <name>', 'what the key is for', 'key')
    .option('--workspace <workspace>', 'id or name; needed when there are several')
    .option('--member <member>', 'id or name of its owner; needed when there are several')
    .option('--scopes <scopes>', 'what it may be used for: inference, read, manage', 'inference')
    .option('--expires <time>', 'from then on it is refused, like 2027-01-31T00:00:00Z')
    .option('--models <models>', 'the only models that it may call, comma separated')
    .option('--products <products>', 'the only products that it may be used on: zen, go')
    .option('--tags <tags>', 'stand on each of its requests, comma separated')
    .action(async (options: CreateOptions, command: Command) => {
      await answerFromDatabase(session, command, async (db) =>
        create(db, await operatorOf(session, command, db), options),
      )
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
      await answerFromDatabase(session, command, async (db) =>
        revoke(db, await operatorOf(session, command, db), keyId, options),
      )
    })
}

function operatorOf({ line }: Session, command: Command, db: Database): Promise<Operator> {
  return line.operate(environmentOf(line, globalOptions(command)), db, line.clock)
}

/** What `key.create` answers, as far as it is shown here. */
interface Made {
  readonly id: string
  readonly key: string
  readonly preview: string
  readonly name: string
  readonly created_at: string
}

async function create(db: Database, operator: Operator, options: CreateOptions): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const member = await findMember(db, workspace.id, options.member)
  const reply = await operator.run('key.create', {
    ...{ params: { workspace: workspace.id }, query: {} },
    body: {
      ...{ name: options.name, member: member.id, scopes: listOf(options.scopes) },
      ...(options.expires !== undefined && { expires_at: options.expires }),
      ...(options.models !== undefined && { models: listOf(options.models) }),
      ...(options.products !== undefined && { products: listOf(options.products) }),
      ...(options.tags !== undefined && { tags: listOf(options.tags) }),
    },
  })
  const { id, key, preview, name, created_at } = reply as Made
  return {
    json: { id, key, preview, name, workspace: workspace.id, member: member.id, created_at },
    text: `${key}\n\nKey ${id} (${name}) of ${member.name}. It is not shown again.`,
  }
}

function listOf(text: string): string[] {
  return text.split(',').map((item) => item.trim())
}

async function list(db: Database, options: KeyOptions): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const keys = await listKeys(db, workspace.id)
  const rows = keys.map((key) => [key.id, key.name, key.preview, formatMinute(key.createdAtMs), stateOf(key)])
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

function stateOf({ revokedAtMs, expiresAtMs }: KeyRow): string {
  if (revokedAtMs !== null) return `revoked ${formatMinute(revokedAtMs)}`
  return expiresAtMs === null ? 'active' : `until ${formatMinute(expiresAtMs)}`
}

async function revoke(db: Database, operator: Operator, keyId: string, options: KeyOptions): Promise<Answer> {
  const workspace = await findWorkspace(db, options.workspace)
  const key = (await listKeys(db, workspace.id)).find(({ id }) => id === keyId)
  if (!key) throw new CommandError('not_found', `there is no key ${keyId} in ${workspace.name}`)
  if (key.revokedAtMs !== null) {
    return { json: { id: keyId, result: 'already_revoked' }, text: `Key ${keyId} was revoked before.` }
  }
  await operator.run('key.revoke', { params: { workspace: workspace.id, key: keyId }, query: {}, body: {} })
  return { json: { id: keyId, result: 'revoked' }, text: `Key ${keyId} is revoked.` }
}
