/** Writes a request for an upstream that does not speak its client's protocol. */
import type { Protocol } from '../base/words.ts'
import type { EncodedRequest, UpstreamTarget } from './codec.ts'
import { codecOf } from './codecs.ts'
import type { IrRequest } from './ir/request.ts'
import { smallestCap } from './output-cap.ts'
import { legaliseToolNames } from './translation/legal-names.ts'
import { refuseVendorState } from './translation/vendor-state.ts'

/**
 * `cap`: output tokens of one answer at most, where less can be paid for than was asked for; null: as asked.
 * @throws AppError unsupported_feature
 */
export function translateRequest(
  request: IrRequest,
  to: Protocol,
  target: UpstreamTarget,
  cap: number | null = null,
): EncodedRequest {
  refuseVendorState(request)
  const { request: legal } = legaliseToolNames(request)
  return codecOf(to).encodeRequest(cap === null ? legal : capped(legal, cap), target)
}

/** A cap of nothing is none. */
function capped(request: IrRequest, cap: number): IrRequest {
  const { maxOutput } = request
  return { ...request, maxOutput: maxOutput === null || maxOutput <= 0 ? cap : Math.min(maxOutput, cap) }
}

/**
 * The lowest `cap` with which the upstream takes the request, in tokens; `body` is what it is written as without one. A
 * budget that was made of an effort is made smaller with the cap by the writer of Messages; a client's own is not.
 */
export function smallestTranslatedCap(request: IrRequest, to: Protocol, body: Buffer): number {
  const isFitted = to === 'anthropic-messages' && request.reasoning?.budget === undefined
  return isFitted ? 1 : smallestCap(to, body)
}
