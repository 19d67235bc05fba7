/** What a request refers to that only its own vendor has kept: another cannot answer it at all, so it is refused. */
import { AppError } from '../../base/errors.ts'
import type { IrRequest } from '../ir/request.ts'
import { storedStateParam } from '../openai-responses/stored-state.ts'

/** @throws AppError unsupported_feature with the field as `param` */
export function refuseVendorState(request: IrRequest): void {
  const param = vendorStateParam(request)
  if (param === null) return
  throw new AppError(
    'unsupported_feature',
    `"${param}" refers to what another vendor has kept, which this model cannot read. Send the content itself.`,
    { param },
  )
}

function vendorStateParam({ source, raw, messages }: IrRequest): string | null {
  if (source === 'openai-responses') return storedStateParam(raw, messages)
  return source === 'google-generate' && raw.cachedContent !== undefined ? 'cachedContent' : null
}
