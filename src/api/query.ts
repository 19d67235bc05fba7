/** Reads the query of reports: times, filters and whose requests may be seen. What is not understood is refused. */
import { AppError } from '../base/errors.ts'
import { PRODUCTS } from '../base/words.ts'
import { isWellFormedKey } from '../domain/api-key.ts'
import { OUTCOMES } from '../domain/charge-policy.ts'
import { isTag } from '../domain/tags.ts'
import { hasScope } from '../gateway/permission.ts'
import type { KeyOwner } from '../store/key.ts'
import { allRequestsOf, type RequestFilter } from '../store/request-list.ts'
import type { Visit } from './routes.ts'

const FILTERS = [
  ...([
    'since',
    'until',
    'model',
    'key',
    'member',
    'session',
    'tag',
    'state',
    'outcome',
    'funding',
    'product',
  ] as const),
  'provider',
] as const

const STATES = ['held', 'settled', 'released'] as const
const FUNDINGS = ['free', 'plan', 'balance', 'byok'] as const
const MAX_TEXT = 512
/** Before the year 10000. */
const MAX_TIME_MS = 253_402_300_799_999

/** The parameters of a query, each once at most. */
export type Query = ReadonlyMap<string, string>

/** @throws AppError invalid_request for a parameter that the route does not have, or that stands twice */
export function readQuery(query: string, names: readonly string[]): Query {
  const values = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    // A credential, which was read before.
    if (name === 'key' && isWellFormedKey(value)) continue
    if (!names.includes(name)) throw invalid(name, `is not known here. Known: ${names.join(', ')}.`)
    if (values.has(name)) throw invalid(name, 'stands twice.')
    // An empty value is no value.
    if (value !== '') values.set(name, checkText(name, value))
  }
  return values
}

function checkText(name: string, value: string): string {
  if (value.length > MAX_TEXT) throw invalid(name, `is longer than ${MAX_TEXT} characters.`)
  if (!/^\P{Cc}*$/u.test(value)) throw invalid(name, 'has control characters.')
  return value
}

export function invalid(param: string, message: string): AppError {
  return new AppError('invalid_request', `The parameter ${param.slice(0, 80)} ${message}`, {
    param: param.slice(0, 80),
  })
}

/** Whose key it is. Only for routes of the auth class `key`. */
export function ownerOf({ owner }: Visit): KeyOwner {
  if (!owner) throw new Error('a route that needs a key was reached without one')
  return owner
}

/** Who asks for a report. */
export type Viewer = Pick<KeyOwner, 'workspaceId' | 'role' | 'memberId'>

/** A key is given to agents: without the scope to read it shows no more than what its own member did, whoever that is. */
export function viewerOf(visit: Visit): Viewer {
  const owner = ownerOf(visit)
  return hasScope(owner, 'read') ? owner : { ...owner, role: 'member' }
}

/** An admin sees the workspace, anybody else the requests of the own member. */
export function visibleTo({ role, memberId }: Viewer): string | null {
  return role === 'admin' ? null : memberId
}

export const FILTER_NAMES: readonly string[] = FILTERS

/** @throws AppError invalid_request */
export function readFilter(query: Query, viewer: Viewer): RequestFilter {
  const text = (name: (typeof FILTERS)[number]): string | null => query.get(name) ?? null
  return {
    ...allRequestsOf(viewer.workspaceId, visibleTo(viewer)),
    sinceMs: readTime('since', text('since')),
    untilMs: readTime('until', text('until')),
    model: text('model'),
    key: text('key'),
    member: text('member'),
    session: text('session'),
    tag: readTag(text('tag')),
    state: readWord('state', text('state'), STATES),
    outcome: readWord('outcome', text('outcome'), OUTCOMES),
    funding: readWord('funding', text('funding'), FUNDINGS),
    product: readWord('product', text('product'), PRODUCTS),
    provider: text('provider'),
  }
}

function readTag(text: string | null): string | null {
  if (text === null || isTag(text)) return text
  throw invalid('tag', 'is no tag: letters, digits and _ . : = / - only, 64 at most.')
}

export function readWord<Word extends string>(name: string, text: string | null, words: readonly Word[]): Word | null {
  const word = words.find((candidate) => candidate === text)
  if (word === undefined && text !== null) throw invalid(name, `is none of ${words.join(', ')}.`)
  return word ?? null
}

const INSTANT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2}))?$/

/** Milliseconds since the epoch, or ISO 8601: a day, which begins at midnight UTC, or a time with its offset. */
function readTime(name: string, text: string | null): number | null {
  if (text === null) return null
  // A plus sign that was not encoded arrives as a blank.
  const plain = text.replace(' ', '+')
  const atMs = /^\d{1,15}$/.test(plain) ? Number(plain) : INSTANT.test(plain) ? Date.parse(plain) : Number.NaN
  if (atMs >= 0 && atMs <= MAX_TIME_MS) return atMs
  throw invalid(name, 'is no time: milliseconds since 1970, or like 2026-11-20 or 2026-11-20T08:00:00Z.')
}
