/** How large a request can become, in tokens, judged before it is sent. Pure. */
import type { Model } from './catalog.ts'

/** Source code has three to four bytes a token; two leaves room for dense scripts. Whatever exceeds it is the operator's loss. */
const BYTES_PER_TOKEN_BOUND = 2
/** Vendors put a system prompt of their own before the client's: some six hundred tokens were seen. */
const VENDOR_PROMPT_TOKENS = 1024
/** For estimates that are charged (usage missing), where the likely number matters and not the bound. */
const BYTES_PER_TOKEN_TYPICAL = 4

/** Prompt tokens at most: by size, and never more than the model's context takes. */
export function promptBound(bodyBytes: number, model: Model): number {
  return Math.min(Math.ceil(bodyBytes / BYTES_PER_TOKEN_BOUND) + VENDOR_PROMPT_TOKENS, Math.max(model.context, 1))
}

/** Prompt tokens likely, for an estimated charge. */
export function promptEstimate(bodyBytes: number, model: Model): number {
  return Math.min(Math.ceil(bodyBytes / BYTES_PER_TOKEN_TYPICAL), Math.max(model.context, 1))
}

/**
 * Output tokens at most: the cap that is asked for where it is lower than the model's own, times the answers asked for.
 * A cap of nothing is none: vendors differ in what they make of it.
 */
export function outputCap(requested: number | null, answers: number, model: Model): number {
  const cap = requested === null || requested <= 0 ? model.maxOutput : requested
  return Math.min(cap, model.maxOutput) * answers
}
