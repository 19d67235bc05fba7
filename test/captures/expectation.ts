/** What a recorded answer must become: how it ends, what it costs, and how an error is shown to the caller. */
import type { Case } from './case.ts'
import { jsonOf, splitBlocks } from './sse-blocks.ts'

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
  const finished = family === 'openai-chat' && Boolean(expected.finish_reason)
  if (expected.terminal === 'eof' && !finished) return 'cut'
  if (expected.finish_reason_canonical === 'content_filter') return 'filtered'
  return isEmpty(replayed) ? 'empty' : 'complete'
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

function isOperatorFault(replayed: Case): boolean {
  if ([401, 402, 403].includes(replayed.status) || replayed.status >= 500) return true
  const types = replayed.body.toString('utf8').matchAll(/"(?:type|code)": ?"(\w+)"/g)
  return [...types].some(([, type]) => ACCOUNT_ERRORS.includes(type ?? ''))
}

/** Whether the upstream gave its final token counts: those that open a Messages stream are provisional until its end. */
export function hasFinalUsage(replayed: Case): boolean {
  const { family, stream, expected } = replayed
  if (!expected.usage) return false
  if (family === 'openai-chat' || !stream) return true
  return expected.usage_message_delta !== undefined || expected.terminal === 'message_stop'
}

/** A whole reply with nothing in it, unless a limit explains why. */
function isEmpty(replayed: Case): boolean {
  const explained = ['length', 'pause'].includes(replayed.expected.finish_reason_canonical ?? '')
  return !explained && !producesOutput(replayed)
}

/** Whether there is anything for the client in any choice: text, reasoning, refusal, tool call, audio. */
export function producesOutput(replayed: Case): boolean {
  if (!replayed.stream) return bodyHasOutput(JSON.parse(replayed.body.toString('utf8')))
  return splitBlocks(replayed.body).some((block) => bodyHasOutput(jsonOf(block)))
}

/** Members that carry output, in chat deltas and messages and in Messages content blocks and deltas. */
const OUTPUT_MEMBERS = new Set([
  'content',
  'content_block',
  'reasoning',
  'reasoning_content',
  'refusal',
  'tool_calls',
  'function_call',
  'audio',
  'text',
  'thinking',
  'partial_json',
])

function bodyHasOutput(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return false
  const { choices, content, content_block, delta, message } = body as Record<string, unknown>
  const carriers = Array.isArray(choices)
    ? choices.flatMap((choice: Record<string, unknown>) => [choice.delta, choice.message])
    : [{ content, content_block }, delta, message]
  return carriers.some((carrier) => Object.entries(carrier ?? {}).some(([name, value]) => hasOutput(name, value)))
}

function hasOutput(name: string, value: unknown): boolean {
  return OUTPUT_MEMBERS.has(name) && hasText(value)
}

/** Whether any text stands in a value, apart from the names of block types. */
function hasText(value: unknown): boolean {
  if (typeof value === 'string') return value !== ''
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, member]) => name !== 'type' && hasText(member))
}
