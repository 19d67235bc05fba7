/** Compares the ledger row of a call with what the recording must cost. Pure; an empty list means all is well. */
import type { LedgerRow } from '../support/ledger.ts'
import type { Call } from './call.ts'
import type { Case } from './case.ts'
import type { Reply } from './check-reply.ts'
import { type Ending, endingOf, hasFinalUsage } from './expectation.ts'
import { producesOutput } from './output.ts'
import { type Buckets, bucketsOf, costOf } from './price.ts'

/** The outcomes of the charge policy that a recorded answer may be filed under. */
const OUTCOMES: Record<Ending, readonly string[]> = {
  complete: ['complete'],
  filtered: ['filtered'],
  empty: ['empty'],
  cut: ['upstream_cut'],
  error_in_band: ['upstream_cut'],
  account_error_in_band: ['upstream_cut'],
  error_body: ['upstream_failed'],
  rejected: ['upstream_failed'],
  unavailable: ['upstream_failed'],
}

const WHOLE: readonly Ending[] = ['complete', 'filtered']
const BROKEN: readonly Ending[] = ['cut', 'error_in_band', 'account_error_in_band']

function failsBeforeOutput(replayed: Case): boolean {
  return BROKEN.includes(endingOf(replayed)) && !producesOutput(replayed)
}

/** Whether it costs anything: not what failed before its output, nor a refusal that was neither said nor counted. */
function isCharged({ replayed }: Call): boolean {
  const ending = endingOf(replayed)
  if (ending === 'filtered' && !hasFinalUsage(replayed)) return producesOutput(replayed)
  return [...WHOLE, ...BROKEN].includes(ending) && !failsBeforeOutput(replayed)
}

/** Token counts: those of the recording, or a marked estimate within bounds where it has none. */
export function checkUsage(call: Call, row: LedgerRow): string[] {
  const { replayed } = call
  const ending = endingOf(replayed)
  const problems: string[] = []
  const outcomes = failsBeforeOutput(replayed) ? ['upstream_failed'] : OUTCOMES[ending]
  if (!outcomes.includes(row.outcome ?? ''))
    problems.push(`expected outcome ${outcomes.join(' or ')}, got ${row.outcome}`)
  const usage = replayed.expected.usage
  if (usage && hasFinalUsage(replayed)) {
    problems.push(...sameBuckets(bucketsOf(usage), row))
    if (row.estimated) problems.push('marked estimated although the upstream gave usage')
  } else if (isCharged(call)) problems.push(...checkEstimate(call, row))
  return problems
}

function checkEstimate(call: Call, row: LedgerRow): string[] {
  const { body, expected } = call.replayed
  const problems: string[] = []
  if (!row.estimated) problems.push('not marked estimated although the upstream gave no final usage')
  if (row.output_tokens < 1 || row.output_tokens > body.length)
    problems.push(`expected between 1 and ${body.length} estimated output tokens, got ${row.output_tokens}`)
  const opening = expected.usage?.input ?? undefined
  const cut = BROKEN.includes(endingOf(call.replayed))
  if (opening !== undefined && row.input_tokens !== opening)
    problems.push(`expected the stream's opening count of ${opening} input tokens, got ${row.input_tokens}`)
  // A cut answer without any usage costs its delivered tokens alone.
  if (opening === undefined && cut && row.input_tokens !== 0)
    problems.push(`expected no input tokens on a cut answer, got ${row.input_tokens}`)
  if (opening === undefined && !cut && row.input_tokens < 1)
    problems.push('expected an estimate of the prompt, got no input tokens')
  return problems
}

function sameBuckets(expected: Buckets, row: LedgerRow): string[] {
  const names = Object.keys(expected) as (keyof Buckets)[]
  const wrong = names.filter((name) => expected[name] !== row[name])
  return wrong.map((name) => `expected ${name} ${expected[name]}, got ${row[name]}`)
}

/** Money: the exact price of the row's buckets where the policy charges, nothing where it does not. */
export function checkCharge(call: Call, row: LedgerRow): string[] {
  if (!isCharged(call)) {
    return row.charged === 0n && row.state === 'released'
      ? []
      : [`expected the hold released and nothing charged, got ${row.state} ${row.charged}`]
  }
  const cost = costOf(row)
  const charged = cappedBy(row.hold, cost)
  const problems: string[] = []
  if (row.state !== 'settled') problems.push(`expected the row settled, got ${row.state}`)
  if (row.cost !== cost) problems.push(`expected cost ${cost}, got ${row.cost}`)
  if (row.charged !== charged) problems.push(`expected charge ${charged}, got ${row.charged}`)
  return problems
}

/** A hold that was too small is the operator's loss. */
function cappedBy(hold: bigint, cost: bigint): bigint {
  if (cost > hold) return hold
  return cost
}

/** The row must say what the client was told. */
export function checkStatusNoted(reply: Reply, row: LedgerRow): string[] {
  return row.status === reply.status ? [] : [`the row notes status ${row.status}, the client got ${reply.status}`]
}
