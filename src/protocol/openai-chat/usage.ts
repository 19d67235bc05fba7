/**
 * Reads the `usage` object of Chat Completions into disjoint buckets, in every dialect that compatible vendors speak.
 *
 * Source: OpenAI "CompletionUsage" (prompt_tokens includes cached tokens, completion_tokens includes reasoning) and
 * captured answers of some twenty-five vendors, whose deviations stand at the lines that take care of them.
 */
import type { Usage } from '../../base/usage.ts'
import { asCount, asObject, clampCount, largestCount, type WireObject } from '../wire-value.ts'

/** Null when the object counts neither prompt nor completion. */
export function readChatUsage(wire: unknown): Usage | null {
  const usage = asObject(wire)
  if (!usage) return null
  const prompt = largestCount(usage.prompt_tokens, usage.input_tokens)
  const completion = largestCount(usage.completion_tokens, usage.output_tokens)
  if (prompt === null && completion === null) return null
  const cachedRead = readCachedRead(usage)
  const write = readCacheWrite(usage)
  const generated = readOutput(usage, prompt ?? 0, completion ?? 0)
  // A prompt count without its cached part leaves exactly that part to the total: it was read, not generated.
  const isExclusive = generated.reasoning === cachedRead && generated.output === (completion ?? 0) + cachedRead
  if (cachedRead > 0 && isExclusive && reasoningOf(usage) === null) {
    return { input: prompt ?? 0, cachedRead, ...write, output: completion ?? 0, reasoning: 0 }
  }
  return {
    // Caches are part of the prompt. Grok on Azure reports more cached than prompt tokens, OpenRouter the same
    // tokens as read and written (and charges both): what is left for the full price is never negative.
    input: Math.max(0, (prompt ?? 0) - cachedRead - write.cacheWrite5m - write.cacheWrite1h),
    cachedRead,
    ...write,
    ...generated,
  }
}

function readCachedRead(usage: WireObject): number {
  const count = largestCount(
    asObject(usage.prompt_tokens_details)?.cached_tokens,
    usage.cached_tokens, // Moonshot, Together
    usage.prompt_cache_hit_tokens, // DeepSeek; the misses are the rest of the prompt
    usage.cache_read_input_tokens, // Venice, Doubleword
  )
  return count ?? 0
}

function readCacheWrite(usage: WireObject): Pick<Usage, 'cacheWrite5m' | 'cacheWrite1h'> {
  const split = asObject(usage.cache_creation)
  const short = asCount(split?.ephemeral_5m_input_tokens) ?? 0
  const long = clampCount(
    (asCount(split?.ephemeral_1h_input_tokens) ?? 0) + (asCount(split?.ephemeral_24h_input_tokens) ?? 0),
  )
  const total = largestCount(
    asObject(usage.prompt_tokens_details)?.cache_write_tokens, // OpenRouter
    usage.cache_creation_input_tokens, // Vercel, Doubleword
  )
  return { cacheWrite5m: Math.max(short, (total ?? 0) - long), cacheWrite1h: long }
}

function reasoningOf(usage: WireObject): number | null {
  return largestCount(asObject(usage.completion_tokens_details)?.reasoning_tokens, usage.reasoning_tokens)
}

function readOutput(usage: WireObject, prompt: number, completion: number): Pick<Usage, 'output' | 'reasoning'> {
  const reasoning = reasoningOf(usage)
  const total = asCount(usage.total_tokens) ?? 0
  const unexplained = total - prompt - completion
  // xAI leaves reasoning out of completion_tokens: the total shows it.
  if (reasoning !== null && reasoning > 0 && unexplained === reasoning) {
    return { output: clampCount(completion + reasoning), reasoning }
  }
  // Google's compatible endpoint shows thinking nowhere but in the total.
  if (reasoning === null && unexplained > 0) {
    return { output: clampCount(completion + unexplained), reasoning: unexplained }
  }
  // OpenRouter and others report more reasoning than output at times.
  return { output: completion, reasoning: Math.min(reasoning ?? 0, completion) }
}
