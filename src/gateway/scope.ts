/** Whose words are kept together: never those of two keys, and of two sessions where they are named. */
import type { IrRequest } from '../protocol/ir/request.ts'
import { conversationOf } from '../protocol/translation/thoughts.ts'
import type { InferenceRequest } from './inference-request.ts'
import { ANONYMOUS_SCOPE, type ThoughtPlace } from './thought-store.ts'

export function scopeOf(request: InferenceRequest): string {
  const who = request.owner?.keyId ?? `${ANONYMOUS_SCOPE}${request.address}`
  return `${who} ${request.session ?? ''}`
}

/**
 * Where the thoughts of a conversation are kept; null for callers of whom nothing tells one from another: strangers
 * share addresses.
 */
export function placeOf(request: InferenceRequest, decoded: IrRequest): ThoughtPlace | null {
  if (request.owner === null && request.session === null) return null
  return { scope: scopeOf(request), conversation: conversationOf(decoded) }
}
