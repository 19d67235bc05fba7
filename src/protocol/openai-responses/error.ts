/**
 * Reads the errors of the Responses API: in a body, in an `error` event, in a response that failed.
 *
 * Source: OpenAI "Error codes" and "error" streaming event, which is documented flat and sent nested; captured bodies.
 */
import { readChatError } from '../openai-chat/error.ts'
import type { ReplyError } from '../reply-summary.ts'
import { asName, asObject, type WireObject } from '../wire-value.ts'

/** Codes of a running stream stand for what would have been this status. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['invalid_prompt', 400],
  ['context_length_exceeded', 400],
  ['insufficient_quota', 429],
  ['rate_limit_exceeded', 429],
  ['server_error', 500],
  ['server_is_overloaded', 503],
  ['slow_down', 503],
])

/** Null when it is no error. */
export function readResponsesError(body: unknown): ReplyError | null {
  const wire = asObject(body)
  if (!wire) return null
  const error = readChatError(wire) ?? readChatError({ error: asObject(wire.response)?.error }) ?? readBareError(wire)
  return error && { ...error, status: error.status ?? STATUSES.get(error.code ?? error.type ?? '') ?? null }
}

/** A flat `error` event, a failed response that does not say why, and bodies with nothing but a `detail` (ChatGPT). */
function readBareError(wire: WireObject): ReplyError | null {
  const { type: _type, ...members } = wire
  if (wire.type === 'error') return readChatError({ error: { ...members, message: wire.message ?? null } })
  if (wire.type === 'response.failed' || wire.status === 'failed') {
    return { type: null, code: null, message: null, status: null }
  }
  const detail = wire.object === undefined ? asName(wire.detail) : null
  return detail === null ? null : { type: null, code: null, message: detail, status: null }
}
