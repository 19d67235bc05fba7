/** Ends of requests that nobody answers for any more: their holds are given back, and nothing is charged. */
import { ZERO_USD } from '../base/money.ts'
import { NO_USAGE } from '../base/usage.ts'
import { CHARGE_POLICY_VERSION, type Outcome } from '../domain/charge-policy.ts'
import type { RequestEnd } from '../store/request.ts'
import type { EndCommand, HoldCommand, Holding, HoldResult } from './command.ts'

const FAULT: Outcome = 'operator_fault'

/** `endedBy`: who decides that it is over. */
export function releaseOf(holding: Holding, endedBy: string, nowMs: number): EndCommand {
  const end: RequestEnd = {
    id: holding.requestId,
    endedBy,
    state: 'released',
    cost: ZERO_USD,
    charged: ZERO_USD,
    outcome: FAULT,
    policyVersion: CHARGE_POLICY_VERSION,
    estimated: false,
    status: null,
    errorCode: 'internal',
    provider: null,
    upstreamId: null,
    upstreamProtocol: null,
    warnings: null,
    attempts: [],
    usage: NO_USAGE,
    firstByteAtMs: null,
    endedAtMs: nowMs,
  }
  return { kind: 'end', holding, end }
}

export function holdingOf({ request }: HoldCommand, result: Extract<HoldResult, { ok: true }>): Holding {
  return {
    requestId: request.id,
    workspaceId: request.workspaceId,
    accountId: request.accountId,
    funding: result.funding,
    weightPpm: request.weightPpm,
    meters: result.meters,
  }
}

/** A hold that was written after its request had been refused. */
export function abandonedEnd(command: HoldCommand, result: Extract<HoldResult, { ok: true }>): EndCommand {
  return releaseOf(holdingOf(command, result), command.request.nodeId, command.request.createdAtMs)
}
