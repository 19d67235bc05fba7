/**
 * The few members of a request body that routing and metering need, read from and rewritten in its bytes.
 *
 * Field names: OpenAI "Create chat completion" and "Create a model response", Anthropic "Create a Message", Google
 * "GenerateContentRequest". Everything else in the body is the upstream's business and passes untouched.
 */
import { AppError } from '../base/errors.ts'
import type { Protocol } from '../base/words.ts'
import { type Span, scanTopLevel, type WatchedKeys, watchKeys } from './json-scan.ts'
import { keptContentKeys, namesKeptContent } from './kept-content.ts'
import { signatureKeys } from './signatures.ts'

export interface RequestFields {
  readonly model: string
  /** The model's JSON string, quotes included; null where the body does not name it (Google). */
  readonly modelSpan: Span | null
  readonly stream: boolean
  /** The cap on output tokens that the client gave. */
  readonly maxOutput: number | null
  /** How many answers were asked for (chat: `n`, Google: `candidateCount`). */
  readonly answers: number
  /** Chat: the client itself asked for usage in the stream. */
  readonly asksUsage: boolean
  readonly streamOptionsSpan: Span | null
  /** Responses: the id of the stored answer that this one goes on from. */
  readonly previousResponseId: string | null
  /** It refers to what its vendor has kept, which costs and is not in the body. */
  readonly namesKeptContent: boolean
  /** It may give back what an upstream signed. */
  readonly givesSignature: boolean
  /** Offset of the closing brace of the body. */
  readonly objectEnd: number
}

/** What Google has in the path instead of the body. */
export interface PathFields {
  readonly model: string
  readonly stream: boolean
}

export interface ReadRequestOptions {
  /** Messages: `max_tokens` must be there; false for `count_tokens`, which takes none. */
  readonly needsMaxTokens?: boolean
  /** Must be there for Google. */
  readonly path?: PathFields | null
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
  'openai-responses': [
    'model',
    'input',
    'prompt',
    'stream',
    'max_output_tokens',
    'previous_response_id',
    'conversation',
    'background',
  ],
  'anthropic-messages': ['model', 'messages', 'stream', 'max_tokens'],
  'google-generate': ['contents', 'generationConfig', 'generation_config'],
} as const satisfies Record<Protocol, readonly string[]>

/** Looked for in the same pass, at every depth. */
const WATCHED: Readonly<Record<Protocol, WatchedKeys>> = {
  'openai-chat': watchFor('openai-chat'),
  'openai-responses': watchFor('openai-responses'),
  'anthropic-messages': watchFor('anthropic-messages'),
  'google-generate': watchFor('google-generate'),
}

function watchFor(protocol: Protocol): WatchedKeys {
  return watchKeys([...keptContentKeys(protocol), ...signatureKeys(protocol)])
}

type Values = ReadonlyMap<string, Span>

/** @throws AppError `invalid_request` with the field at fault as `param`; `unsupported_feature`. */
export function readRequest(protocol: Protocol, bytes: Buffer, options: ReadRequestOptions = {}): RequestFields {
  const { values, closeAt, seen } = scanTopLevel(bytes, WANTED[protocol], { watch: WATCHED[protocol] })
  const input = protocol === 'openai-responses' ? values.get('input') : undefined
  const common = {
    ...NO_FIELDS,
    objectEnd: closeAt,
    namesKeptContent: namesKeptContent(protocol, bytes, { seen, input }),
    givesSignature: signatureKeys(protocol).some((key) => seen.has(key)),
  }
  if (protocol === 'google-generate') return { ...common, ...readGoogle(bytes, values, options) }
  const modelSpan = values.get('model')
  if (!modelSpan) throw invalid('model', 'is missing')
  const named = { ...common, model: readModel(bytes, modelSpan), modelSpan }
  const stream = readBoolean(bytes, values.get('stream'), 'stream')
  if (protocol === 'openai-responses') return { ...named, stream, ...readResponses(bytes, values) }
  const messages = values.get('messages')
  if (!messages) throw invalid('messages', 'is missing')
  if (bytes[messages.start] !== 0x5b) throw invalid('messages', 'must be an array')
  const maxOutput = readMaxOutput(bytes, values)
  if (protocol === 'anthropic-messages' && maxOutput === null && (options.needsMaxTokens ?? true)) {
    throw invalid('max_tokens', 'is missing')
  }
  return {
    ...named,
    maxOutput,
    answers: readInteger(bytes, values.get('n'), 'n', 1, MAX_ANSWERS) ?? 1,
    ...readStreamOptions(bytes, values.get('stream_options')),
    stream,
  }
}

const NO_FIELDS = {
  modelSpan: null,
  maxOutput: null,
  answers: 1,
  asksUsage: false,
  streamOptionsSpan: null,
  previousResponseId: null,
} as const

type Read = Partial<RequestFields> & Pick<RequestFields, 'model' | 'stream'>

function readGoogle(bytes: Uint8Array, values: Values, { path }: ReadRequestOptions): Read {
  if (!path) throw new Error("a Google request's model stands in its path")
  if (!values.get('contents')) throw invalid('contents', 'is missing')
  const name = onlySpelling(values, 'generationConfig', 'generation_config')
  const span = values.get(name)
  if (!span || bytes[span.start] === NULL_START) return path
  if (bytes[span.start] !== OBJECT_START) throw invalid(name, 'must be an object')
  const config = bytes.subarray(span.start, span.end)
  const inner = scanTopLevel(config, [
    'maxOutputTokens',
    'max_output_tokens',
    'candidateCount',
    'candidate_count',
  ]).values
  const limit = onlySpelling(inner, 'maxOutputTokens', 'max_output_tokens')
  const count = onlySpelling(inner, 'candidateCount', 'candidate_count')
  return {
    ...path,
    maxOutput: readInteger(config, inner.get(limit), `${name}.${limit}`, 0, MAX_TOKENS),
    answers: readInteger(config, inner.get(count), `${name}.${count}`, 1, MAX_ANSWERS) ?? 1,
  }
}

/** Google takes two spellings: of both at once nobody knows which one counts. @throws AppError invalid_request */
function onlySpelling(values: Values, usual: string, other: string): string {
  if (values.has(usual) && values.has(other)) throw invalid(usual, `and "${other}" are both given`)
  return values.has(other) ? other : usual
}

const NULL_START = 0x6e
const OBJECT_START = 0x7b

function readResponses(bytes: Uint8Array, values: Values): Partial<RequestFields> {
  if (!values.has('input') && !values.has('prompt')) throw invalid('input', 'is missing')
  if (readBoolean(bytes, values.get('background'), 'background')) {
    throw new AppError(
      'unsupported_feature',
      'Answers in the background are not served: they would go on after their client has left. Use "stream": true.',
      { param: 'background' },
    )
  }
  if (isGiven(bytes, values.get('conversation'))) {
    throw new AppError('unsupported_feature', 'Stored conversations are not served. Send the whole input.', {
      param: 'conversation',
    })
  }
  const previousResponseId = readId(bytes, values.get('previous_response_id'), 'previous_response_id')
  const isKept = previousResponseId !== null || isGiven(bytes, values.get('prompt'))
  return {
    maxOutput: readInteger(bytes, values.get('max_output_tokens'), 'max_output_tokens', 0, MAX_TOKENS),
    previousResponseId,
    ...(isKept && { namesKeptContent: true }),
  }
}

function isGiven(bytes: Uint8Array, span: Span | undefined): boolean {
  return span !== undefined && bytes[span.start] !== NULL_START
}

function readId(bytes: Uint8Array, span: Span | undefined, param: string): string | null {
  if (!span || bytes[span.start] === NULL_START) return null
  const value = span.end - span.start > MAX_MODEL_LENGTH ? undefined : decode(bytes, span)
  if (typeof value !== 'string' || value === '') throw invalid(param, 'must be an id')
  return value
}

/**
 * The body as slices of `bytes` with little new text between them: the model's name replaced when it differs, the
 * usage opt-in put in when asked for, everything else byte for byte.
 */
export function rewriteRequest(bytes: Uint8Array, fields: RequestFields, rewrite: Rewrite): Uint8Array[] {
  const edits: Edit[] = []
  if (fields.modelSpan && rewrite.model !== fields.model) {
    edits.push({ ...fields.modelSpan, text: JSON.stringify(rewrite.model) })
  }
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

/** The body without some of its top-level members, and which of them were there; the same bytes when none was. */
export function withoutMembers(bytes: Buffer, names: readonly string[]): { body: Buffer; dropped: string[] } {
  if (names.length === 0) return { body: bytes, dropped: [] }
  const dropped = [...scanTopLevel(bytes, names).values.keys()]
  if (dropped.length === 0) return { body: bytes, dropped }
  const members = Object.entries(JSON.parse(bytes.toString()) as object).filter(([name]) => !dropped.includes(name))
  return { body: Buffer.from(JSON.stringify(Object.fromEntries(members))), dropped }
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
  if (bytes[span.start] !== OBJECT_START) return { ...span, text: '{"include_usage":true}' }
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
  if (bytes[span.start] === NULL_START) return { asksUsage: false, streamOptionsSpan: span }
  if (bytes[span.start] !== OBJECT_START) throw invalid('stream_options', 'must be an object or null')
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
