/**
 * The rules by which Chat Completions vendors refuse a request: OpenAI's own, and those of compatible vendors that
 * refuse members they do not know.
 *
 * Sources: OpenAI "Create chat completion", DeepSeek "Thinking mode", and refusals that users report (PP-09, PP-49).
 */
import type { IncomingHttpHeaders } from 'node:http'
import { asObject, type WireObject } from '../../../src/protocol/wire-value.ts'
import {
  optional,
  readFilledList,
  readFlag,
  readInteger,
  readMatch,
  readName,
  readNumber,
  readObject,
  readOneOf,
  readOnly,
  readText,
  refuse,
} from './breach.ts'
import { checkChatConversation } from './chat-conversation.ts'
import { checkParameters, checkSampling, checkSchemaFormat, checkStrictSchema, OPENAI_NAME } from './openai-rules.ts'

export interface ChatOptions {
  /** OpenAI itself, which takes more members. Default: a compatible vendor. */
  readonly ownVendor?: boolean
  /** The spelling of the cap that is taken. Default `max_tokens`. */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens'
  /** Default `system`. */
  readonly systemRole?: 'system' | 'developer'
  /** Where reasoning stands in answers and in what comes back. Default `reasoning_content`. */
  readonly reasoningField?: 'reasoning_content' | 'reasoning' | 'none'
  /** Whether an assistant message that calls tools must carry the reasoning that the model gave. Default false. */
  readonly reasoningRequired?: boolean
  /** The member that asks for thinking. Default `reasoning_effort`. */
  readonly reasoningControl?: 'reasoning_effort' | 'thinking' | 'enable_thinking' | 'reasoning' | 'none'
  /** Default true. */
  readonly structuredOutput?: boolean
}

const MEMBERS = [
  'model',
  'messages',
  'stream',
  'stream_options',
  'temperature',
  'top_p',
  'n',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'logprobs',
  'top_logprobs',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'user',
]
const OWN_VENDOR_MEMBERS = [
  'store',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'verbosity',
  'modalities',
  'audio',
  'prediction',
  'web_search_options',
]

/** @param thoughts what the model thought before a call, by the call's id */
export function checkChat(
  headers: IncomingHttpHeaders,
  body: WireObject,
  options: ChatOptions,
  thoughts: ReadonlyMap<string, string>,
): void {
  readMatch(headers.authorization, 'header authorization', /^Bearer \S+$/)
  const { maxTokensField = 'max_tokens', reasoningControl = 'reasoning_effort' } = options
  const control: string[] = reasoningControl === 'none' ? [] : [reasoningControl]
  if (reasoningControl === 'enable_thinking') control.push('thinking_budget')
  const own = options.ownVendor ? OWN_VENDOR_MEMBERS : []
  readOnly(body, '', [...MEMBERS, ...own, ...control, maxTokensField])
  readName(body.model, 'model')
  optional(body[maxTokensField], maxTokensField, (value, path) => readInteger(value, path, 1))
  checkSettings(body)
  checkReasoningControl(body)
  const names = checkTools(body, options)
  checkToolChoice(body, names)
  optional(body.response_format, 'response_format', (value, path) => checkFormat(value, path, body, options))
  checkChatConversation(body, options, thoughts)
}

function checkSettings(body: WireObject): void {
  checkSampling(body)
  const stream = optional(body.stream, 'stream', readFlag)
  optional(body.stream_options, 'stream_options', (value, path) => {
    if (stream !== true) refuse(path, "is only allowed when 'stream' is enabled")
    readOnly(value, path, ['include_usage', 'include_obfuscation'])
  })
  optional(body.n, 'n', (value, path) => readInteger(value, path, 1, 8))
  optional(body.seed, 'seed', (value, path) => readInteger(value, path, Number.MIN_SAFE_INTEGER))
  for (const name of ['presence_penalty', 'frequency_penalty']) {
    optional(body[name], name, (value, path) => readNumber(value, path, -2, 2))
  }
  optional(body.stop, 'stop', (value, path) => {
    if (typeof value === 'string') return
    const stops = readFilledList(value, path)
    if (stops.length > 4) refuse(path, 'takes four sequences at most')
    stops.forEach((entry, i) => {
      readName(entry, `${path}[${i}]`)
    })
  })
}

function checkReasoningControl(body: WireObject): void {
  optional(body.reasoning_effort, 'reasoning_effort', (value, path) =>
    readOneOf(value, path, ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']),
  )
  optional(body.thinking, 'thinking', (value, path) => {
    readOneOf(readObject(value, path).type, `${path}.type`, ['enabled', 'disabled', 'auto'])
  })
  optional(body.enable_thinking, 'enable_thinking', readFlag)
  optional(body.reasoning, 'reasoning', (value, path) => {
    const reasoning = readOnly(value, path, ['effort', 'max_tokens', 'enabled', 'exclude'])
    if (reasoning.effort !== undefined && reasoning.max_tokens !== undefined) refuse(path, 'takes effort or max_tokens')
  })
}

function checkTools(body: WireObject, options: ChatOptions): ReadonlySet<string> {
  const names = new Set<string>()
  if (body.tools === undefined) {
    if (body.parallel_tool_calls !== undefined)
      refuse('parallel_tool_calls', "is only allowed when 'tools' are specified")
    return names
  }
  optional(body.parallel_tool_calls, 'parallel_tool_calls', readFlag)
  readFilledList(body.tools, 'tools').forEach((entry, i) => {
    const path = `tools[${i}]`
    const tool = readObject(entry, path)
    if (tool.type === 'custom' && options.ownVendor) {
      names.add(readMatch(asObject(tool.custom)?.name, `${path}.custom.name`, OPENAI_NAME))
      return
    }
    readOnly(tool, path, ['type', 'function'])
    readOneOf(tool.type, `${path}.type`, ['function'])
    const definition = readOnly(tool.function, `${path}.function`, ['name', 'description', 'parameters', 'strict'])
    names.add(readMatch(definition.name, `${path}.function.name`, OPENAI_NAME))
    optional(definition.description, `${path}.function.description`, readText)
    optional(definition.strict, `${path}.function.strict`, readFlag)
    const schema = checkParameters(definition.parameters, `${path}.function.parameters`)
    if (definition.strict === true) checkStrictSchema(schema ?? {}, `${path}.function.parameters`)
  })
  return names
}

function checkToolChoice(body: WireObject, names: ReadonlySet<string>): void {
  const choice = body.tool_choice
  if (choice === undefined) return
  if (names.size === 0) refuse('tool_choice', "is only allowed when 'tools' are specified")
  if (typeof choice === 'string') return void readOneOf(choice, 'tool_choice', ['none', 'auto', 'required'])
  const object = readObject(choice, 'tool_choice')
  if (object.type === 'allowed_tools' || object.type === 'custom') return
  readOnly(object, 'tool_choice', ['type', 'function'])
  readOneOf(object.type, 'tool_choice.type', ['function'])
  const { name } = readOnly(object.function, 'tool_choice.function', ['name'])
  if (!names.has(readName(name, 'tool_choice.function.name'))) refuse('tool_choice', 'there is no such tool')
}

function checkFormat(value: unknown, path: string, body: WireObject, { structuredOutput = true }: ChatOptions): void {
  const format = readObject(value, path)
  const type = readOneOf(format.type, `${path}.type`, ['text', 'json_object', 'json_schema'])
  if (type !== 'json_schema') readOnly(format, path, ['type'])
  if (type === 'json_object' && !/json/i.test(JSON.stringify(body.messages))) {
    refuse('messages', "must contain the word 'json' in some form, to use 'response_format' of type 'json_object'")
  }
  if (type !== 'json_schema') return
  if (!structuredOutput) refuse(`${path}.type`, 'json_schema is unavailable')
  readOnly(format, path, ['type', 'json_schema'])
  const schema = readOnly(format.json_schema, `${path}.json_schema`, ['name', 'description', 'schema', 'strict'])
  checkSchemaFormat(schema, `${path}.json_schema`)
}
