/**
 * The published table of which outcome costs what (`docs/reference/charge-policy.md`). The table is the code: the
 * gateway names an outcome, and this decides what is charged.
 */
import { NO_USAGE, type Usage } from '../base/usage.ts'

/** Changes with the table; stands on each request row. */
export const CHARGE_POLICY_VERSION = 1

/**
 * - `nothing`: never charged.
 * - `usage_or_estimate`: the upstream's usage, else prompt and delivered content, marked estimated.
 * - `usage_or_delivered`: the upstream's usage, else the delivered tokens alone, marked estimated.
 */
type ChargeRule = 'nothing' | 'usage_or_estimate' | 'usage_or_delivered'

const chargePolicy = {
  /** The answer ended as its protocol says. */
  complete: 'usage_or_estimate',
  /** The model or its vendor withheld or refused the answer. */
  filtered: 'usage_or_estimate',
  /** Complete, but without any text, reasoning or tool call. */
  empty: 'nothing',
  /** The client left before the end. */
  client_stopped: 'usage_or_estimate',
  /** The upstream's stream ended, broke off, stalled or reported an error after output. */
  upstream_cut: 'usage_or_delivered',
  /** The upstream answered with an error, or failed before any output. */
  upstream_failed: 'nothing',
  /** Zendo itself failed: crash, shutdown, storage. */
  operator_fault: 'nothing',
} as const satisfies Record<string, ChargeRule>

export type Outcome = keyof typeof chargePolicy

export const OUTCOMES = Object.keys(chargePolicy) as readonly Outcome[]

export function chargeRuleOf(outcome: Outcome): ChargeRule {
  return chargePolicy[outcome]
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
