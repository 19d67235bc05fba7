/**
 * Which client is asking, as far as it changes how a refusal is signalled. The words of a refusal are for people and
 * the same for all; whether a client stops on a status is its own habit.
 *
 * Source: the headers that each client was seen to send (`docs/decisions/011-client-profiles.md`).
 */

/** `ai-sdk`: clients that repeat every 429 and look at no header: programs on the AI SDK, and Qwen Code. */
export type ClientProfile = 'opencode' | 'claude-code' | 'codex' | 'gemini-cli' | 'ai-sdk' | 'other'

/** As Node has them: names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

interface Sign {
  readonly profile: ClientProfile
  readonly header: string
  readonly form: RegExp
}

/** The first that fits. */
const SIGNS: readonly Sign[] = [
  // Built on the AI SDK and names it as well, but it repeats by rules of its own.
  { profile: 'opencode', header: 'user-agent', form: /^opencode\// },
  // A fork of opencode.
  { profile: 'opencode', header: 'x-title', form: /^Kilo Code$/ },
  // Qwen Code calls itself so as well, with versions of its own, all below 1.
  { profile: 'ai-sdk', header: 'user-agent', form: /^claude-cli\/0\./ },
  { profile: 'claude-code', header: 'user-agent', form: /^claude-(?:cli|code)\// },
  // Its terminal and its `exec` have names of their own, programs around it another in the user agent.
  { profile: 'codex', header: 'originator', form: /^codex/ },
  { profile: 'codex', header: 'user-agent', form: /^codex/ },
  { profile: 'gemini-cli', header: 'user-agent', form: /^GeminiCLI/ },
  { profile: 'ai-sdk', header: 'user-agent', form: /(?:^|\s)ai-sdk[-/]/ },
]

/** @param client the headers of the request, or its user agent alone */
export function clientProfile(client: RequestHeaders | string | undefined): ClientProfile {
  const headers = typeof client === 'object' ? client : { 'user-agent': client }
  const fits = ({ header, form }: Sign) => {
    const value = headers[header]
    return typeof value === 'string' && form.test(value)
  }
  return SIGNS.find(fits)?.profile ?? 'other'
}
