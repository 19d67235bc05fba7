/** Compares what a client library shows of a translated answer with the recording, field by field. */
import { isDeepStrictEqual } from 'node:util'
import type { LedgerRow } from '../../support/ledger.ts'
import type { Case, Family } from '../case.ts'
import { type Ending, endingOf, hasFinalUsage } from '../expectation.ts'
import { type Buckets, bucketsOf, costOf } from '../price.ts'
import { parsedInput, type Seen, type SeenCall, type SeenUsage } from './seen.ts'

export const FIELDS = ['text', 'reasoning', 'calls', 'finish', 'usage', 'failure', 'charge'] as const
export type Field = (typeof FIELDS)[number]

/** Something that is not as recorded. */
export interface Difference {
  readonly field: Field
  readonly problem: string
}

export interface Comparison {
  readonly replayed: Case
  readonly target: Family
  readonly seen: Seen
  readonly row: LedgerRow | null
  /** The row of the same case called in its own protocol. */
  readonly ownRow: LedgerRow | null
}

const WHOLE: readonly Ending[] = ['complete', 'filtered', 'empty']
const BROKEN: readonly Ending[] = ['cut', 'error_in_band', 'account_error_in_band']

export function compare(comparison: Comparison): Difference[] {
  const ending = endingOf(comparison.replayed)
  const checks: readonly Check[] = WHOLE.includes(ending)
    ? [checkNoFailure, checkText, checkReasoning, checkCalls, checkFinish, checkUsage, checkCharge]
    : BROKEN.includes(ending)
      ? [checkFailure, checkText, checkReasoning, checkCharge]
      : [checkFailure, checkCharge]
  return checks.flatMap((check) => check(comparison))
}

type Check = (comparison: Comparison) => Difference[]

function checkNoFailure({ seen }: Comparison): Difference[] {
  return seen.failure === null ? [] : [{ field: 'failure', problem: `failed: ${shown(seen.failure)}` }]
}

/** Chat and Responses have a place of their own for a refusal; everybody else reads it as text. */
function checkText({ replayed, seen }: Comparison): Difference[] {
  const { text, refusal } = replayed.expected
  return same('text', (text ?? '') + (refusal ?? ''), seen.text + seen.refusal)
}

/** The summaries of one thought, which only Responses has apart, are parted by empty lines. */
function checkReasoning({ replayed, seen }: Comparison): Difference[] {
  const expected = replayed.expected.reasoning_text ?? ''
  const joined = (text: string) => (replayed.family === 'openai-responses' ? text.replaceAll('\n\n', '') : text)
  return joined(expected) === joined(seen.reasoning) ? [] : same('reasoning', expected, seen.reasoning)
}

function checkCalls({ replayed, target, seen }: Comparison): Difference[] {
  const expected = (replayed.expected.tool_calls ?? []).map((call): SeenCall => {
    const isText = call.kind === 'custom'
    const hasCustom = target === 'openai-chat' || target === 'openai-responses'
    const input = isText
      ? hasCustom
        ? call.arguments
        : { input: call.arguments }
      : (parsedInput(call.arguments || '{}') ?? {})
    return { id: call.id ?? '', name: call.name, input }
  })
  const madeUp = expected.map(({ id }) => id === '')
  const got = seen.calls.map((call, i) => (madeUp[i] && call.id !== '' ? { ...call, id: '' } : call))
  const problems = same('calls', expected, got)
  if (new Set(seen.calls.map(({ id }) => id)).size < seen.calls.length)
    problems.push({ field: 'calls', problem: `two calls have one id: ${shown(seen.calls)}` })
  return problems
}

function checkFinish({ replayed, target, seen }: Comparison): Difference[] {
  const { finish_reason_canonical, tool_calls } = replayed.expected
  const byCalls = (tool_calls ?? []).length > 0 ? 'tool_calls' : 'stop'
  // Of a stream that ended without a reason, what it held says how it ended.
  const expected = finish_reason_canonical ?? byCalls
  const hasWord = target === 'openai-chat' || target === 'anthropic-messages'
  const isPlain = expected === 'stop' || expected === 'tool_calls'
  return same('finish', isPlain && !hasWord ? byCalls : expected, seen.finish)
}

/** Every counter that the client's protocol has a place for. */
function checkUsage({ replayed, seen }: Comparison): Difference[] {
  const { usage } = replayed.expected
  if (!usage || !hasFinalUsage(replayed)) return []
  const buckets = bucketsOf(usage)
  const expected = usageOf(buckets)
  if (seen.usage === null) return [{ field: 'usage', problem: 'no usage at all' }]
  return Object.entries(seen.usage).flatMap(([name, count]) =>
    count === null ? [] : same('usage', expected[name as keyof SeenUsage], count, name),
  )
}

function usageOf(buckets: Buckets): SeenUsage {
  const cacheWrite = buckets.cache_write_5m_tokens + buckets.cache_write_1h_tokens
  return {
    prompt: buckets.input_tokens + buckets.cached_read_tokens + cacheWrite,
    cachedRead: buckets.cached_read_tokens,
    cacheWrite,
    cacheWrite1h: buckets.cache_write_1h_tokens,
    output: buckets.output_tokens,
    reasoning: buckets.reasoning_tokens,
  }
}

/** The library must notice, with the status that a client of the recording's protocol gets, and say something. */
function checkFailure({ replayed, seen, ownRow }: Comparison): Difference[] {
  if (seen.failure === null) return [{ field: 'failure', problem: `looks whole: ${shown(seen)}` }]
  const { status, message } = seen.failure
  const problems: Difference[] = []
  if (message.trim() === '') problems.push({ field: 'failure', problem: 'the error has no message' })
  const isInBand = BROKEN.includes(endingOf(replayed))
  if (!isInBand && status !== ownRow?.status) problems.push(...same('failure', ownRow?.status, status, 'status'))
  const words = replayed.expected.error?.message
  const isShown = ['rejected', 'error_in_band'].includes(endingOf(replayed)) && replayed.expected.secrets === undefined
  if (isShown && words && !tells(message, words.slice(0, 60)))
    problems.push({ field: 'failure', problem: `expected the upstream's words ${shown(words)}, got ${shown(message)}` })
  return problems
}

/** Some libraries show the body as it came. */
function tells(message: string, words: string): boolean {
  return message.includes(words) || message.includes(JSON.stringify(words).slice(1, -1))
}

/** What an answer costs does not depend on who reads it; where it is guessed, the guess of the prompt may differ. */
function checkCharge({ row, ownRow }: Comparison): Difference[] {
  if (row === null || ownRow === null) return row === ownRow ? [] : [{ field: 'charge', problem: `row ${shown(row)}` }]
  const names = ['state', 'outcome', 'estimated', 'output_tokens', 'reasoning_tokens'] as const
  const exact = ['input_tokens', 'cached_read_tokens', 'cache_write_5m_tokens', 'cache_write_1h_tokens'] as const
  const compared = row.estimated ? names : [...names, ...exact]
  const problems = compared.flatMap((name) => same('charge', ownRow[name], row[name], name))
  const cost = row.state === 'settled' ? costOf(row) : 0n
  const charged = cost > row.hold ? row.hold : cost
  return [...problems, ...same('charge', charged, row.charged, 'charged')]
}

function same(field: Field, expected: unknown, got: unknown, name = ''): Difference[] {
  if (isDeepStrictEqual(expected, got)) return []
  const where = name === '' ? '' : `${name}: `
  return [{ field, problem: `${where}expected ${shown(expected, got)}, got ${shown(got, expected)}` }]
}

const SHOWN = 160

/** From where it differs from the other, when it is long. */
function shown(value: unknown, other?: unknown): string {
  const text = textOf(value)
  const second = textOf(other)
  let at = 0
  while (at < text.length && text[at] === second[at]) at++
  const from = other === undefined ? 0 : Math.max(0, at - 30)
  return `${from > 0 ? '…' : ''}${text.slice(from, from + SHOWN)}`
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? 'undefined'
}
