/**
 * The control plane as commands: one for each operation that the command line does not have by hand, made from the same
 * definition that the API has. `member.remove` is `zendo member remove --workspace … --member …`.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { allOperations } from '../contract/all-operations.ts'
import type { OperationShape } from '../contract/operation.ts'
import { findMember, findWorkspace } from '../control/workspace.ts'
import type { Database } from '../store/database.ts'
import { type Answer, answerAsOperator, CommandError, type Operator, type Session } from './command-line.ts'
import { formatReply } from './reply-text.ts'

/** What a group of commands is for, where no hand-made command says it. */
const GROUPS: Readonly<Record<string, string>> = {
  'audit-log': 'who changed what, and when',
  balance: 'what a workspace has left to spend',
  credential: 'provider keys that workspaces bring',
  invite: 'invitations into a workspace',
  member: 'who belongs to a workspace, and as what',
  model: 'which models a workspace may call, and why not the others',
  person: 'everybody who can sign in',
  policy: 'the terms under which a workspace may call models',
  request: 'what a workspace asked, and what it cost',
  seat: 'who has a seat on which plan',
  tag: 'the tags that a workspace puts on requests',
  setting: 'settings of the instance, with where each comes from',
}

/** One member of a query or body, as JSON Schema has it. */
interface Member {
  readonly name: string
  readonly schema: JsonSchema
  readonly isRequired: boolean
}

interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly anyOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
}

/** These have commands by hand, under other names; or are about a membership, which a shell has none of. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  ...['usage.read', 'credit.list', 'credit.grant', 'audit_log.export'],
  'member.transfer',
])

/** What is about the one who asks is none for a shell, nor what anybody may ask of a server; nor a second stream. */
export function isCommand({ id, scope, access }: OperationShape): boolean {
  if (LEFT_OUT.has(id) || id.startsWith('workspace.audit_log.')) return false
  return access !== 'public' && (scope !== null || access === 'operator' || access === 'admin')
}

const made = new WeakMap<Command, OperationShape>()

/** The operation that a command was made from; undefined for those made by hand. */
export function operationOf(command: Command): OperationShape | undefined {
  return made.get(command)
}

export function addOperationCommands(program: Command, session: Session): void {
  for (const shape of allOperations as readonly OperationShape[]) {
    if (!isCommand(shape)) continue
    const [group = '', ...verbs] = shape.id.replaceAll('_', '-').split('.')
    const verb = verbs.join('-')
    const parent = program.commands.find((command) => command.name() === group) ?? addGroup(program, group)
    if (parent.commands.some((command) => command.name() === verb)) continue
    addCommand(parent.command(verb), shape, session)
  }
}

function addGroup(program: Command, name: string): Command {
  return program.command(name).description(GROUPS[name] ?? name)
}

function addCommand(command: Command, shape: OperationShape, session: Session): void {
  made.set(command, shape)
  command.description(lowerFirst(shape.summary))
  const params = namesIn(shape.path)
  for (const name of params) {
    if (name === 'workspace') command.option('--workspace <workspace>', 'id or name; needed when there are several')
    else command.requiredOption(`--${name} <${name}>`, `id of the ${name}`)
  }
  const query = membersOf(shape.query)
  const body = membersOf(shape.body)
  for (const { name, schema, isRequired } of [...query, ...body]) {
    const flags = `--${kebab(name)} <${SECRETS.includes(name) ? 'env:NAME' : valueName(schema)}>`
    const description = describe(name, schema)
    if (isRequired) command.requiredOption(flags, description)
    else command.option(flags, description)
  }
  command.action(async (options: Readonly<Record<string, string>>, ran: Command) => {
    await answerAsOperator(session, ran, (operator) =>
      answer(session, operator, { shape, params, query, body, options }),
    )
  })
}

function describe(name: string, schema: JsonSchema): string {
  const text = lowerFirst(schema.description ?? name.replaceAll('_', ' '))
  const fallback = schema.default
  return fallback === undefined || fallback === null || typeof fallback === 'object'
    ? text
    : `${text} (default: ${fallback})`
}

interface Asked {
  readonly shape: OperationShape
  readonly params: readonly string[]
  readonly query: readonly Member[]
  readonly body: readonly Member[]
  readonly options: Readonly<Record<string, string>>
}

async function answer(session: Session, operator: Operator, asked: Asked): Promise<Answer> {
  const { shape, params, options } = asked
  const { database } = operator.control
  const named: Record<string, string> = {}
  for (const name of params) {
    const value = options[camel(name)]
    if (name === 'workspace') named[name] = (await findWorkspace(database, value)).id
    else named[name] = await idOf(database, named.workspace, name, value ?? '')
  }
  const query = valuesOf(asked.query, options)
  const sent = valuesOf(asked.body, options)
  if (typeof sent.member === 'string') sent.member = await idOf(database, named.workspace, 'member', sent.member)
  const body = resolveSecrets(session, sent)
  const reply = await operator.run(shape.id, { params: named, query, body })
  return { json: reply, text: formatReply(reply) }
}

/** Members may be called by their names, as in the commands made by hand. */
async function idOf(database: Database, workspaceId: string | undefined, kind: string, text: string): Promise<string> {
  return kind === 'member' && workspaceId !== undefined ? (await findMember(database, workspaceId, text)).id : text
}

/** A secret stands in the environment, not among the arguments, which every user of the machine can see. */
const SECRETS = ['api_key', 'password']

function resolveSecrets({ line }: Session, body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const resolved = Object.entries(body).map(([name, value]) => {
    if (!SECRETS.includes(name)) return [name, value] as const
    const [, variable] = /^env:(\w+)$/.exec(String(value)) ?? []
    const secret = variable === undefined ? undefined : line.env[variable]
    if (variable === undefined) {
      throw new CommandError('usage', `--${kebab(name)} takes env:NAME, the variable that holds it`)
    }
    if (!secret) throw new CommandError('usage', `--${kebab(name)}: the environment variable ${variable} is not set`)
    return [name, secret] as const
  })
  return Object.fromEntries(resolved)
}

function namesIn(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string)
}

function membersOf(schema: z.ZodObject | undefined): Member[] {
  if (!schema) return []
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema
  return Object.entries(properties).map(([name, property]) => ({
    name,
    schema: property,
    isRequired: required.includes(name),
  }))
}

function valuesOf(members: readonly Member[], options: Readonly<Record<string, string>>): Record<string, unknown> {
  const given = members.filter(({ name }) => options[camel(name)] !== undefined)
  return Object.fromEntries(
    given.map(({ name, schema }) => [name, readValue(name, schema, options[camel(name)] ?? '')]),
  )
}

/** What a text on the command line means for a member of this kind. @throws CommandError */
function readValue(name: string, schema: JsonSchema, text: string): unknown {
  const kinds = kindsOf(schema)
  if (text === 'none' && kinds.includes('null')) return null
  if (kinds.includes('boolean')) return switchOf(name, text)
  if (kinds.includes('integer') || kinds.includes('number')) return numberOf(name, text)
  if (kinds.length === 0) return parsed(text)
  if (kinds.includes('array') && !text.trimStart().startsWith('[')) {
    return text === '' ? [] : text.split(',').map((item) => item.trim())
  }
  if (kinds.includes('array') || kinds.includes('object')) return parseJson(name, text)
  return text
}

function switchOf(name: string, text: string): boolean {
  if (text === 'on' || text === 'true') return true
  if (text === 'off' || text === 'false') return false
  throw new CommandError('usage', `--${kebab(name)} is either on or off`)
}

function numberOf(name: string, text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && Number.isFinite(number)) return number
  throw new CommandError('usage', `--${kebab(name)} takes a number`)
}

/** For a member that takes anything: JSON where it is some, else the text as it stands. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new CommandError('usage', `--${kebab(name)} takes JSON`)
  }
}

function kindsOf({ type, anyOf }: JsonSchema): string[] {
  return [...(type === undefined ? [] : [type]), ...(anyOf ?? []).flatMap(kindsOf)]
}

function valueName(schema: JsonSchema): string {
  const kinds = kindsOf(schema)
  const words = schema.enum ?? schema.anyOf?.find((one) => one.enum)?.enum
  if (words) return words.join('|')
  if (kinds.includes('boolean')) return 'on|off'
  if (kinds.includes('integer') || kinds.includes('number')) return 'number'
  if (kinds.includes('array')) return 'list'
  return kinds.includes('object') ? 'json' : 'text'
}

function kebab(name: string): string {
  return name.replaceAll('_', '-')
}

/** The name under which commander keeps the value of `--kebab-case`. */
function camel(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function lowerFirst(text: string): string {
  return (text.charAt(0).toLowerCase() + text.slice(1)).replace(/\.$/, '')
}
