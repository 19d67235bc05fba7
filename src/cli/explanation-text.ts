/** The explanation of a charge as text for people: what was used, what it cost, who paid, and whether it adds up. */
import type { ChargeCheck } from '../control/charge-check.ts'
import type { Explanation } from '../control/usage-explain.ts'
import { formatCount, formatTable, plural } from './table.ts'

export function formatExplanation(explanation: Explanation): string {
  const { id, model, protocol, product, created_at, ended_at, provider, attempts } = explanation
  const tried = plural(attempts.length, 'attempt')
  return [
    `Request ${id}`,
    `${model} on ${product}, ${protocol}, ${created_at} to ${ended_at ?? 'now'}, ${provider ?? 'no provider'}, ${tried}`,
    ...formatAttempts(explanation),
    ...formatRemarks(explanation),
    '',
    ...formatProducts(explanation),
    '',
    ...formatCharge(explanation),
    ...formatChecks(explanation),
  ].join('\n')
}

function formatAttempts({ attempts }: Explanation): string[] {
  if (attempts.length < 2) return []
  return attempts.map(
    ({ n, provider, status, outcome }) => `  ${n}. ${provider}: ${outcome}, status ${status ?? 'none'}`,
  )
}

function formatRemarks({ session, tags, warnings, error_code, clamped_output }: Explanation): string[] {
  const remarks: string[] = []
  if (session !== null) remarks.push(`Session ${session}`)
  if (tags.length > 0) remarks.push(`Tags ${tags.join(', ')}`)
  if (warnings !== null) remarks.push(`Warnings: ${warnings}`)
  if (error_code !== null) remarks.push(`Error ${error_code}`)
  if (clamped_output !== null) {
    remarks.push(`Output was capped at ${formatCount(clamped_output)} tokens: more was not affordable`)
  }
  return remarks
}

function formatProducts(explanation: Explanation): string[] {
  const { price_version, tier_above, buckets, sum, cost, rounding, prompt_tokens, reasoning_tokens } = explanation
  if (sum === null)
    return [price_version === null ? 'Free model: no price.' : `Price ${price_version} is not on record.`]
  const tier = tier_above === null ? 'base rates' : `rates above ${formatCount(tier_above)} prompt tokens`
  const columns = [
    { title: 'TOKENS OF' },
    { title: 'COUNT', align: 'right' },
    { title: '$ PER 1M', align: 'right' },
    { title: 'PRODUCT', align: 'right' },
  ] as const
  const rows = buckets
    .filter(({ tokens }) => tokens > 0)
    .map(({ bucket, tokens, rate, product }) => [bucket, formatCount(tokens), rate ?? '', `$${product}`])
  const lines = [
    `Price ${price_version}, ${tier}; the prompt has ${formatCount(prompt_tokens)}`,
    formatTable(columns, rows, 'No tokens.'),
  ]
  if (reasoning_tokens > 0) lines.push(`Of the output, ${formatCount(reasoning_tokens)} were reasoning`)
  lines.push(`Sum $${sum}`)
  if (explanation.state === 'settled') lines.push(`Cost $${cost} (rounded: ${rounding})`)
  return lines
}

function formatCharge(explanation: Explanation): string[] {
  const { state, outcome, rule, rule_says, policy_version, estimated, hold, charged, funding } = explanation
  const slices = formatSlices(explanation)
  if (state === 'held') return [`Under way; $${hold} held${slices}, paid by: ${funding}`]
  return [
    `Outcome ${outcome}${estimated ? ' (usage estimated)' : ''}; charge policy ${policy_version} says: ${rule}`,
    ...(rule_says === null || rule_says === rule ? [] : [`  ${rule_says}`]),
    `Charged $${charged} of $${hold} held${slices}, paid by: ${funding}`,
    ...formatMoves(explanation),
  ]
}

/** A hold that never grew to its bound was taken in slices. */
function formatSlices({ hold, max_hold }: Explanation): string {
  return max_hold === null || max_hold === hold ? '' : ` in slices of $${max_hold} at most`
}

function formatMoves({ entries, counted, weight, written_off, refunded, late_cost }: Explanation): string[] {
  const lines = entries
    .filter(({ account, kind }) => account === 'balance' && kind === 'settlement')
    .map(({ amount, lot }) => `Drew $${amount.replace('-', '')} from ${lot === null ? 'the balance' : `credit ${lot}`}`)
  if (written_off !== null && Number(written_off) > 0)
    lines.push(`Written off $${written_off}: it cost more than was held`)
  if (Number(refunded) > 0) lines.push(`Given back $${refunded} as new credit`)
  if (late_cost !== null) lines.push(`Reported too late and not charged: $${late_cost}`)
  for (const count of counted) {
    const factor = count.scope === 'seat' ? `weight ${weight}, ` : ''
    lines.push(`Counted $${count.counted} in ${count.name} (${factor}ends ${count.ends_at})`)
  }
  return lines
}

function formatChecks({ checks, verdict }: Explanation): string[] {
  if (verdict === null) return []
  const columns = [
    { title: 'WORKED OUT AGAIN' },
    { title: 'BOOKED', align: 'right' },
    { title: 'RECOMPUTED', align: 'right' },
    { title: '' },
  ] as const
  return ['', formatTable(columns, checks.map(formatCheck), ''), verdict]
}

function formatCheck({ what, booked, recomputed, same }: ChargeCheck): string[] {
  return [what, `$${booked}`, recomputed === null ? 'no price on record' : `$${recomputed}`, same ? 'OK' : 'DIFFERENT']
}
