/** A request of any protocol as a chat body for an upstream. Source: OpenAI "Create chat completion". */
import { AppError } from '../../base/errors.ts'
import type { EncodedRequest, UpstreamTarget } from '../codec.ts'
import type { IrFormat, IrRequest } from '../ir/request.ts'
import { encodeRaw } from '../translation/raw.ts'
import { encodeSettings, type SettingsTarget, setAt } from '../translation/settings.ts'
import { normaliseFormatSchema } from '../translation/tool-schema.ts'
import type { WireObject } from '../wire-value.ts'
import { type ChatWriter, createChatWriter, messagePath } from './chat-writer.ts'
import { encodeMessages } from './encode-messages.ts'
import { encodeTools } from './encode-tools.ts'
import { encodeReasoning } from './reasoning-control.ts'

/** @throws AppError unsupported_feature */
export function encodeChatRequest(request: IrRequest, target: UpstreamTarget): EncodedRequest {
  const writer = createChatWriter(request, target)
  const { quirks, isOwn, warnings } = writer
  if (request.answers > 1 && !isOwn) {
    throw new AppError('unsupported_feature', 'This model gives one answer to a request.', { param: 'candidateCount' })
  }
  const body: Record<string, unknown> = { model: target.model }
  const tools: Record<string, unknown> = {}
  const notes = [encodeTools(writer, tools), encodeFormat(writer, tools)].filter((note) => note !== null)
  body.messages = encodeMessages(writer, notes)
  Object.assign(body, tools)
  warnCacheMarks(writer)
  if (request.maxOutput !== null) body[quirks.maxTokensField ?? 'max_tokens'] = request.maxOutput
  if (request.answers > 1) body.n = request.answers
  warnings.push(...encodeReasoning(request.reasoning, { source: request.source, quirks }, body))
  const { source } = request
  const drop = quirks.dropSettings ?? []
  const settings: SettingsTarget = { source, target: 'openai-chat', drop, ownVendor: quirks.ownVendor === true }
  warnings.push(...encodeSettings(request.settings, settings, body))
  for (const warning of encodeRaw(request, 'openai-chat', body)) warnings.push(warning)
  if (request.stream) {
    body.stream = true
    setAt(body, 'stream_options.include_usage', true)
  } else delete body.stream_options
  dropFields(writer, body)
  return { body, warnings }
}

/** Marks are kept for a chat client's own upstream; else the first one stands for all that are lost. */
function warnCacheMarks({ request, isOwn, warnings }: ChatWriter): void {
  if (isOwn) return
  const field = firstMark(request)
  if (field !== null) warnings.push({ action: 'dropped', field: `${field}.cache_control` })
}

function firstMark({ system, messages, tools, source }: IrRequest): string | null {
  const tool = tools.findIndex((tool) => tool.type !== 'hosted' && tool.cache)
  if (tool >= 0) return `tools[${tool}]`
  const text = system.findIndex(({ cache }) => cache)
  if (text >= 0) return `system[${text}]`
  for (const [i, { blocks }] of messages.entries()) {
    const block = blocks.findIndex(({ cache }) => cache)
    if (block >= 0) return `${messagePath(source, i)}.content[${block}]`
  }
  return null
}

function dropFields({ quirks, warnings }: ChatWriter, body: Record<string, unknown>): void {
  for (const field of quirks.dropFields ?? []) {
    if (!(field in body)) continue
    delete body[field]
    if (field !== 'stream_options') warnings.push({ action: 'dropped', field })
  }
}

type SchemaFormat = IrFormat & { readonly type: 'json-schema' }

/** Writes `response_format`. Returns a sentence for the system prompt where the upstream cannot be bound to the form. */
function encodeFormat(writer: ChatWriter, body: Record<string, unknown>): string | null {
  const { request, quirks } = writer
  const { format } = request
  if (format === null) return null
  const taken = quirks.structuredOutput ?? 'json_schema'
  if (taken !== 'none') body.response_format = { type: 'json_object' }
  if (format.type === 'json') {
    if (taken === 'none') warnFormat(writer)
    // OpenAI refuses the mode when no message speaks of JSON.
    return taken === 'none' || !writer.isOwn ? 'Answer with one JSON object and nothing else.' : null
  }
  if (taken === 'json_schema') {
    body.response_format = { type: 'json_schema', json_schema: schemaFormat(writer, format) }
    return null
  }
  warnFormat(writer)
  return `Answer with JSON that follows this JSON Schema, and nothing else:\n${JSON.stringify(format.schema)}`
}

function warnFormat(writer: ChatWriter): void {
  const detail = 'asked for in the system prompt'
  writer.warnings.push({ action: 'changed', field: FORMAT_FIELDS[writer.request.source], detail })
}

const FORMAT_FIELDS: Readonly<Record<IrRequest['source'], string>> = {
  'openai-chat': 'response_format',
  'openai-responses': 'text.format',
  'anthropic-messages': 'output_config.format',
  'google-generate': 'generationConfig.responseSchema',
}

function schemaFormat(writer: ChatWriter, format: SchemaFormat): WireObject {
  const { name, description, strict } = format
  // OpenAI demands a name; what a chat client left out is its own affair.
  const given = name ?? (writer.isOwn ? null : 'response')
  return {
    ...(given !== null && { name: given }),
    ...(description !== undefined && { description }),
    schema: schemaOf(writer, format),
    ...(strict !== undefined && { strict }),
  }
}

function schemaOf(writer: ChatWriter, format: SchemaFormat): WireObject {
  if (writer.isOwn) return format.schema
  const { schema, losses } = normaliseFormatSchema(format.schema, 'openai-chat')
  const field = FORMAT_FIELDS[writer.request.source]
  for (const detail of losses) writer.warnings.push({ action: 'changed', field, detail })
  return schema
}
