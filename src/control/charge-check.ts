/** Works a charge out again, from tokens, rates, hold and weight, and compares it with what the books have. Pure. */
import { addUsd, formatUsd, minUsd, type NanoUsd, nanoUsd, subtractUsd, weighUsd, ZERO_USD } from '../base/money.ts'
import type { Price } from '../domain/catalog.ts'
import { chargeForUsage } from '../domain/price.ts'
import type { RequestCount, RequestEntry } from '../store/request-detail.ts'
import type { RequestRecord } from '../store/request-list.ts'

/** One figure that was booked, beside the same worked out again. Dollars as exact text. */
export interface ChargeCheck {
  /** `cost`, `charged`, `counted in weekly`, `from the balance`, `to revenue`, `written off`. */
  readonly what: string
  readonly booked: string
  /** Null where it cannot be worked out, because the price is not on record. */
  readonly recomputed: string | null
  readonly same: boolean
}

export interface Verdict {
  readonly checks: readonly ChargeCheck[]
  /** `OK` when each is the same. */
  readonly verdict: 'OK' | 'DIFFERENT'
}

export interface ChargeEvidence {
  readonly record: RequestRecord
  /** Null where the request names no price, or one that is not on record. */
  readonly price: Price | null
  readonly counts: readonly RequestCount[]
  /** The legs of the transfer that settled it; none where no money moved. */
  readonly settlement: readonly RequestEntry[]
}

/** Null while the request is under way. */
export function checkCharge(evidence: ChargeEvidence): Verdict | null {
  const { record, counts, settlement } = evidence
  if (record.cost === null || record.charged === null) return null
  const cost = costOf(evidence)
  const charged = cost === null ? null : minUsd(cost, record.hold)
  const lost = cost === null || charged === null ? null : subtractUsd(cost, charged)
  const checks = [compare('cost', record.cost, cost), compare('charged', record.charged, charged)]
  for (const count of counts)
    checks.push(compare(`counted in ${count.name}`, count.counted, countOf(count, record, charged)))
  const isPaid = record.funding === 'balance'
  const posted = (account: string): NanoUsd =>
    settlement
      .filter((entry) => entry.account === account)
      .reduce<NanoUsd>((sum, { amount }) => addUsd(sum, amount), ZERO_USD)
  checks.push(
    compare('from the balance', nanoUsd(-posted('balance')), isPaid ? charged : ZERO_USD),
    compare('to revenue', posted('usage_revenue'), isPaid ? cost : ZERO_USD),
    compare('written off', nanoUsd(-posted('write_off')), isPaid ? lost : ZERO_USD),
  )
  return { checks, verdict: checks.every(({ same }) => same) ? 'OK' : 'DIFFERENT' }
}

function costOf({ record, price }: ChargeEvidence): NanoUsd | null {
  if (record.state === 'released' || record.funding === 'free' || record.priceVersion === null) return ZERO_USD
  return price === null ? null : chargeForUsage(price, record.usage)
}

/** The windows of a plan count by the model's weight, caps the charge as it is. */
function countOf(count: RequestCount, record: RequestRecord, charged: NanoUsd | null): NanoUsd | null {
  return charged !== null && count.scope === 'seat' ? weighUsd(charged, record.weightPpm) : charged
}

function compare(what: string, booked: NanoUsd, recomputed: NanoUsd | null): ChargeCheck {
  return {
    what,
    booked: formatUsd(booked),
    recomputed: recomputed === null ? null : formatUsd(recomputed),
    same: booked === recomputed,
  }
}
