/**
 * What is sent while an upstream is silent, so that no proxy and no client gives up: forms that no known agent chokes
 * on, and that may stand before the first event as well as between any two.
 */
import type { Protocol } from '../base/words.ts'

/** Comments break Gemini CLI, and an early `response.in_progress` the OpenAI SDK: a blank line is nothing to anybody. */
export function keepAlive(protocol: Protocol): string {
  return protocol === 'anthropic-messages' ? 'event: ping\ndata: {"type": "ping"}\n\n' : '\n'
}
