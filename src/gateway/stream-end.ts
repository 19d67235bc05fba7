/** How a streamed answer that failed is ended: told in-band, and never so that it looks complete. */
import type { AppError } from '../base/errors.ts'
import type { StreamPosition } from '../protocol/codec.ts'
import { frameText } from '../protocol/frame-text.ts'
import { encodeStreamError } from '../protocol/stream-error.ts'
import type { Exchange } from './exchange.ts'

const AT_START: StreamPosition = { sequence: 0, replyId: null }

/** Writes the protocol's own error event; the head must be out. */
export function writeStreamError(exchange: Exchange, error: AppError, position: StreamPosition = AT_START): void {
  const { gateway, admission, reply, client } = exchange
  const { request, fields } = admission.call
  if (reply.response.writableEnded || reply.response.destroyed) return
  const text = encodeStreamError(request.protocol, error, {
    requestId: request.id,
    nowMs: gateway.clock(),
    model: fields.model,
    position,
    form: request.form,
    hasBegun: client?.hasContent ?? true,
  })
  reply.response.write(frameText(text))
}

/**
 * Ends the client's stream. Google's has no terminal event: the only sign of a failure that all its clients understand
 * is a connection that breaks.
 */
export function endStream({ admission, reply, client }: Exchange, isWhole: boolean): void {
  client?.stop()
  const { response } = reply
  if (response.writableEnded || response.destroyed) return
  if (isWhole || admission.call.request.protocol !== 'google-generate') response.end()
  else response.write('\n', () => setImmediate(() => response.destroy()))
}
