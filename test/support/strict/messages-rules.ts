/**
 * The rules by which Anthropic refuses a request to Messages.
 *
 * Sources: Anthropic "Create a Message", "Extended thinking", "Tool use", "Prompt caching", "Structured outputs", and
 * the refusals that users of gateways report (PP-12, PP-27, PP-30).
 */
import { asObject, type WireObject } from '../../../src/protocol/wire-value.ts'
import {
  optional,
  readFilledList,
  readFlag,
  readInteger,
  readList,
  readMatch,
  readName,
  readNumber,
  readObject,
  readOneOf,
  readOnly,
  readText,
  refuse,
  walkSchema,
} from './breach.ts'
import { checkMessagesConversation } from './messages-conversation.ts'
import type { Mint } from './mint.ts'
import type { StrictRequest } from './server.ts'

export interface MessagesOptions {
  /** The form of `thinking` that the model takes. Default `budget`. */
  readonly thinking?: 'budget' | 'adaptive'
  /** Which cache marks are taken. Default `ttl`. */
  readonly cacheMarks?: 'ttl' | 'plain' | 'none'
  /** Whether `system` messages may stand in the conversation. Default false. */
  readonly systemMessages?: boolean
}

const MEMBERS = [
  'model',
  'max_tokens',
  'messages',
  'system',
  'metadata',
  'stop_sequences',
  'stream',
  'temperature',
  'top_k',
  'top_p',
  'tools',
  'tool_choice',
  'thinking',
  'service_tier',
  'output_config',
  'container',
  'inference_geo',
]
export const TOOL_NAME = /^[a-zA-Z0-9_-]{1,128}$/
const MAX_CACHE_MARKS = 4

export function checkMessages({ headers, body }: StrictRequest, mint: Mint, options: MessagesOptions): void {
  readName(headers['anthropic-version'], 'header anthropic-version')
  if (headers['x-api-key'] === undefined && headers.authorization === undefined) refuse('', 'a key is required')
  readOnly(body, '', MEMBERS)
  readName(body.model, 'model')
  const maxTokens = readInteger(body.max_tokens, 'max_tokens', 1)
  checkSettings(body)
  const tools = checkTools(body)
  checkToolChoice(body, tools)
  const thinks = checkThinking(body, maxTokens, options)
  optional(body.output_config, 'output_config', checkOutputConfig)
  checkMessagesConversation(body, {
    mint,
    thinks,
    mustStartThinking: thinks && options.thinking !== 'adaptive',
    options,
  })
  checkCacheMarks(body, options.cacheMarks ?? 'ttl')
}

function checkSettings(body: WireObject): void {
  optional(body.stream, 'stream', readFlag)
  optional(body.temperature, 'temperature', (value, path) => readNumber(value, path, 0, 1))
  optional(body.top_p, 'top_p', (value, path) => readNumber(value, path, 0, 1))
  optional(body.top_k, 'top_k', (value, path) => readInteger(value, path, 0))
  optional(body.service_tier, 'service_tier', (value, path) => readOneOf(value, path, ['auto', 'standard_only']))
  optional(body.metadata, 'metadata', (value, path) => {
    const { user_id } = readOnly(value, path, ['user_id'])
    optional(user_id, `${path}.user_id`, (id, at) => readMatch(id, at, /^.{0,256}$/s))
  })
  optional(body.stop_sequences, 'stop_sequences', (value, path) => {
    readList(value, path).forEach((entry, i) => {
      readMatch(entry, `${path}.${i}`, /\S/)
    })
  })
}

/** @returns the names */
function checkTools(body: WireObject): ReadonlySet<string> {
  const names = new Set<string>()
  const tools = body.tools === undefined ? [] : readList(body.tools, 'tools')
  tools.forEach((entry, i) => {
    const path = `tools.${i}`
    const tool = readObject(entry, path)
    const name = readMatch(tool.name, `${path}.name`, TOOL_NAME)
    if (names.has(name)) refuse(path, 'tool names must be unique')
    names.add(name)
    // Tools of the vendor's own have a type with a date.
    if (tool.type === undefined || tool.type === 'custom') checkTool(tool, path)
    else readMatch(tool.type, `${path}.type`, /_20\d{6}$/)
  })
  return names
}

const TOOL_MEMBERS = [
  'type',
  'name',
  'description',
  'input_schema',
  'cache_control',
  'strict',
  'eager_input_streaming',
  'defer_loading',
  'allowed_callers',
  'input_examples',
]

function checkTool(tool: WireObject, path: string): void {
  readOnly(tool, path, TOOL_MEMBERS)
  optional(tool.description, `${path}.description`, readText)
  optional(tool.strict, `${path}.strict`, readFlag)
  const schema = readObject(tool.input_schema, `${path}.input_schema`)
  if (schema.type !== 'object') refuse(`${path}.input_schema.type`, 'must be "object"')
  for (const word of ['anyOf', 'oneOf', 'allOf']) {
    if (word in schema) refuse(`${path}.input_schema`, `does not support ${word} at the top level`)
  }
  walkSchema(schema, `${path}.input_schema`, ({ properties }, at) => {
    for (const key of Object.keys(asObject(properties) ?? {})) {
      readMatch(key, `${at}.properties`, /^[a-zA-Z0-9_.-]{1,64}$/)
    }
  })
  if (tool.strict === true) checkClosedObjects(schema, `${path}.input_schema`)
}

function checkToolChoice(body: WireObject, tools: ReadonlySet<string>): void {
  if (body.tool_choice === undefined) return
  const choice = readOnly(body.tool_choice, 'tool_choice', ['type', 'name', 'disable_parallel_tool_use'])
  const type = readOneOf(choice.type, 'tool_choice.type', ['auto', 'any', 'tool', 'none'])
  if (tools.size === 0) refuse('tool_choice', 'may only be specified while providing tools')
  optional(choice.disable_parallel_tool_use, 'tool_choice.disable_parallel_tool_use', readFlag)
  if (type === 'none' && choice.disable_parallel_tool_use !== undefined) {
    refuse('tool_choice.disable_parallel_tool_use', 'extra inputs are not permitted')
  }
  if (type !== 'tool') {
    if (choice.name !== undefined) refuse('tool_choice.name', 'extra inputs are not permitted')
    return
  }
  if (!tools.has(readName(choice.name, 'tool_choice.name'))) refuse('tool_choice.name', 'there is no such tool')
}

/** @returns whether the model thinks */
function checkThinking(body: WireObject, maxTokens: number, options: MessagesOptions): boolean {
  if (body.thinking === undefined) return false
  const thinking = readOnly(body.thinking, 'thinking', ['type', 'budget_tokens', 'display'])
  const type = readOneOf(thinking.type, 'thinking.type', ['enabled', 'disabled', 'adaptive'])
  if (type === 'disabled') {
    readOnly(thinking, 'thinking', ['type'])
    return false
  }
  optional(thinking.display, 'thinking.display', (value, path) => readOneOf(value, path, ['summarized', 'omitted']))
  const taken = options.thinking === 'adaptive' ? 'adaptive' : 'enabled'
  if (type !== taken) refuse('thinking.type', `"${type}" is not supported by this model`)
  if (type === 'enabled') {
    const budget = readInteger(thinking.budget_tokens, 'thinking.budget_tokens', 1024)
    if (budget >= maxTokens) refuse('max_tokens', 'must be greater than thinking.budget_tokens')
  } else if (thinking.budget_tokens !== undefined) refuse('thinking.budget_tokens', 'extra inputs are not permitted')
  if (body.temperature !== undefined && body.temperature !== 1) {
    refuse('temperature', 'may only be set to 1 when thinking is enabled')
  }
  if (body.top_k !== undefined) refuse('top_k', 'must be unset when thinking is enabled')
  if (body.top_p !== undefined && (body.top_p as number) < 0.95) refuse('top_p', 'must be from 0.95 when thinking')
  const choice = asObject(body.tool_choice)?.type
  if (choice === 'any' || choice === 'tool') refuse('thinking', 'may not be enabled when tool_choice forces tool use')
  return true
}

function checkOutputConfig(value: unknown, path: string): void {
  const config = readOnly(value, path, ['effort', 'format'])
  optional(config.effort, `${path}.effort`, (effort, at) =>
    readOneOf(effort, at, ['low', 'medium', 'high', 'xhigh', 'max']),
  )
  optional(config.format, `${path}.format`, (format, at) => {
    const { type, schema } = readOnly(format, at, ['type', 'schema'])
    readOneOf(type, `${at}.type`, ['json_schema'])
    checkClosedObjects(readObject(schema, `${at}.schema`), `${at}.schema`)
  })
}

function checkClosedObjects(schema: WireObject, path: string): void {
  walkSchema(schema, path, (inner, at) => {
    if (inner.type === 'object' && inner.additionalProperties !== false) {
      refuse(at, "for 'object' type, 'additionalProperties' must be explicitly set to false")
    }
  })
}

function checkCacheMarks(body: WireObject, taken: 'ttl' | 'plain' | 'none'): void {
  let count = 0
  const visit = (value: unknown, path: string): void => {
    const block = asObject(value)
    if (!block) return
    if (block.cache_control !== undefined) {
      count++
      const mark = readOnly(block.cache_control, `${path}.cache_control`, ['type', 'ttl'])
      readOneOf(mark.type, `${path}.cache_control.type`, ['ephemeral'])
      optional(mark.ttl, `${path}.cache_control.ttl`, (ttl, at) => readOneOf(ttl, at, ['5m', '1h']))
      if (taken === 'none') refuse(path, 'cache_control is not supported')
      if (taken === 'plain' && mark.ttl !== undefined)
        refuse(`${path}.cache_control.ttl`, 'extra inputs are not permitted')
    }
    if (Array.isArray(block.content)) visitAll(block.content, `${path}.content`)
  }
  const visitAll = (list: unknown, path: string): void => {
    for (const [i, entry] of Array.isArray(list) ? list.entries() : []) visit(entry, `${path}.${i}`)
  }
  visitAll(body.tools, 'tools')
  visitAll(body.system, 'system')
  visitAll(readFilledList(body.messages, 'messages'), 'messages')
  if (count > MAX_CACHE_MARKS) refuse('', `a maximum of 4 blocks with cache_control may be provided, found ${count}`)
}
