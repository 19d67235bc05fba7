/** Writes the `usage` object of Chat Completions. Source: OpenAI "CompletionUsage", OpenRouter (`cache_write_tokens`, `cost`). */
import { NO_USAGE, promptTokens, type Usage } from '../../base/usage.ts'
import type { WireObject } from '../wire-value.ts'

/** The prompt includes what was read from and written to a cache, the completion includes reasoning. */
export function encodeChatUsage(usage: Usage | null, cost: string | null): WireObject {
  const counted = usage ?? NO_USAGE
  const prompt = promptTokens(counted)
  return {
    prompt_tokens: prompt,
    completion_tokens: counted.output,
    total_tokens: prompt + counted.output,
    prompt_tokens_details: {
      cached_tokens: counted.cachedRead,
      cache_write_tokens: counted.cacheWrite5m + counted.cacheWrite1h,
    },
    completion_tokens_details: { reasoning_tokens: counted.reasoning },
    ...(cost !== null && { cost }),
  }
}
