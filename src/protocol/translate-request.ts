/** Writes a request for an upstream that does not speak its client's protocol. */
import type { Protocol } from '../base/words.ts'
import type { EncodedRequest, UpstreamTarget } from './codec.ts'
import { codecOf } from './codecs.ts'
import type { IrRequest } from './ir/request.ts'
import { legaliseToolNames } from './translation/legal-names.ts'
import { refuseVendorState } from './translation/vendor-state.ts'

/** @throws AppError unsupported_feature */
export function translateRequest(request: IrRequest, to: Protocol, target: UpstreamTarget): EncodedRequest {
  refuseVendorState(request)
  return codecOf(to).encodeRequest(legaliseToolNames(request).request, target)
}
