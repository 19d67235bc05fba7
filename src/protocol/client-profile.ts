/**
 * Which client is asking, as far as it changes how a refusal is signalled. The words of a refusal are for people and
 * the same for all; whether a client stops on a status is its own habit.
 */

/** `ai-sdk`: programs on the AI SDK, which repeat every 429 and look at no header. */
export type ClientProfile = 'ai-sdk' | 'other'

const AI_SDK = /(?:^|\s)ai-sdk[-/]/
/** Built on the AI SDK, but it repeats by rules of its own, and knows the 429 of a used-up plan. */
const OPENCODE = /^opencode\//

export function clientProfile(userAgent: string | undefined): ClientProfile {
  if (userAgent === undefined || OPENCODE.test(userAgent)) return 'other'
  return AI_SDK.test(userAgent) ? 'ai-sdk' : 'other'
}
