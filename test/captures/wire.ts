/** Where each protocol has its routes, and how its clients show their key: written apart from the gateway's own tables. */
import type { Family } from './case.ts'

/** How a stream is framed. Only Google has `array`: one JSON array in place of events. */
export type Form = 'sse' | 'array'

export interface Route {
  readonly model: string
  readonly stream: boolean
  readonly form: Form
}

/** Below `…/v1`, for client and upstream alike. */
export function pathOf(family: Family, { model, stream, form }: Route): string {
  switch (family) {
    case 'openai-chat':
      return '/chat/completions'
    case 'openai-responses':
      return '/responses'
    case 'anthropic-messages':
      return '/messages'
    case 'google-generate': {
      const action = stream ? 'streamGenerateContent' : 'generateContent'
      return `/models/${model}:${action}${stream && form === 'sse' ? '?alt=sse' : ''}`
    }
  }
}

export function countPathOf(family: Family, model: string): string {
  switch (family) {
    case 'openai-chat':
      throw new Error('chat has no route that counts')
    case 'openai-responses':
      return '/responses/input_tokens'
    case 'anthropic-messages':
      return '/messages/count_tokens'
    case 'google-generate':
      return `/models/${model}:countTokens`
  }
}

export function keyHeaders(family: Family, key: string): Record<string, string> {
  switch (family) {
    case 'openai-chat':
    case 'openai-responses':
      return { authorization: `Bearer ${key}` }
    case 'anthropic-messages':
      return { 'x-api-key': key, 'anthropic-version': '2023-06-01' }
    case 'google-generate':
      return { 'x-goog-api-key': key }
  }
}

/** What a path asks an upstream for; the model only where it stands in the path. */
export interface Asked {
  readonly family: Family
  readonly action: 'answer' | 'count'
  readonly model: string | null
  readonly form: Form
  /** Google has it in the path; elsewhere the body tells. */
  readonly isStream: boolean
}

const GOOGLE_PATH = /\/models\/(.+):(generateContent|streamGenerateContent|countTokens)$/

export function readPath(url: string): Asked {
  const [path = '', query = ''] = url.split('?')
  const google = GOOGLE_PATH.exec(decodeURIComponent(path))
  const action = /(?:countTokens|count_tokens|input_tokens)$/.test(path) ? 'count' : 'answer'
  if (google) {
    const isStream = google[2] === 'streamGenerateContent'
    const form = isStream && !query.includes('alt=sse') ? 'array' : 'sse'
    return { family: 'google-generate', action, model: google[1] ?? null, form, isStream }
  }
  const family = path.includes('/messages')
    ? 'anthropic-messages'
    : path.includes('/responses')
      ? 'openai-responses'
      : 'openai-chat'
  return { family, action, model: null, form: 'sse', isStream: false }
}
