/** Reads what Google's protocol has in the URL: the model, what is asked of it, and how a stream is framed. */
import { AppError } from '../base/errors.ts'
import type { StreamForm } from '../protocol/event-readers.ts'
import { asObject, parseJson } from '../protocol/wire-value.ts'

export type GoogleAction = 'generateContent' | 'streamGenerateContent' | 'countTokens'

export interface GoogleTarget {
  readonly model: string
  readonly action: GoogleAction
  readonly form: StreamForm
}

const TARGET = /^models\/(.+):(generateContent|streamGenerateContent|countTokens)$/

/** `tail` is `models/{id}:{action}`; the id may hold slashes. @throws AppError route_not_found, invalid_request */
export function readGoogleTarget(tail: string, query: string): GoogleTarget {
  const match = TARGET.exec(decoded(tail))
  if (!match) {
    throw new AppError(
      'route_not_found',
      'There is nothing at this path. Below models/{id} there are :generateContent, :streamGenerateContent and :countTokens.',
    )
  }
  const isSse = new URLSearchParams(query).get('alt') === 'sse'
  return {
    model: match[1] as string,
    action: match[2] as GoogleAction,
    form: isSse ? 'sse' : 'array',
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new AppError('invalid_request', 'The path is not well encoded.')
  }
}

/** What is to be counted: the body itself, or the whole request that it wraps. */
export function countedBody(body: Buffer): Buffer {
  const wire = asObject(parseJson(body))
  const wrapped = asObject(wire?.generateContentRequest ?? wire?.generate_content_request)
  return wrapped ? Buffer.from(JSON.stringify(wrapped)) : body
}
