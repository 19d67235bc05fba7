/**
 * The rules by which OpenAI refuses a request to Responses.
 *
 * Sources: OpenAI "Create a model response", "Function calling", "Reasoning models" (encrypted content), and the
 * refusals that users of gateways report (PP-28).
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { WireObject } from '../../../src/protocol/wire-value.ts'
import {
  optional,
  readFilledList,
  readFlag,
  readInteger,
  readList,
  readMatch,
  readName,
  readObject,
  readOneOf,
  readOnly,
  readText,
  refuse,
} from './breach.ts'
import type { Mint } from './mint.ts'
import { checkParameters, checkSampling, checkSchemaFormat, checkStrictSchema, OPENAI_NAME } from './openai-rules.ts'
import { checkResponsesInput } from './responses-input.ts'

/** What the upstream remembers of the items that it made. */
export interface MintedItems {
  /** The id of the reasoning item before an item, by the item's id. */
  readonly reasoningOf: Map<string, string>
}

const MEMBERS = [
  'background',
  'conversation',
  'include',
  'input',
  'instructions',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'model',
  'parallel_tool_calls',
  'prompt',
  'prompt_cache_key',
  'prompt_cache_retention',
  'reasoning',
  'safety_identifier',
  'service_tier',
  'store',
  'stream',
  'stream_options',
  'temperature',
  'text',
  'tool_choice',
  'tools',
  'top_logprobs',
  'top_p',
  'truncation',
  'user',
]

export function checkResponses(headers: IncomingHttpHeaders, body: WireObject, mint: Mint, minted: MintedItems): void {
  readMatch(headers.authorization, 'header authorization', /^Bearer \S+$/)
  if (body.previous_response_id !== undefined) {
    refuse('previous_response_id', 'no such response is stored', 'previous_response_not_found')
  }
  for (const name of Object.keys(body)) {
    if (!MEMBERS.includes(name)) refuse(name, 'unknown parameter', 'unknown_parameter')
  }
  readName(body.model, 'model')
  checkSettings(body)
  optional(body.reasoning, 'reasoning', checkReasoning)
  optional(body.text, 'text', checkTextConfig)
  checkToolChoice(body, checkTools(body))
  checkResponsesInput(body.input, mint, minted)
}

function checkSettings(body: WireObject): void {
  checkSampling(body)
  const stream = optional(body.stream, 'stream', readFlag)
  optional(body.store, 'store', readFlag)
  optional(body.instructions, 'instructions', readText)
  optional(body.max_output_tokens, 'max_output_tokens', (value, path) => readInteger(value, path, 16))
  optional(body.stream_options, 'stream_options', (value, path) => {
    if (stream !== true) refuse(path, "is only allowed when 'stream' is enabled")
    readOnly(value, path, ['include_obfuscation'])
  })
  optional(body.truncation, 'truncation', (value, path) => readOneOf(value, path, ['auto', 'disabled']))
  optional(body.include, 'include', (value, path) => {
    readList(value, path).forEach((entry, i) => {
      readOneOf(entry, `${path}[${i}]`, [
        'reasoning.encrypted_content',
        'file_search_call.results',
        'web_search_call.results',
        'web_search_call.action.sources',
        'message.input_image.image_url',
        'message.output_text.logprobs',
        'code_interpreter_call.outputs',
        'computer_call_output.output.image_url',
      ])
    })
  })
  optional(body.metadata, 'metadata', (value, path) => {
    for (const [key, member] of Object.entries(readObject(value, path))) readText(member, `${path}.${key}`)
  })
}

function checkReasoning(value: unknown, path: string): void {
  const reasoning = readOnly(value, path, ['effort', 'summary', 'generate_summary', 'context'])
  optional(reasoning.effort, `${path}.effort`, (effort, at) =>
    readOneOf(effort, at, ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']),
  )
  optional(reasoning.summary, `${path}.summary`, (summary, at) =>
    readOneOf(summary, at, ['auto', 'concise', 'detailed']),
  )
}

function checkTextConfig(value: unknown, path: string): void {
  const { format, verbosity } = readOnly(value, path, ['format', 'verbosity'])
  optional(verbosity, `${path}.verbosity`, (word, at) => readOneOf(word, at, ['low', 'medium', 'high']))
  optional(format, `${path}.format`, (entry, at) => {
    const object = readObject(entry, at)
    const type = readOneOf(object.type, `${at}.type`, ['text', 'json_object', 'json_schema'])
    if (type !== 'json_schema') return void readOnly(object, at, ['type'])
    readOnly(object, at, ['type', 'name', 'description', 'schema', 'strict'])
    checkSchemaFormat(object, at)
  })
}

const HOSTED =
  /^(?:web_search|file_search|code_interpreter|image_generation|mcp|computer|local_shell|shell|tool_search)/

/** @returns the names and types that can be chosen */
function checkTools(body: WireObject): ReadonlySet<string> {
  const names = new Set<string>()
  optional(body.parallel_tool_calls, 'parallel_tool_calls', readFlag)
  const tools = body.tools === undefined ? [] : readList(body.tools, 'tools')
  tools.forEach((entry, i) => {
    const path = `tools[${i}]`
    const tool = readObject(entry, path)
    const type = readName(tool.type, `${path}.type`)
    if (type === 'function') names.add(checkFunction(tool, path))
    else if (type === 'custom') {
      readOnly(tool, path, ['type', 'name', 'description', 'format'])
      names.add(readMatch(tool.name, `${path}.name`, OPENAI_NAME))
    } else if (type === 'namespace') {
      readOnly(tool, path, ['type', 'name', 'description', 'tools'])
      names.add(readMatch(tool.name, `${path}.name`, OPENAI_NAME))
      readFilledList(tool.tools, `${path}.tools`)
    } else if (HOSTED.test(type)) names.add(type)
    else refuse(`${path}.type`, `"${type}" is no type of tool`)
  })
  return names
}

function checkFunction(tool: WireObject, path: string): string {
  readOnly(tool, path, ['type', 'name', 'description', 'parameters', 'strict', 'defer_loading'])
  optional(tool.description, `${path}.description`, readText)
  const strict = tool.strict === null ? undefined : optional(tool.strict, `${path}.strict`, readFlag)
  const schema = checkParameters(tool.parameters, `${path}.parameters`)
  if (strict === true) checkStrictSchema(schema ?? {}, `${path}.parameters`)
  return readMatch(tool.name, `${path}.name`, OPENAI_NAME)
}

function checkToolChoice(body: WireObject, names: ReadonlySet<string>): void {
  const choice = body.tool_choice
  if (choice === undefined) return
  if (typeof choice === 'string') {
    readOneOf(choice, 'tool_choice', ['none', 'auto', 'required'])
    if (choice === 'required' && names.size === 0)
      refuse('tool_choice', "'required' is only allowed when 'tools' are specified")
    return
  }
  const object = readObject(choice, 'tool_choice')
  const type = readName(object.type, 'tool_choice.type')
  if (type === 'allowed_tools') {
    readOnly(object, 'tool_choice', ['type', 'mode', 'tools'])
    readOneOf(object.mode, 'tool_choice.mode', ['auto', 'required'])
    readFilledList(object.tools, 'tool_choice.tools')
    return
  }
  const name = type === 'function' || type === 'custom' ? readName(object.name, 'tool_choice.name') : type
  if (!names.has(name)) refuse('tool_choice', `"${name}" is not among the tools`)
}
