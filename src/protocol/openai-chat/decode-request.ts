/** A chat request in the IR. Source: OpenAI "Create chat completion", and what clients of compatible vendors add. */
import { AppError } from '../../base/errors.ts'
import type { DecodeContext } from '../codec.ts'
import type { IrFormat, IrRequest } from '../ir/request.ts'
import { unknownPaths } from '../translation/raw.ts'
import { decodeSettings, SETTINGS } from '../translation/settings.ts'
import { asName, asObject, type WireObject } from '../wire-value.ts'
import { decodeMessages } from './decode-messages.ts'
import { invalid } from './decode-parts.ts'
import { decodeToolChoice, decodeTools } from './decode-tools.ts'
import { decodeReasoning } from './reasoning-control.ts'

const KNOWN: readonly string[] = [
  'model',
  'messages',
  'stream',
  'stream_options.include_usage',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'parallel_tool_calls',
  'max_tokens',
  'max_completion_tokens',
  'n',
  ...Object.values(SETTINGS).flatMap(({ place }) => place['openai-chat'] ?? []),
]

/** @throws AppError invalid_request */
export function decodeChatRequest(body: WireObject, { model, stream }: DecodeContext): IrRequest {
  const { system, messages } = decodeMessages(body.messages)
  const { reasoning, known } = decodeReasoning(body)
  const format = decodeFormat(body.response_format)
  const isFormatKnown = format !== null || asObject(body.response_format)?.type === 'text'
  const parallel = body.parallel_tool_calls
  if (parallel != null && typeof parallel !== 'boolean') throw invalid('parallel_tool_calls', 'true or false')
  return {
    source: 'openai-chat',
    model,
    stream,
    system,
    messages,
    tools: decodeTools(body),
    toolChoice: decodeToolChoice(body),
    parallelTools: parallel ?? null,
    maxOutput: decodeMaxOutput(body),
    answers: wholeNumber(body.n, 'n') ?? 1,
    format,
    reasoning,
    settings: decodeSettings('openai-chat', body),
    raw: unknownPaths(body, new Set([...KNOWN, ...known, ...(isFormatKnown ? ['response_format'] : [])]), [
      'stream_options',
    ]),
  }
}

/** Both spellings are taken, as long as they agree. */
function decodeMaxOutput(body: WireObject): number | null {
  const deprecated = wholeNumber(body.max_tokens, 'max_tokens')
  const current = wholeNumber(body.max_completion_tokens, 'max_completion_tokens')
  if (deprecated !== null && current !== null && deprecated !== current) {
    const message = '"max_tokens" and "max_completion_tokens" must not differ.'
    throw new AppError('invalid_request', message, { param: 'max_tokens' })
  }
  return current ?? deprecated
}

function wholeNumber(value: unknown, path: string): number | null {
  if (value === null || value === undefined) return null
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw invalid(path, 'a whole number above zero')
  return value as number
}

function decodeFormat(value: unknown): IrFormat | null {
  const format = asObject(value)
  if (format?.type === 'json_object') return { type: 'json' }
  const described = asObject(format?.json_schema)
  if (format?.type !== 'json_schema' || !described) return null
  const description = asName(described.description)
  return {
    type: 'json-schema',
    name: asName(described.name),
    ...(description !== null && { description }),
    schema: asObject(described.schema) ?? {},
    ...(typeof described.strict === 'boolean' && { strict: described.strict }),
  }
}
