/** Reads an OpenAI Chat request (https://platform.openai.com/docs/api-reference/chat/create). */
import { SimulatedFailure } from './failure.ts'
import {
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
export function decodeChatRequest(body: JsonObject): SimulatedRequest {
  const model = readModel(body)
  const stream = readStream(body)
  const messages = readMessages(body)
  return {
    model,
    stream,
    usageAsked: readUsageAsked(body, stream),
    maxOutput: smallerLimit(readTokenLimit(body, 'max_tokens'), readTokenLimit(body, 'max_completion_tokens')),
    tools: offeredTools(body),
    hasToolResult: messages.some((message) => message.role === 'tool' || message.role === 'function'),
    cacheMarks: new Set(),
    ...promptOf(messages.map(promptPart), body.tools),
  }
}

function readUsageAsked(body: JsonObject, stream: boolean): boolean {
  const options = body.stream_options
  if (options === undefined || options === null) return false
  if (!stream) {
    const message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    throw new SimulatedFailure('invalid_request', message, 'stream_options')
  }
  return isObject(options) && options.include_usage === true
}

/** Both spellings may be sent; the tighter one holds. */
function smallerLimit(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.min(a, b)
}

function promptPart(message: JsonObject): PromptPart {
  const text = textOf(message.content)
  const reasoning = typeof message.reasoning_content === 'string' ? message.reasoning_content : ''
  const calls = objectsIn(message.tool_calls).reduce((sum, call) => sum + jsonBytes(call.function), 0)
  return { role: roleOf(message.role), text, bytes: Buffer.byteLength(text) + Buffer.byteLength(reasoning) + calls }
}

function roleOf(role: unknown): PromptPart['role'] {
  if (role === 'system' || role === 'developer') return 'system'
  return role === 'user' ? 'user' : 'other'
}

function offeredTools(body: JsonObject): readonly SimulatedTool[] {
  if (body.tool_choice === 'none') return []
  const tools: SimulatedTool[] = []
  for (const { type, function: declared } of objectsIn(body.tools)) {
    if (type !== 'function' || !isObject(declared) || typeof declared.name !== 'string') continue
    tools.push({ name: declared.name, schema: declared.parameters })
  }
  const forced =
    isObject(body.tool_choice) && isObject(body.tool_choice.function) ? body.tool_choice.function.name : null
  return forced === null ? tools : tools.filter((tool) => tool.name === forced)
}
