/** What a recorded answer must become: how it ends, what it costs, and how an error is shown to the caller. */
import type { Case, Family } from './case.ts'
import { producesOutput } from './output.ts'

/**
 * - `complete`, `filtered`, `empty`: answers that ended as their protocol says.
 * - `cut`: a stream without its terminal event. `error_in_band`: one with an error event of its own, which the client
 *   may see unless it is about the operator's account (`account_error_in_band`).
 * - `error_body`: a 200 whose body is an error. `rejected`: a 4xx for the caller.
 * - `unavailable`: a failure of the operator's upstream or account.
 */
export type Ending =
  | 'complete'
  | 'filtered'
  | 'empty'
  | 'cut'
  | 'error_in_band'
  | 'account_error_in_band'
  | 'error_body'
  | 'rejected'
  | 'unavailable'

export function endingOf(replayed: Case): Ending {
  const { status, stream, expected, family } = replayed
  if (status !== 200) return isOperatorFault(replayed) ? 'unavailable' : 'rejected'
  if (expected.error !== undefined) {
    if (!stream) return 'error_body'
    return isOperatorFault(replayed) ? 'account_error_in_band' : 'error_in_band'
  }
  if (expected.terminal === 'eof' && !(MAY_END[family] && Boolean(expected.finish_reason))) return 'cut'
  if (expected.finish_reason_canonical === 'content_filter') return 'filtered'
  return isEmpty(replayed) ? 'empty' : 'complete'
}

/** Whether a stream that ended after its finish reason is whole without a terminal event. */
const MAY_END: Readonly<Record<Family, boolean>> = {
  'openai-chat': true,
  'openai-responses': false,
  'anthropic-messages': false,
  'google-generate': true,
}

/** Error types with which an upstream says that the operator's account, not the request, is the trouble. */
const ACCOUNT_ERRORS = [
  'billing_error',
  'insufficient_quota',
  'quota_exceeded',
  'CreditsError',
  'GoUsageLimitError',
  'FreeUsageLimitError',
  'MonthlyLimitError',
  'UserLimitError',
]

/** Google has no word of its own for these. */
const GOOGLE_ACCOUNT = /"message": ?"(?:API key not valid|You exceeded your current quota)/

function isOperatorFault(replayed: Case): boolean {
  if ([401, 402, 403].includes(replayed.status) || replayed.status >= 500) return true
  const text = replayed.body.toString('utf8')
  if (replayed.family === 'google-generate' && GOOGLE_ACCOUNT.test(text)) return true
  const types = text.matchAll(/"(?:type|code)": ?"(\w+)"/g)
  return [...types].some(([, type]) => ACCOUNT_ERRORS.includes(type ?? ''))
}

/** Whether the upstream gave its final token counts: those of a stream's beginning are provisional until its end. */
export function hasFinalUsage({ family, stream, expected }: Case): boolean {
  const { usage } = expected
  if (!usage || (usage.input === null && usage.output === null)) return false
  if (!stream) return true
  switch (family) {
    case 'openai-chat':
    case 'openai-responses':
      return true
    case 'anthropic-messages':
      return expected.usage_message_delta !== undefined || expected.terminal === 'message_stop'
    case 'google-generate':
      return Boolean(expected.finish_reason)
  }
}

/** A whole reply with nothing in it, unless a limit explains why. */
function isEmpty(replayed: Case): boolean {
  const explained = ['length', 'pause'].includes(replayed.expected.finish_reason_canonical ?? '')
  return !explained && !producesOutput(replayed)
}
