/** Counts simulated tokens, and plays a prompt cache so that cached prices can be rehearsed. */
import { createHash } from 'node:crypto'
import { HOUR_MS, MINUTE_MS } from '../../base/time.ts'
import type { Usage } from '../../base/usage.ts'
import type { SimulatedRequest } from './request.ts'

/** Prompts below this are not cached, as at the real vendors. */
export const MIN_CACHED_PROMPT_TOKENS = 1024
const LIFETIME_MS = { '5m': 5 * MINUTE_MS, '1h': HOUR_MS }
/** A longer prefix is the same prompt when this much of it is. */
const PREFIX_BYTES = MIN_CACHED_PROMPT_TOKENS * 4

/** Hash of a prefix → when it is forgotten, least recently used first. Holds no prompt. */
export type PromptCache = Map<string, number>

/**
 * Whether the request's prefix was seen before and is still remembered; remembers it from now on either way.
 * @param maxEntries the least recently used prefixes beyond this many are forgotten
 */
export function touchPrompt(
  cache: PromptCache,
  scope: string,
  request: SimulatedRequest,
  nowMs: number,
  maxEntries: number,
): boolean {
  if (request.promptTokens < MIN_CACHED_PROMPT_TOKENS) return false
  const key = prefixHash(scope, request)
  const forgottenAtMs = cache.get(key)
  const known = forgottenAtMs !== undefined && nowMs < forgottenAtMs
  cache.delete(key)
  cache.set(key, nowMs + (request.cacheMarks.has('1h') ? LIFETIME_MS['1h'] : LIFETIME_MS['5m']))
  for (const oldest of cache.keys()) {
    if (cache.size <= maxEntries) break
    cache.delete(oldest)
  }
  return known
}

function prefixHash(scope: string, request: SimulatedRequest): string {
  const prefix = Buffer.from(request.prefix.slice(0, PREFIX_BYTES)).subarray(0, PREFIX_BYTES)
  return createHash('sha256').update(`${scope}\n${request.model}\n`).update(prefix).digest('base64')
}

/**
 * The tokens of one reply. Half of the prompt counts as cacheable: read when its prefix is known, else written when
 * the request marks it, to the lifetimes it names.
 */
export function simulateUsage(request: SimulatedRequest, outputTokens: number, known: boolean): Usage {
  const cacheable = request.promptTokens < MIN_CACHED_PROMPT_TOKENS ? 0 : Math.floor(request.promptTokens / 2)
  const cachedRead = known ? cacheable : 0
  const written = known || request.cacheMarks.size === 0 ? 0 : cacheable
  const cacheWrite1h = writtenForHour(request, written)
  return {
    input: request.promptTokens - cachedRead - written,
    cachedRead,
    cacheWrite5m: written - cacheWrite1h,
    cacheWrite1h,
    output: outputTokens,
    reasoning: 0,
  }
}

function writtenForHour(request: SimulatedRequest, written: number): number {
  if (!request.cacheMarks.has('1h')) return 0
  return request.cacheMarks.has('5m') ? Math.floor(written / 2) : written
}
