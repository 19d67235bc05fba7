/**
 * The few members of a request body that routing and metering need, read from and rewritten in its bytes.
 *
 * Field names: OpenAI "Create chat completion" and Anthropic "Create a Message". Everything else in the body is the
 * upstream's business and passes untouched.
 */
import { AppError } from '../base/errors.ts'
import { type Span, scanTopLevel } from './json-scan.ts'
import type { RelayProtocol } from './relay-protocol.ts'

export interface RequestFields {
  readonly model: string
  /** The model's JSON string, quotes included. */
  readonly modelSpan: Span
  readonly stream: boolean
  /** The cap on output tokens that the client gave. */
  readonly maxOutput: number | null
  /** How many answers were asked for (chat: `n`). */
  readonly answers: number
  /** Chat: the client itself asked for usage in the stream. */
  readonly asksUsage: boolean
  readonly streamOptionsSpan: Span | null
  /** Offset of the closing brace of the body. */
  readonly objectEnd: number
}

export interface ReadRequestOptions {
  /** Messages: `max_tokens` must be there; false for `count_tokens`, which takes none. */
  readonly needsMaxTokens?: boolean
}

export interface Rewrite {
  /** The upstream's name of the model. */
  readonly model: string
  /** Chat streams: have the upstream report usage. */
  readonly askUsage: boolean
}

const MAX_MODEL_LENGTH = 256
const MAX_TOKENS = 2 ** 31 - 1
const MAX_ANSWERS = 128
/** Longer texts of a number or a literal are not worth reading. */
const MAX_SCALAR_BYTES = 64

const WANTED = {
  'openai-chat': ['model', 'messages', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'n'],
  'anthropic-messages': ['model', 'messages', 'stream', 'max_tokens'],
} as const satisfies Record<RelayProtocol, readonly string[]>

type Values = ReadonlyMap<string, Span>

/** @throws AppError `invalid_request` with the field at fault as `param`. */
export function readRequest(
  protocol: RelayProtocol,
  bytes: Uint8Array,
  options: ReadRequestOptions = {},
): RequestFields {
  const { values, closeAt } = scanTopLevel(bytes, WANTED[protocol])
  const modelSpan = values.get('model')
  if (!modelSpan) throw invalid('model', 'is missing')
  const model = readModel(bytes, modelSpan)
  const messages = values.get('messages')
  if (!messages) throw invalid('messages', 'is missing')
  if (bytes[messages.start] !== 0x5b) throw invalid('messages', 'must be an array')
  const maxOutput = readMaxOutput(bytes, values)
  if (protocol === 'anthropic-messages' && maxOutput === null && (options.needsMaxTokens ?? true)) {
    throw invalid('max_tokens', 'is missing')
  }
  const streamOptions = readStreamOptions(bytes, values.get('stream_options'))
  return {
    model,
    modelSpan,
    stream: readBoolean(bytes, values.get('stream'), 'stream'),
    maxOutput,
    answers: readInteger(bytes, values.get('n'), 'n', 1, MAX_ANSWERS) ?? 1,
    ...streamOptions,
    objectEnd: closeAt,
  }
}

/**
 * The body as slices of `bytes` with little new text between them: the model's name replaced when it differs, the
 * usage opt-in put in when asked for, everything else byte for byte.
 */
export function rewriteRequest(bytes: Uint8Array, fields: RequestFields, rewrite: Rewrite): Uint8Array[] {
  const edits: Edit[] = []
  if (rewrite.model !== fields.model) edits.push({ ...fields.modelSpan, text: JSON.stringify(rewrite.model) })
  if (rewrite.askUsage && !fields.asksUsage) edits.push(usageOptIn(bytes, fields))
  edits.sort((a, b) => a.start - b.start)
  const slices: Uint8Array[] = []
  let at = 0
  for (const { start, end, text } of edits) {
    if (start > at) slices.push(bytes.subarray(at, start))
    slices.push(Buffer.from(text))
    at = end
  }
  slices.push(bytes.subarray(at))
  return slices
}

/** Put `text` in the place of the bytes of the span. */
interface Edit extends Span {
  readonly text: string
}

function usageOptIn(bytes: Uint8Array, fields: RequestFields): Edit {
  const span = fields.streamOptionsSpan
  if (!span) {
    const at = fields.objectEnd
    return { start: at, end: at, text: ',"stream_options":{"include_usage":true}' }
  }
  if (bytes[span.start] !== 0x7b) return { ...span, text: '{"include_usage":true}' }
  const inner = scanTopLevel(bytes.subarray(span.start, span.end), ['include_usage'])
  const given = inner.values.get('include_usage')
  if (given) return { start: span.start + given.start, end: span.start + given.end, text: 'true' }
  const at = span.start + inner.closeAt
  return { start: at, end: at, text: `${inner.isEmpty ? '' : ','}"include_usage":true` }
}

function invalid(param: string, fault: string): AppError {
  return new AppError('invalid_request', `"${param}" ${fault}.`, { param })
}

function readModel(bytes: Uint8Array, span: Span): string {
  if (bytes[span.start] !== 0x22) throw invalid('model', 'must be a string')
  const tooLong = `is longer than ${MAX_MODEL_LENGTH} characters`
  if (span.end - span.start - 2 > 6 * MAX_MODEL_LENGTH) throw invalid('model', tooLong)
  const model = String(decode(bytes, span))
  if (model === '') throw invalid('model', 'is empty')
  if (model.length > MAX_MODEL_LENGTH) throw invalid('model', tooLong)
  return model
}

/** Chat has two spellings of the cap; Messages only the first. */
function readMaxOutput(bytes: Uint8Array, values: Values): number | null {
  const older = readInteger(bytes, values.get('max_tokens'), 'max_tokens', 0, MAX_TOKENS)
  const newer = readInteger(bytes, values.get('max_completion_tokens'), 'max_completion_tokens', 0, MAX_TOKENS)
  if (older !== null && newer !== null && older !== newer) {
    throw invalid('max_tokens', 'and "max_completion_tokens" have different values')
  }
  return newer ?? older
}

function readStreamOptions(
  bytes: Uint8Array,
  span: Span | undefined,
): Pick<RequestFields, 'asksUsage' | 'streamOptionsSpan'> {
  if (!span) return { asksUsage: false, streamOptionsSpan: null }
  if (bytes[span.start] === 0x6e) return { asksUsage: false, streamOptionsSpan: span }
  if (bytes[span.start] !== 0x7b) throw invalid('stream_options', 'must be an object or null')
  const options = bytes.subarray(span.start, span.end)
  const given = scanTopLevel(options, ['include_usage']).values.get('include_usage')
  return { asksUsage: readBoolean(options, given, 'stream_options.include_usage'), streamOptionsSpan: span }
}

function readBoolean(bytes: Uint8Array, span: Span | undefined, param: string): boolean {
  const value = decodeScalar(bytes, span)
  if (value === null || typeof value === 'boolean') return value ?? false
  throw invalid(param, 'must be true, false or null')
}

function readInteger(
  bytes: Uint8Array,
  span: Span | undefined,
  param: string,
  least: number,
  most: number,
): number | null {
  const value = decodeScalar(bytes, span)
  if (value === null) return null
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw invalid(param, `must be a whole number from ${least} to ${most}`)
}

/** A missing member reads as null; a value too large to be a scalar as undefined. */
function decodeScalar(bytes: Uint8Array, span: Span | undefined): unknown {
  if (!span) return null
  return span.end - span.start > MAX_SCALAR_BYTES ? undefined : decode(bytes, span)
}

function decode(bytes: Uint8Array, span: Span): unknown {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + span.start, span.end - span.start).toString())
}
