/** Token counts of one answer, in disjoint buckets: each token is in exactly one, except that output contains reasoning. */
export interface Usage {
  /** Prompt tokens billed at full price: neither read from nor written to a cache. */
  readonly input: number
  /** Prompt tokens read from a cache. */
  readonly cachedRead: number
  /** Prompt tokens written to a cache that lives five minutes (or for an unknown time). */
  readonly cacheWrite5m: number
  /** Prompt tokens written to a cache that lives one hour. */
  readonly cacheWrite1h: number
  /** Generated tokens, reasoning included. */
  readonly output: number
  /** The part of `output` that was reasoning; informational. */
  readonly reasoning: number
}

export const NO_USAGE: Usage = { input: 0, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0, reasoning: 0 }

/** The whole prompt, which is what price tiers are chosen by. */
export function promptTokens(usage: Usage): number {
  return usage.input + usage.cachedRead + usage.cacheWrite5m + usage.cacheWrite1h
}
