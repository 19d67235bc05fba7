/** Ends an admitted request: charges what the policy says, or gives the hold back, durably, once. */
import { AppError } from '../base/errors.ts'
import { minUsd, type NanoUsd, ZERO_USD } from '../base/money.ts'
import type { Usage } from '../base/usage.ts'
import type { Protocol } from '../base/words.ts'
import { CHARGE_POLICY_VERSION, chargeableUsage, type Delivery, type Outcome } from '../domain/charge-policy.ts'
import { chargeForUsage } from '../domain/price.ts'
import type { AttemptRecord, RequestEnd } from '../store/request.ts'
import { type Admission, accountFacts } from './admission.ts'
import type { Gateway } from './gateway.ts'

/** How a request ended, as the relay saw it. */
export interface RequestResult {
  readonly outcome: Outcome
  readonly delivery: Delivery
  /** The status sent to the client; null when it had left before one was. */
  readonly status: number | null
  readonly errorCode: string | null
  readonly provider: string | null
  readonly upstreamId: string | null
  /** What was spoken upstream; null when nothing was sent. */
  readonly upstreamProtocol: Protocol | null
  /** What translation changed or dropped; null when nothing. */
  readonly warnings: string | null
  readonly attempts: readonly AttemptRecord[]
  readonly firstByteAtMs: number | null
}

/** What was decided, for headers and logs. */
export interface Settlement {
  readonly charged: NanoUsd
  readonly estimated: boolean
}

/**
 * Resolves once the end is on disk, in the database or in the spill.
 * @throws AppError storage_unavailable when it is in neither, or when the request had been ended by somebody else: the
 * client must then be told that nothing was charged.
 */
export async function settle(gateway: Gateway, admission: Admission, result: RequestResult): Promise<Settlement> {
  const { chargeable, usage, estimated } = chargeableUsage(result.outcome, result.delivery)
  const { price } = admission.call.model
  const cost = chargeable && price ? chargeForUsage(price, usage) : ZERO_USD
  await admission.growing
  if (cost > admission.hold) await growHold(gateway, admission, minUsd(cost, admission.maxHold))
  const charged = minUsd(cost, admission.hold)
  if (cost > charged && admission.holding.funding !== 'byok') reportWriteOff(gateway, admission, cost - charged)
  const end = endOf(gateway, admission, result, { chargeable, usage, estimated, cost, charged })
  const ended = await gateway.ledger.end({
    ...{ kind: 'end', holding: admission.holding, end },
    ...(admission.isUnsure && { knownHold: admission.hold }),
  })
  if (ended.kind === 'late') throw endedElsewhere()
  return { charged: ended.charged, estimated }
}

/**
 * Lets the hold of a request grow, if every limit has room for it. Returns whether it did; the hold is then `to`.
 * One at a time per request.
 */
export function growHold(gateway: Gateway, admission: Admission, to: NanoUsd): Promise<boolean> {
  const { holding, hold } = admission
  if (to <= hold) return Promise.resolve(false)
  admission.growing = gateway.ledger
    .extend({ kind: 'extend', holding, before: hold, after: to, atMs: gateway.clock() })
    .then((grown) => {
      if (grown) admission.hold = to
      else admission.isUnsure = true
      return grown
    })
  return admission.growing
}

function reportWriteOff(gateway: Gateway, { call }: Admission, amount: bigint): void {
  const lost = { requestId: call.request.id, model: call.model.id, nanoUsd: String(amount) }
  gateway.log.warn(lost, 'the upstream used more than was held; the difference is written off')
}

interface Priced {
  readonly chargeable: boolean
  readonly usage: Usage
  readonly estimated: boolean
  /** At list price; more than `charged` when the upstream used more than was held: the operator's loss. */
  readonly cost: NanoUsd
  readonly charged: NanoUsd
}

function endOf(gateway: Gateway, admission: Admission, result: RequestResult, priced: Priced): RequestEnd {
  const { outcome, status, errorCode, provider, upstreamId, upstreamProtocol, warnings, attempts } = result
  const { usage, estimated, cost, charged } = priced
  return {
    id: admission.call.request.id,
    endedBy: admission.nodeId,
    state: priced.chargeable ? 'settled' : 'released',
    cost,
    charged,
    outcome,
    policyVersion: CHARGE_POLICY_VERSION,
    estimated,
    status,
    errorCode,
    provider,
    ...(provider !== null && accountFacts(admission.call, provider)),
    upstreamId,
    upstreamProtocol,
    warnings,
    attempts,
    usage,
    firstByteAtMs: result.firstByteAtMs,
    endedAtMs: gateway.clock(),
  }
}

function endedElsewhere(): AppError {
  return new AppError(
    'storage_unavailable',
    'This process was out of touch for too long, and the request was ended without it; nothing was charged. Please retry.',
    { cause: 'the request had been ended by another process', retryAfterSeconds: 1 },
  )
}
