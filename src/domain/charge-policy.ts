/**
 * The published table of which outcome costs what (`GET /api/charge-policy`, `docs/reference/charge-policy.md`). The
 * table is the code: the gateway names an outcome, and this decides what is charged. Its words are published as they
 * stand here.
 */
import { NO_USAGE, type Usage } from '../base/usage.ts'

/** Changes with the table; stands on each request row. */
export const CHARGE_POLICY_VERSION = 2

/** What a rule charges, in public words. `chargeableUsage` does what they say. */
const chargeRules = {
  nothing: 'nothing',
  usage_or_estimate:
    "the upstream's usage; if it gave none, an estimate of prompt and delivered content; nothing when nothing was delivered or counted",
  usage_or_delivered:
    "the upstream's usage if it was final; else the delivered tokens, and the prompt only where the upstream had counted it",
} as const satisfies Record<string, string>

export type ChargeRule = keyof typeof chargeRules

interface ChargePolicyRow {
  /** When a request has this outcome, in public words. */
  readonly when: string
  readonly rule: ChargeRule
}

const chargePolicy = {
  complete: { when: 'the answer ended as its protocol says', rule: 'usage_or_estimate' },
  filtered: { when: 'the model or its vendor withheld or refused the answer', rule: 'usage_or_estimate' },
  client_stopped: {
    when: "the client left before the end; for a limited time the answer is read on, to learn the upstream's usage",
    rule: 'usage_or_estimate',
  },
  limit_stopped: {
    when: 'Zendo ended the stream as at its length limit: the balance or a limit had no room for more of it, or it went far beyond the output asked for',
    rule: 'usage_or_estimate',
  },
  upstream_cut: {
    when: 'the stream ended, broke off, stalled or reported an error after output',
    rule: 'usage_or_delivered',
  },
  upstream_failed: { when: 'the upstream refused the request, or failed before any output', rule: 'nothing' },
  empty: {
    when: 'a complete answer without text, reasoning or tool call (unless it ended at its length limit)',
    rule: 'nothing',
  },
  operator_fault: { when: 'Zendo itself failed: crash, storage, shutdown', rule: 'nothing' },
} as const satisfies Record<string, ChargePolicyRow>

/** What holds for every outcome, in public words. */
const CHARGE_TERMS: readonly string[] = [
  'A request that Zendo refuses has no row and no charge.',
  'One request is one charge: attempts at other providers that came to nothing are shown, and never charged.',
  'A charge is tokens times rates, summed over disjoint buckets (uncached input, cache reads, cache writes of five minutes and of one hour, output; reasoning is part of the output), rounded once to the nearest nano-dollar, halves up.',
  "The rates are those of the price version that was in force when the request was admitted. A tier's rates apply to the whole request once its prompt, cached tokens included, is larger than the tier's threshold.",
  'A charge never exceeds what was held for the request; if the upstream used more, the difference is borne by the operator (`write_off` in the ledger).',
  'Estimates are marked `estimated` on the row: the prompt counts as one token per four bytes of the request, the output as one per four bytes of delivered content.',
  "A plan counts the charge times the model's weight in each of its windows, rounded to the nearest nano-dollar, halves up. Free models cost nothing and count nowhere.",
  'Stream and non-stream of the same answer cost the same.',
]

export type Outcome = keyof typeof chargePolicy

export const OUTCOMES = Object.keys(chargePolicy) as readonly Outcome[]

export function chargeRuleOf(outcome: Outcome): ChargeRule {
  return chargePolicy[outcome].rule
}

/** The table as it is published (`GET /api/charge-policy`). */
export interface PublishedChargePolicy {
  readonly version: number
  readonly outcomes: readonly {
    readonly outcome: Outcome
    readonly when: string
    readonly rule: ChargeRule
    /** The words of the rule. */
    readonly charge: string
  }[]
  readonly terms: readonly string[]
}

export function publishChargePolicy(): PublishedChargePolicy {
  return {
    version: CHARGE_POLICY_VERSION,
    outcomes: OUTCOMES.map((outcome) => {
      const { when, rule } = chargePolicy[outcome]
      return { outcome, when, rule, charge: chargeRules[rule] }
    }),
    terms: CHARGE_TERMS,
  }
}

export interface Delivery {
  /** What the upstream reported; null when it did not. */
  readonly usage: Usage | null
  /** Whether that report is the final one, and not just the opening count of a stream. */
  readonly usageIsFinal: boolean
  readonly promptEstimate: number
  readonly deliveredTokens: number
}

/** The tokens an outcome is charged for. `chargeable: false` releases the hold; the usage is then informational. */
export function chargeableUsage(
  outcome: Outcome,
  delivery: Delivery,
): { chargeable: boolean; usage: Usage; estimated: boolean } {
  const rule = chargeRuleOf(outcome)
  if (rule === 'nothing') return { chargeable: false, usage: delivery.usage ?? NO_USAGE, estimated: false }
  if (delivery.usage !== null && delivery.usageIsFinal)
    return { chargeable: true, usage: delivery.usage, estimated: false }
  // Nothing reached the client and the upstream counted nothing: there is nothing to estimate from.
  if (delivery.deliveredTokens === 0 && delivery.usage === null)
    return { chargeable: false, usage: NO_USAGE, estimated: false }
  return { chargeable: true, usage: estimateUsage(rule, delivery), estimated: true }
}

function estimateUsage(rule: ChargeRule, delivery: Delivery): Usage {
  const { usage, deliveredTokens, promptEstimate } = delivery
  // A stream's opening count tells the prompt exactly; only the output has to be estimated.
  if (usage !== null) return { ...usage, output: Math.max(usage.output, deliveredTokens) }
  return { ...NO_USAGE, input: rule === 'usage_or_estimate' ? promptEstimate : 0, output: deliveredTokens }
}
