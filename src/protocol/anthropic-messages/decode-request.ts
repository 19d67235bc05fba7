/**
 * Reads a Messages request into the IR.
 *
 * Source: Anthropic "Create a Message" with its betas and "Count tokens" (the same body without `max_tokens`), and
 * captured requests: Claude Code puts `system` messages into the conversation.
 */
import { AppError } from '../../base/errors.ts'
import type { DecodeContext } from '../codec.ts'
import type { IrText } from '../ir/block.ts'
import type { IrFormat, IrMessage, IrReasoning, IrRequest } from '../ir/request.ts'
import { unknownMembers, unknownPaths } from '../translation/raw.ts'
import { isEffort } from '../translation/reasoning.ts'
import { decodeSettings, SETTINGS } from '../translation/settings.ts'
import { asName, asObject, type WireObject } from '../wire-value.ts'
import { type BlockContext, decodeContent } from './decode-block.ts'
import { decodeToolChoice, decodeTools } from './decode-tools.ts'

const PROTOCOL = 'anthropic-messages'

const KNOWN = new Set([
  ...['model', 'max_tokens', 'messages', 'system', 'stream', 'tools', 'tool_choice'],
  ...['thinking.type', 'thinking.budget_tokens', 'thinking.display'],
  ...['output_config.effort', 'output_config.format'],
  ...Object.values(SETTINGS).flatMap(({ place }) => place[PROTOCOL] ?? []),
])
const NESTED = ['thinking', 'output_config', 'metadata']

/** @throws AppError invalid_request */
export function decodeMessagesRequest(body: WireObject, { model, stream }: DecodeContext): IrRequest {
  const raw = unknownPaths(body, KNOWN, NESTED)
  const blocks: BlockContext = { toolNames: new Map() }
  const tools = decodeTools(body.tools)
  return {
    source: PROTOCOL,
    model,
    stream,
    system: decodeSystem(body.system, blocks),
    messages: decodeMessages(body.messages, blocks),
    tools,
    ...decodeToolChoice(body.tool_choice, tools),
    maxOutput: decodeMaxOutput(body.max_tokens),
    answers: 1,
    format: decodeFormat(body, raw),
    reasoning: decodeReasoning(body, raw),
    settings: decodeSettings(PROTOCOL, body),
    raw,
  }
}

function invalid(path: string, what: string): AppError {
  return new AppError('invalid_request', `"${path}" ${what}.`, { param: path })
}

/** Whether the path is a member's of the body or of one of its nested objects: other names with dots are no paths. */
export function isSoundPath(path: string): boolean {
  const [head = '', inner, ...more] = path.split('.')
  return more.length === 0 && (inner === undefined || NESTED.includes(head))
}

function decodeSystem(value: unknown, context: BlockContext): IrText[] {
  return decodeContent(value, 'system', context).map((block, i) => {
    if (block.type !== 'text') throw invalid(`system[${i}]`, 'must be a text block')
    return block
  })
}

const MESSAGE_MEMBERS = new Set(['role', 'content'])

function decodeMessages(value: unknown, context: BlockContext): IrMessage[] {
  if (!Array.isArray(value)) throw invalid('messages', 'must be a list of messages')
  return value.map((entry, i) => {
    const path = `messages[${i}]`
    const message = asObject(entry)
    if (!message) throw invalid(path, 'must be a message')
    const { role } = message
    if (role !== 'user' && role !== 'assistant' && role !== 'system') {
      throw invalid(`${path}.role`, 'must be user, assistant or system')
    }
    const blocks = decodeContent(message.content, `${path}.content`, context)
    const raw = unknownMembers(message, MESSAGE_MEMBERS)
    return { role, blocks, ...(raw && { raw }) }
  })
}

/** Null when absent: a count of tokens has none, and admission refuses other requests without one. */
function decodeMaxOutput(value: unknown): number | null {
  if (value === undefined || value === null) return null
  if (!Number.isInteger(value) || (value as number) < 0) throw invalid('max_tokens', 'must be a whole number')
  return value as number
}

/** The older beta's `output_format` stays in `raw` too, so that it goes back to where it was. */
function decodeFormat(body: WireObject, raw: Record<string, unknown>): IrFormat | null {
  const format = asObject(asObject(body.output_config)?.format)
  const schema = schemaOf(format)
  if (format && !schema) raw['output_config.format'] = format
  const wanted = schema ?? schemaOf(asObject(body.output_format))
  return wanted && { type: 'json-schema', name: null, schema: wanted }
}

function schemaOf(format: WireObject | null): WireObject | null {
  return format?.type === 'json_schema' ? asObject(format.schema) : null
}

const MODES: ReadonlyMap<unknown, NonNullable<IrReasoning['mode']>> = new Map([
  ['enabled', 'on'],
  ['adaptive', 'adaptive'],
  ['disabled', 'off'],
])
const SHOWN: ReadonlyMap<unknown, boolean> = new Map([
  ['summarized', true],
  ['omitted', false],
])

/** Words that are not known here go to `raw`; a `thinking.type` among them still asks for thinking. */
function decodeReasoning(body: WireObject, raw: Record<string, unknown>): IrReasoning | null {
  const { thinking, output_config: config } = body
  if (thinking !== undefined && thinking !== null && !asObject(thinking)) throw invalid('thinking', 'must be an object')
  const { type, budget_tokens: budget, display } = asObject(thinking) ?? {}
  const effort = asObject(config)?.effort
  const typeName = asName(type)
  const mode = MODES.get(type) ?? (typeName === null ? undefined : 'on')
  const show = SHOWN.get(display)
  if (typeName !== null && !MODES.has(type)) raw['thinking.type'] = type
  if (asName(display) !== null && show === undefined) raw['thinking.display'] = display
  if (asName(effort) !== null && !isEffort(effort)) raw['output_config.effort'] = effort
  if (budget !== undefined && budget !== null && !Number.isInteger(budget)) {
    throw invalid('thinking.budget_tokens', 'must be a whole number')
  }
  const reasoning: IrReasoning = {
    ...(mode && { mode }),
    ...(isEffort(effort) && { effort }),
    ...(Number.isInteger(budget) && { budget: budget as number }),
    ...(show !== undefined && { show }),
  }
  return Object.keys(reasoning).length === 0 ? null : reasoning
}
