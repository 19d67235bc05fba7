/**
 * The `usage` object of the Responses API, read into disjoint buckets and written from them.
 *
 * Source: OpenAI "ResponseUsage" (input_tokens includes cached tokens, output_tokens includes reasoning) and captured
 * answers: Azure and OpenAI name cache writes beside cache reads, LM Studio and others leave the details out.
 */
import { promptTokens, type Usage } from '../../base/usage.ts'
import { asCount, asObject, clampCount, largestCount, type WireObject } from '../wire-value.ts'

/** Null when the object counts neither input nor output. */
export function readResponsesUsage(wire: unknown): Usage | null {
  const usage = asObject(wire)
  if (!usage) return null
  const input = largestCount(usage.input_tokens, usage.prompt_tokens)
  const output = largestCount(usage.output_tokens, usage.completion_tokens)
  if (input === null && output === null) return null
  const details = asObject(usage.input_tokens_details)
  const cachedRead = largestCount(details?.cached_tokens, usage.cached_tokens, usage.cache_read_input_tokens) ?? 0
  const write = readCacheWrite(usage, details)
  const reasoning = largestCount(asObject(usage.output_tokens_details)?.reasoning_tokens, usage.reasoning_tokens) ?? 0
  return {
    // Caches are part of the input; vendors that count a token as both read and written never make the rest negative.
    input: Math.max(0, (input ?? 0) - cachedRead - write.cacheWrite5m - write.cacheWrite1h),
    cachedRead,
    ...write,
    output: output ?? 0,
    reasoning: Math.min(reasoning, output ?? 0),
  }
}

function readCacheWrite(usage: WireObject, details: WireObject | null): Pick<Usage, 'cacheWrite5m' | 'cacheWrite1h'> {
  const split = asObject(usage.cache_creation)
  const short = asCount(split?.ephemeral_5m_input_tokens) ?? 0
  const long = asCount(split?.ephemeral_1h_input_tokens) ?? 0
  const total = largestCount(
    details?.cache_write_tokens, // OpenAI, Azure, OpenRouter
    details?.cache_creation_tokens, // LiteLLM
    usage.cache_creation_input_tokens, // Vercel
  )
  return { cacheWrite5m: Math.max(short, (total ?? 0) - long), cacheWrite1h: long }
}

/** `cost` is the exact charge, for clients that asked for it. */
export function writeResponsesUsage(usage: Usage, cost: string | null): WireObject {
  const input = clampCount(promptTokens(usage))
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cachedRead,
      cache_write_tokens: usage.cacheWrite5m + usage.cacheWrite1h,
    },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: input + usage.output,
    ...(cost !== null && { cost }),
  }
}
