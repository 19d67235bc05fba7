/**
 * Reads the `usage` objects of the Messages API, which a stream gives twice, into disjoint buckets.
 *
 * Source: Anthropic "Messages" and "Streaming Messages" (counters are cumulative; input_tokens excludes both caches)
 * and captured answers. Kimi and Qwen report the whole prompt as input at the start and split it at the end, MiniMax
 * starts with zeros, server tools make input grow: so a later counter replaces an earlier one, whatever its size.
 */
import type { Usage } from '../../base/usage.ts'
import { asCount, asObject, clampCount } from '../wire-value.ts'

/** The counters seen so far; null until the wire has named one. */
export interface MessagesCounters {
  readonly input: number | null
  readonly output: number | null
  readonly cachedRead: number | null
  readonly cacheWrite: number | null
  readonly cacheWrite5m: number | null
  readonly cacheWrite1h: number | null
  readonly thinking: number | null
}

export const NO_COUNTERS: MessagesCounters = {
  input: null,
  output: null,
  cachedRead: null,
  cacheWrite: null,
  cacheWrite5m: null,
  cacheWrite1h: null,
  thinking: null,
}

/** The counters after one more `usage` object. Those that it does not name stay; explicit zeros count. */
export function mergeUsage(before: MessagesCounters, wire: unknown): MessagesCounters {
  const usage = asObject(wire)
  if (!usage) return before
  const split = asObject(usage.cache_creation)
  return {
    input: asCount(usage.input_tokens) ?? before.input,
    output: asCount(usage.output_tokens) ?? before.output,
    cachedRead: asCount(usage.cache_read_input_tokens) ?? before.cachedRead,
    cacheWrite: asCount(usage.cache_creation_input_tokens) ?? before.cacheWrite,
    cacheWrite5m: asCount(split?.ephemeral_5m_input_tokens) ?? before.cacheWrite5m,
    cacheWrite1h: asCount(split?.ephemeral_1h_input_tokens) ?? before.cacheWrite1h,
    thinking: asCount(asObject(usage.output_tokens_details)?.thinking_tokens) ?? before.thinking,
  }
}

/** Null when neither input nor output was counted. */
export function readMessagesUsage(counters: MessagesCounters): Usage | null {
  if (counters.input === null && counters.output === null) return null
  const output = counters.output ?? 0
  // The end of a stream may raise the total of cache writes without saying how they split: the rest is five minutes.
  const written = counters.cacheWrite ?? clampCount((counters.cacheWrite5m ?? 0) + (counters.cacheWrite1h ?? 0))
  const cacheWrite1h = Math.min(counters.cacheWrite1h ?? 0, written)
  return {
    input: counters.input ?? 0,
    cachedRead: counters.cachedRead ?? 0,
    cacheWrite5m: written - cacheWrite1h,
    cacheWrite1h,
    output,
    reasoning: Math.min(counters.thinking ?? 0, output),
  }
}
