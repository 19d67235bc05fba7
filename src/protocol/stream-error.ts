/**
 * Writes an error after the first byte, in the protocol's own form. Nothing may follow it: chat gets no `[DONE]`,
 * messages no `message_stop`, Responses no second terminal event, and Google's connection is cut.
 */
import { type AppError, compatibleTypeOf, errorClassOf } from '../base/errors.ts'
import type { Protocol } from '../base/words.ts'
import type { StreamPosition } from './codec.ts'
import { commonError, type ErrorContext, encodeError } from './errors.ts'
import type { StreamForm } from './event-readers.ts'
import { encodeFailure } from './openai-responses/encode-failure.ts'

export interface StreamErrorContext extends ErrorContext {
  /** As the client named it. */
  readonly model: string
  readonly position: StreamPosition
  readonly form: StreamForm
  /** Whether elements of the array have been sent already. */
  readonly hasBegun: boolean
}

export function encodeStreamError(protocol: Protocol, error: AppError, context: StreamErrorContext): string {
  switch (protocol) {
    case 'openai-chat':
      return `data: ${JSON.stringify({ error: commonError(error, context) })}\n\n`
    case 'anthropic-messages':
      return messagesError(error, context)
    case 'openai-responses':
      return encodeFailure(context.position, {
        message: error.message,
        code: error.upstreamCode ?? error.code,
        type: compatibleTypeOf(error),
        createdAtMs: context.nowMs,
        model: context.model,
        requestId: context.requestId,
      })
    case 'google-generate': {
      const { body } = encodeError(protocol, error, context)
      if (context.form === 'sse') return `data: ${body}\n\n`
      return `${context.hasBegun ? ',' : '['}${body}`
    }
  }
}

function messagesError(error: AppError, context: ErrorContext): string {
  const members = { ...commonError(error, context), type: anthropicType(error) }
  const body = { type: 'error', error: members, request_id: context.requestId }
  return `event: error\ndata: ${JSON.stringify(body)}\n\n`
}

/** In a stream there is no status: AI SDK and Claude Code tell by Anthropic's own type whether to ask again. */
function anthropicType({ code, status }: AppError): string {
  if (code === 'upstream_rejected') return rejectedType(status)
  if (errorClassOf(code).retry === 'never') return 'invalid_request_error'
  if (code === 'rate_limited' || errorClassOf(code).retry === 'at_reset') return 'rate_limit_error'
  return code === 'overloaded' || code === 'shutting_down' ? 'overloaded_error' : 'api_error'
}

/** What was wrong with the request is so at the next try too. */
function rejectedType(status: number): string {
  if (status === 429) return 'rate_limit_error'
  return status < 500 && status !== 408 && status !== 409 && status !== 425 ? 'invalid_request_error' : 'api_error'
}
