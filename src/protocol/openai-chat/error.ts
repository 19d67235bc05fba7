/** Reads the error objects of Chat Completions, in a body or in a stream, in the shapes that vendors give them. */
import type { ReplyError } from '../reply-summary.ts'
import { asName, asObject, asText, type WireObject } from '../wire-value.ts'

/**
 * `{"error": {message, type, code}}` (OpenAI), `{"error": "text"}` (Venice), `{"code", "error": "text"}` (xAI),
 * `{"detail": …}`, and the flat `{"object": "error", message, type, code}` (Mistral, vLLM) and `{code, message, type}`
 * (Doubleword). Null when it is no error.
 */
export function readChatError(body: unknown): ReplyError | null {
  const wire = asObject(body)
  if (!wire) return null
  const nested = asObject(wire.error)
  if (nested && Object.keys(nested).length > 0) return describe(nested)
  const text = asName(wire.error)
  if (text) return { ...describe(wire), message: text }
  return wire.object === 'error' || isFlatError(wire) ? describe(wire) : null
}

/** The members of an error and none of an answer. */
function isFlatError({ message, type, code, choices }: WireObject): boolean {
  return asName(message) !== null && (asName(type) !== null || isHttpStatus(code)) && choices === undefined
}

function describe(error: Readonly<Record<string, unknown>>): ReplyError {
  const status = [error.status, error.status_code, error.code].find(isHttpStatus)
  return {
    type: asName(error.type),
    code: typeof error.code === 'number' ? String(error.code) : asName(error.code),
    message: asText(error.message) ?? asText(error.detail),
    status: status ?? null,
  }
}

function isHttpStatus(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 400 && value < 600
}
