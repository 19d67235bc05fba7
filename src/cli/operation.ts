/**
 * The control plane as commands: one for each operation that the command line does not have by hand, made from the same
 * definition that the API has. `member.remove` is `zendo member remove --workspace … --member …`.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { allOperations } from '../contract/all-operations.ts'
import type { OperationShape } from '../contract/operation.ts'
import { findWorkspace } from '../control/workspace.ts'
import { type Answer, answerAsOperator, CommandError, type Operator, type Session } from './command-line.ts'
import { formatReply } from './reply-text.ts'

/** What a group of commands is for, where no hand-made command says it. */
const GROUPS: Readonly<Record<string, string>> = {
  'audit-log': 'who changed what, and when',
  credential: 'provider keys that workspaces bring',
  instance: 'what this instance is and keeps',
  invite: 'invitations into a workspace',
  member: 'who belongs to a workspace, and as what',
  people: 'everybody who can sign in',
  policy: 'which models a workspace may call, under which terms',
  seat: 'who has a seat on which plan',
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
  readonly enum?: readonly string[]
  readonly anyOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
}

/** These have commands by hand, under other names. */
const BY_HAND: ReadonlySet<string> = new Set(['usage.read', 'credit.list', 'credit.grant', 'audit_log.export'])

/** What is about the one who asks is none for a shell, nor what anybody may ask of a server; nor a second stream. */
export function isCommand({ id, scope, access }: OperationShape): boolean {
  if (BY_HAND.has(id) || id.startsWith('workspace.audit_log.')) return false
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
    const flags = `--${kebab(name)} <${valueName(schema)}>`
    const description = lowerFirst(schema.description ?? name.replaceAll('_', ' '))
    if (isRequired) command.requiredOption(flags, description)
    else command.option(flags, description)
  }
  command.action(async (options: Readonly<Record<string, string>>, ran: Command) => {
    await answerAsOperator(session, ran, (operator) =>
      answer(session, operator, { shape, params, query, body, options }),
    )
  })
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
  const named: Record<string, string> = {}
  for (const name of params) {
    const value = options[camel(name)]
    const isWorkspace = name === 'workspace'
    named[name] = isWorkspace ? (await findWorkspace(operator.control.database, value)).id : (value ?? '')
  }
  const query = valuesOf(asked.query, options)
  const body = resolveSecrets(session, valuesOf(asked.body, options))
  const reply = await operator.run(shape.id, { params: named, query, body })
  return { json: reply, text: formatReply(reply) }
}

/** A secret stands in the environment, not among the arguments, which every user of the machine can see. */
const SECRETS = ['api_key', 'password']

function resolveSecrets({ line }: Session, body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const resolved = Object.entries(body).map(([name, value]) => {
    if (!SECRETS.includes(name)) return [name, value] as const
    const [, variable] = /^env:(\w+)$/.exec(String(value)) ?? []
    const secret = variable === undefined ? undefined : line.env[variable]
    if (!secret) throw new CommandError('usage', `--${kebab(name)} takes env:NAME, the variable that holds it`)
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
  if (kinds.includes('integer') || kinds.includes('number')) return Number(text)
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
