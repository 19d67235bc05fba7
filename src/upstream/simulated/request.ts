/** A request as the simulation sees it, whatever protocol it came in, and the readers that both decoders share. */
import { SimulatedFailure } from './failure.ts'

export interface SimulatedTool {
  readonly name: string
  /** JSON Schema of the arguments, as the client sent it. */
  readonly schema: unknown
}

export interface SimulatedRequest {
  readonly model: string
  readonly stream: boolean
  /** Chat streams send usage only when asked; the other kinds of reply always carry it. */
  readonly usageAsked: boolean
  /** Deltas at most, null without a limit. */
  readonly maxOutput: number | null
  /** Only tools that the client runs itself; empty when `tool_choice` forbids calls. */
  readonly tools: readonly SimulatedTool[]
  readonly hasToolResult: boolean
  /** Text of the last user message that has any; empty when none has. */
  readonly lastUserText: string
  /** What makes two prompts the same to the simulated prompt cache: the first system and the first user text. */
  readonly prefix: string
  /** Prompt size in simulated tokens, at least 1. */
  readonly promptTokens: number
  /** Lifetimes named by the `cache_control` marks of a Messages request. */
  readonly cacheMarks: ReadonlySet<CacheLifetime>
}

export type CacheLifetime = '5m' | '1h'
export type JsonObject = Readonly<Record<string, unknown>>

const BYTES_PER_TOKEN = 4
/** A cap above every real model's, so that sums of tokens stay exact. */
const MAX_OUTPUT_TOKENS = 1_000_000_000

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** @throws SimulatedFailure `invalid_request` when the bytes are not one JSON object. */
export function parseBody(bytes: Buffer): JsonObject {
  let body: unknown
  try {
    body = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new SimulatedFailure('invalid_request', 'The request body is not valid JSON.')
  }
  if (!isObject(body)) throw new SimulatedFailure('invalid_request', 'The request body must be a JSON object.')
  return body
}

/** @throws SimulatedFailure `invalid_request` */
export function readModel(body: JsonObject): string {
  if (typeof body.model === 'string' && body.model !== '') return body.model
  throw new SimulatedFailure('invalid_request', "'model' must be a string.", 'model')
}

/** @throws SimulatedFailure `invalid_request` */
export function readMessages(body: JsonObject): readonly JsonObject[] {
  const messages = objectsIn(body.messages)
  if (Array.isArray(body.messages) && messages.length > 0 && messages.length === body.messages.length) return messages
  throw new SimulatedFailure('invalid_request', "'messages' must be an array of at least one message.", 'messages')
}

/** @throws SimulatedFailure `invalid_request` */
export function readStream(body: JsonObject): boolean {
  if (body.stream === undefined || body.stream === null) return false
  if (typeof body.stream === 'boolean') return body.stream
  throw new SimulatedFailure('invalid_request', "'stream' must be true or false.", 'stream')
}

/** Null when the member is absent. @throws SimulatedFailure `invalid_request` */
export function readTokenLimit(body: JsonObject, member: string): number | null {
  const limit = body[member]
  if (limit === undefined || limit === null) return null
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 1 && limit <= MAX_OUTPUT_TOKENS) return limit
  throw new SimulatedFailure('invalid_request', `'${member}' must be a positive whole number.`, member)
}

/** Text of a message's `content`: a string, or the text parts of an array, one to a line. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  const texts = objectsIn(content).map((part) => part.text)
  return texts.filter((text) => typeof text === 'string').join('\n')
}

/** Bytes of the member as JSON, 0 when it is absent. */
export function jsonBytes(value: unknown): number {
  return value === undefined || value === null ? 0 : Buffer.byteLength(JSON.stringify(value))
}

/** Four bytes of text count as one token. */
export function tokensOfBytes(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / BYTES_PER_TOKEN))
}

/** One message, reduced to what the simulation needs. */
export interface PromptPart {
  readonly role: 'system' | 'user' | 'other'
  readonly text: string
  /** Bytes that count as prompt: the text, and calls, results or thinking sent back. */
  readonly bytes: number
}

export function promptOf(
  parts: readonly PromptPart[],
  tools: unknown,
): Pick<SimulatedRequest, 'lastUserText' | 'prefix' | 'promptTokens'> {
  const userTexts = parts.filter((part) => part.role === 'user' && part.text !== '').map((part) => part.text)
  const systemText = parts.find((part) => part.role === 'system')?.text ?? ''
  const bytes = parts.reduce((sum, part) => sum + part.bytes, jsonBytes(tools))
  return {
    lastUserText: userTexts.at(-1) ?? '',
    prefix: `${systemText}\n${userTexts[0] ?? ''}`,
    promptTokens: tokensOfBytes(bytes),
  }
}
