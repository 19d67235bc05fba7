/** Reads the error objects of the Messages API, in a body or in a stream. */
import type { ReplyError } from '../reply-summary.ts'
import { asName, asObject, asText } from '../wire-value.ts'

/** Source: Anthropic "Errors". */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
])

/** `{"type": "error", "error": {type, message}}`, also without the outer type. Null when it is no error. */
export function readMessagesError(body: unknown): ReplyError | null {
  const wire = asObject(body)
  if (!wire) return null
  const error = asObject(wire.error)
  if (!error) {
    const message = asText(wire.error) ?? asText(wire.message)
    return wire.type === 'error' || asText(wire.error) !== null
      ? { type: null, code: null, message, status: null }
      : null
  }
  const type = asName(error.type)
  return {
    type,
    code: typeof error.code === 'number' ? String(error.code) : asName(error.code),
    message: asText(error.message),
    status: STATUSES.get(type ?? '') ?? null,
  }
}
