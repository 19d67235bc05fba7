/** Reads the error objects of Google's API, in a body or in a stream. Source: Google `google.rpc.Status`, `RetryInfo`. */
import type { ReplyError } from '../reply-summary.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'

/** `{"error": {code, message, status, details}}`, also as the one element of a list. Null when it is no error. */
export function readGoogleError(body: unknown): ReplyError | null {
  const wire = carrier(body)
  if (!wire) return null
  const error = asObject(wire.error)
  if (!error || Object.keys(error).length === 0) {
    const message = asName(wire.error)
    return message === null ? null : { type: null, code: null, message, status: null }
  }
  const { code } = error
  return {
    type: asName(error.status) ?? asName(error.type),
    code: typeof code === 'number' ? String(code) : asName(code),
    message: asText(error.message),
    status: typeof code === 'number' && Number.isInteger(code) && code >= 400 && code < 600 ? code : null,
  }
}

/** How long to wait, as the error's `RetryInfo` says it; null when it says nothing. */
export function googleRetrySeconds(body: unknown): number | null {
  const error = asObject(carrier(body)?.error)
  for (const entry of asArray(error?.details)) {
    const detail = asObject(entry)
    if (!asText(detail?.['@type'])?.endsWith('google.rpc.RetryInfo')) continue
    const seconds = durationSeconds(detail?.retryDelay)
    if (seconds !== null) return seconds
  }
  return null
}

/** An array stream that fails at once is a list with the error in it. */
function carrier(body: unknown): WireObject | null {
  return asObject(Array.isArray(body) ? body[0] : body)
}

const DURATION = /^(\d{1,9}(?:\.\d{1,9})?)s$/

/** A `google.protobuf.Duration`: `"34.07s"` in JSON, an object at clients of the old kind. */
function durationSeconds(wire: unknown): number | null {
  if (typeof wire === 'string') {
    const match = DURATION.exec(wire)
    return match ? Number(match[1]) : null
  }
  const duration = asObject(wire)
  const seconds = Number(duration?.seconds ?? Number.NaN)
  const nanos = Number(duration?.nanos ?? 0)
  const total = seconds + nanos / 1e9
  return Number.isFinite(total) && total >= 0 ? total : null
}
