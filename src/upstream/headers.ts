/** Which headers cross: an allow-list each way, and the credential in the place its protocol wants it. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Protocol } from '../base/words.ts'
import type { Provider } from '../domain/catalog.ts'
import type { Warning } from '../protocol/codec.ts'

/** What a client's header may tell the upstream. Everything else, cookies and foreign credentials first, stays here. */
const FORWARDED: readonly string[] = [
  'accept',
  'anthropic-version',
  'anthropic-beta',
  'openai-beta',
  // Codex: which forms of items it sends and understands.
  'x-codex-beta-features',
  'x-openai-internal-codex-responses-lite',
]
const MAX_VALUE_BYTES = 4096
/** The oldest version that every Messages upstream still answers. */
const DEFAULT_ANTHROPIC_VERSION = '2023-06-01'

/** What an upstream's header may tell the client of an answer it gives (or of a refusal it is shown). */
const RETURNED: readonly string[] = ['content-type', 'retry-after', 'retry-after-ms']

/** The forwarded headers of a client's request, names and values in turn. */
export function forwardedHeaders(headers: IncomingHttpHeaders): string[] {
  const kept: string[] = []
  for (const name of FORWARDED) {
    const value = headers[name]
    if (typeof value === 'string' && value.length <= MAX_VALUE_BYTES) kept.push(name, value)
  }
  return kept
}

/** The whole head of an upstream request. */
export function upstreamHeaders(protocol: Protocol, provider: Provider, forwarded: readonly string[]): string[] {
  const headers = [
    'content-type',
    'application/json',
    'accept-encoding',
    'identity',
    'user-agent',
    'zendo',
    ...forwarded,
  ]
  const isMessages = protocol === 'anthropic-messages'
  if (isMessages && !forwarded.includes('anthropic-version'))
    headers.push('anthropic-version', DEFAULT_ANTHROPIC_VERSION)
  if (provider.apiKey !== undefined) {
    if (isMessages) headers.push('x-api-key', provider.apiKey)
    else if (protocol === 'google-generate') headers.push('x-goog-api-key', provider.apiKey)
    else headers.push('authorization', `Bearer ${provider.apiKey}`)
  }
  return headers
}

/** The forwarded headers with only those beta flags that the upstream takes; all of them when it names none. */
export function withAllowedBetas(
  headers: readonly string[],
  allowed: readonly string[] | undefined,
): { headers: readonly string[]; warnings: readonly Warning[] } {
  const at = headers.indexOf('anthropic-beta')
  if (allowed === undefined || at === -1) return { headers, warnings: [] }
  const flags = (headers[at + 1] as string).split(',').map((flag) => flag.trim())
  const kept = flags.filter((flag) => allowed.includes(flag))
  const dropped = flags.filter((flag) => flag !== '' && !allowed.includes(flag))
  const rest = [...headers.slice(0, at), ...headers.slice(at + 2)]
  return {
    headers: kept.length === 0 ? rest : [...rest, 'anthropic-beta', kept.join(',')],
    warnings: dropped.map((flag) => ({ action: 'dropped', field: `anthropic-beta ${flag}` })),
  }
}

/** The returned headers of an upstream's answer, names and values in turn. */
export function returnedHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): string[] {
  const kept: string[] = []
  for (const name of RETURNED) {
    const value = headers[name]
    if (typeof value === 'string') kept.push(name, value)
  }
  return kept
}

export function isEventStream(headers: Readonly<Record<string, string | string[] | undefined>>): boolean {
  const type = headers['content-type']
  return typeof type === 'string' && /^\s*text\/event-stream\b/i.test(type)
}

export function isJson(headers: Readonly<Record<string, string | string[] | undefined>>): boolean {
  const type = headers['content-type']
  return typeof type === 'string' && /^\s*application\/json\b/i.test(type)
}

/** Bodies are asked for as they are and never inflated; one that comes encoded cannot be metered. */
export function isEncoded(headers: Readonly<Record<string, string | string[] | undefined>>): boolean {
  const encoding = headers['content-encoding']
  return encoding !== undefined && encoding !== '' && encoding !== 'identity'
}
