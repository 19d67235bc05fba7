/** Writes token counts as the Messages API names them. Source: Anthropic "Create a Message" (`usage`). */
import type { Usage } from '../../base/usage.ts'
import { NO_USAGE } from '../../base/usage.ts'
import type { WireObject } from '../wire-value.ts'

/** `input_tokens` leaves out both caches. `cost` is in dollars; null leaves it out. */
export function encodeMessagesUsage(usage: Usage | null, cost: string | null): WireObject {
  const { input, cachedRead, cacheWrite5m, cacheWrite1h, output, reasoning } = usage ?? NO_USAGE
  return {
    input_tokens: input,
    cache_creation_input_tokens: cacheWrite5m + cacheWrite1h,
    cache_read_input_tokens: cachedRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheWrite5m, ephemeral_1h_input_tokens: cacheWrite1h },
    output_tokens: output,
    ...(reasoning > 0 && { output_tokens_details: { thinking_tokens: reasoning } }),
    ...(cost !== null && { cost }),
  }
}
