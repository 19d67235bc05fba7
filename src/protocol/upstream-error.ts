/**
 * Judges what an upstream's refusal is about: the operator's account, this request, or the upstream itself.
 *
 * The operator's account is not the user's business: such answers are never shown, they fail over and raise an
 * operator event. What is wrong with a request would be wrong at the next upstream too, and is shown as it came.
 */

import type { Protocol } from '../base/words.ts'
import { readMessagesError } from './anthropic-messages/error.ts'
import { readGoogleError } from './google-generate/error.ts'
import { readChatError } from './openai-chat/error.ts'
import { readResponsesError } from './openai-responses/error.ts'
import type { ReplyError } from './reply-summary.ts'
import { asObject, asText, parseJson } from './wire-value.ts'

const READERS: Readonly<Record<Protocol, (body: unknown) => ReplyError | null>> = {
  'openai-chat': readChatError,
  'openai-responses': readResponsesError,
  'anthropic-messages': readMessagesError,
  'google-generate': readGoogleError,
}

/** What an error body of an upstream says; null when it is none. */
export function readUpstreamError(protocol: Protocol, body: Buffer): ReplyError | null {
  return READERS[protocol](parseJson(body))
}

export type UpstreamVerdict = 'operator' | 'rejected' | 'unavailable'

/** `type` or `code` of an error that is about money or the account. */
const ACCOUNT_FAULTS: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'insufficient_balance',
  'insufficient_credits',
  'insufficient_funds',
  'quota_exceeded',
  'exceeded_current_quota_error', // Moonshot
  'billing_error', // Anthropic
  'billing_hard_limit_reached', // OpenAI
  'billing_not_active', // OpenAI
  'account_deactivated', // OpenAI
  'access_terminated', // OpenAI
  'arrearage', // Alibaba
  'invalid_api_key',
  'authentication_error',
  'permission_error',
  'autherror', // OpenCode Zen
  'creditserror', // OpenCode Zen
  'monthlylimiterror', // OpenCode Zen
  'userlimiterror', // OpenCode Zen
  'gousagelimiterror', // OpenCode Go
  'freeusagelimiterror', // OpenCode Zen
])

/** What the messages of vendors without a telling code say. */
const ACCOUNT_MESSAGE =
  /credit balance is too low|exceeded your current quota|insufficient (?:credits?|balance|funds|quota|account balance)|billing hard limit|payment required|account (?:is |has been )?(?:suspended|deactivated|disabled|in arrears|overdue)|(?:usage|spend(?:ing)?) limit (?:has been )?reached|out of credits|API key (?:not valid|expired)|余额不足/i

/** What a message is about stands at its beginning. */
const MAX_MESSAGE_LENGTH = 300

/** Longer bodies are no error message. */
const MAX_BODY_BYTES = 256 * 1024

export function classifyUpstreamError(protocol: Protocol, status: number, body: Buffer): UpstreamVerdict {
  if (status === 401 || status === 402 || status === 403) return 'operator'
  if (isAccountFault(protocol, body)) return 'operator'
  return status >= 400 && status < 500 ? 'rejected' : 'unavailable'
}

function isAccountFault(protocol: Protocol, body: Buffer): boolean {
  if (body.length > MAX_BODY_BYTES) return false
  const parsed = parseJson(body)
  const error = READERS[protocol](parsed)
  return namesAccountFault(error) || ACCOUNT_MESSAGE.test(withoutQuotes(messageOf(parsed, error, body)))
}

function namesAccountFault(error: ReplyError | null): boolean {
  return [error?.type, error?.code].some((name) => typeof name === 'string' && ACCOUNT_FAULTS.has(name.toLowerCase()))
}

/** Vendors quote the request in their messages: what a user wrote must not look like a fault of the account. */
function withoutQuotes(message: string): string {
  return message.slice(0, MAX_MESSAGE_LENGTH).replace(/"[^"]*"?|`[^`]*`?/g, '')
}

function messageOf(parsed: unknown, error: ReplyError | null, body: Buffer): string {
  if (error?.message) return error.message
  const wire = asObject(parsed)
  return (
    asText(wire?.message) ??
    asText(wire?.detail) ??
    asText(wire?.msg) ??
    body.toString('utf8', 0, 4 * MAX_MESSAGE_LENGTH)
  )
}

/** What errors in a stream, which have no status, are called where they are about the request, the account or the moment. */
const STATUS_OF_NAMES: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['invalid_argument', 400],
  ['invalid_prompt', 400],
  ['context_length_exceeded', 400],
  ['content_policy_violation', 400],
  ['content_filter', 400],
  ['invalid_api_key', 401],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['not_found', 404],
  ['request_too_large', 413],
  ['insufficient_quota', 429],
  ['rate_limit_error', 429],
  ['rate_limit_exceeded', 429],
  ['too_many_requests', 429],
  ['resource_exhausted', 429],
])

/** The status that an error amounts to; null when it names none, which is how servers speak of their own faults. */
export function errorStatus(error: ReplyError | null): number | null {
  if (error === null) return null
  if (error.status !== null) return error.status
  for (const name of [error.code, error.type]) {
    const status = name === null ? undefined : STATUS_OF_NAMES.get(name.toLowerCase())
    if (status !== undefined) return status
  }
  return null
}
