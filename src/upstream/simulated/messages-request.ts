/** Reads an Anthropic Messages request (https://docs.anthropic.com/en/api/messages). */
import { SimulatedFailure } from './failure.ts'
import {
  type CacheLifetime,
  isObject,
  type JsonObject,
  jsonBytes,
  objectsIn,
  type PromptPart,
  promptOf,
  readMessages,
  readModel,
  readStream,
  readTokenLimit,
  type SimulatedRequest,
  type SimulatedTool,
  textOf,
} from './request.ts'

/** @throws SimulatedFailure `invalid_request` */
export function decodeMessagesRequest(body: JsonObject): SimulatedRequest {
  const maxOutput = readTokenLimit(body, 'max_tokens')
  if (maxOutput === null) throw new SimulatedFailure('invalid_request', 'max_tokens: Field required', 'max_tokens')
  return { ...decodePrompt(body), maxOutput }
}

/** Reads what counting tokens needs: the same request, in which `max_tokens` may be missing. */
export function decodeCountRequest(body: JsonObject): SimulatedRequest {
  return decodePrompt(body)
}

function decodePrompt(body: JsonObject): SimulatedRequest {
  const model = readModel(body)
  const messages = readMessages(body)
  const blocks = messages.flatMap((message) => objectsIn(message.content))
  const system = textOf(body.system)
  const systemPart: PromptPart = { role: 'system', text: system, bytes: Buffer.byteLength(system) }
  return {
    model,
    stream: readStream(body),
    usageAsked: true,
    maxOutput: null,
    tools: offeredTools(body),
    hasToolResult: blocks.some((block) => block.type === 'tool_result'),
    cacheMarks: cacheMarksOf([body, ...objectsIn(body.system), ...objectsIn(body.tools), ...blocks]),
    ...promptOf([...(system === '' ? [] : [systemPart]), ...messages.map(promptPart)], body.tools),
  }
}

function promptPart(message: JsonObject): PromptPart {
  const text = textOf(message.content)
  const others = objectsIn(message.content).reduce((sum, block) => sum + bytesBesideText(block), 0)
  return { role: roleOf(message.role), text, bytes: Buffer.byteLength(text) + others }
}

/** Images and documents count nothing: their size says little about their tokens. */
function bytesBesideText(block: JsonObject): number {
  if (block.type === 'tool_use') return jsonBytes(block.input)
  if (block.type === 'tool_result') return Buffer.byteLength(textOf(block.content))
  if (block.type === 'thinking' && typeof block.thinking === 'string') return Buffer.byteLength(block.thinking)
  return 0
}

function roleOf(role: unknown): PromptPart['role'] {
  return role === 'user' || role === 'system' ? role : 'other'
}

function cacheMarksOf(marked: readonly JsonObject[]): ReadonlySet<CacheLifetime> {
  const marks = new Set<CacheLifetime>()
  for (const { cache_control: mark } of marked) {
    if (isObject(mark) && mark.type === 'ephemeral') marks.add(mark.ttl === '1h' ? '1h' : '5m')
  }
  return marks
}

/** Tools with a schema are the client's to run; hosted ones have none, and deferred ones are not loaded yet. */
function offeredTools(body: JsonObject): readonly SimulatedTool[] {
  const choice = isObject(body.tool_choice) ? body.tool_choice : {}
  if (choice.type === 'none') return []
  const tools: SimulatedTool[] = []
  for (const { name, input_schema: schema, defer_loading: deferred } of objectsIn(body.tools)) {
    if (typeof name === 'string' && isObject(schema) && deferred !== true) tools.push({ name, schema })
  }
  return choice.type === 'tool' ? tools.filter((tool) => tool.name === choice.name) : tools
}
