/** Writes Anthropic Messages replies as Anthropic frames them (https://docs.anthropic.com/en/api/messages-streaming). */
import type { Usage } from '../../base/usage.ts'
import type { Answer } from './answer.ts'
import type { FailureKind } from './failure.ts'
import { type Reply, serialText, type Wire } from './wire.ts'

const errors: Readonly<Record<FailureKind, { status: number; type: string }>> = {
  invalid_request: { status: 400, type: 'invalid_request_error' },
  unknown_model: { status: 404, type: 'not_found_error' },
  unknown_route: { status: 404, type: 'not_found_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  body_too_large: { status: 413, type: 'request_too_large' },
  rate_limited: { status: 429, type: 'rate_limit_error' },
  internal: { status: 500, type: 'api_error' },
  overloaded: { status: 529, type: 'overloaded_error' },
}

const stopReasons: Readonly<Record<Answer['finish'], string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_call: 'tool_use',
}

const NO_ARGUMENTS = '{}'
/** What a message has generated when it starts. */
const FIRST_OUTPUT_TOKENS = 1
const PING = 'event: ping\ndata: {"type": "ping"}\n\n'

export const messagesWire: Wire = {
  requestIdHeader: 'request-id',
  opening,
  delta: (reply, index) => pieceEvent(reply, reply.answer.deltas[index] ?? ''),
  closing,
  failing: ({ kind, message }) => event('error', { error: { details: null, type: errors[kind].type, message } }),
  whole,
  error: ({ kind, message }, requestId) => ({
    status: errors[kind].status,
    body: { type: 'error', error: { type: errors[kind].type, message }, request_id: requestId },
  }),
}

function opening(reply: Reply): string {
  const { usage } = reply
  const message = {
    ...head(reply),
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    ...(usage === null ? {} : { usage: usageBody(usage, FIRST_OUTPUT_TOKENS) }),
  }
  const start = event('content_block_start', { index: 0, content_block: emptyBlock(reply) })
  const emptyInput = reply.answer.toolName === null ? '' : deltaEvent({ type: 'input_json_delta', partial_json: '' })
  return event('message_start', { message }) + start + PING + emptyInput
}

function emptyBlock(reply: Reply): unknown {
  const { toolName } = reply.answer
  return toolName === null
    ? { type: 'text', text: '' }
    : { type: 'tool_use', id: callId(reply), name: toolName, input: {} }
}

function pieceEvent(reply: Reply, piece: string): string {
  if (reply.answer.toolName === null) return deltaEvent({ type: 'text_delta', text: piece })
  // A call without arguments is only the empty delta that every call begins with.
  return piece === NO_ARGUMENTS ? '' : deltaEvent({ type: 'input_json_delta', partial_json: piece })
}

function deltaEvent(delta: unknown): string {
  return event('content_block_delta', { index: 0, delta })
}

function closing(reply: Reply): string {
  const { answer, usage } = reply
  const stopped = {
    delta: { stop_reason: stopReasons[answer.finish], stop_sequence: null, stop_details: null },
    ...(usage === null ? {} : { usage: cumulativeUsage(usage) }),
  }
  return event('content_block_stop', { index: 0 }) + event('message_delta', stopped) + event('message_stop', {})
}

function event(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
}

function head(reply: Reply): object {
  return { model: reply.model, id: `msg_${serialText(reply.serial)}`, type: 'message', role: 'assistant' }
}

function callId(reply: Reply): string {
  return `toolu_${serialText(reply.serial)}`
}

function whole(reply: Reply): unknown {
  const { answer, usage } = reply
  return {
    ...head(reply),
    content: [finishedBlock(reply)],
    stop_reason: stopReasons[answer.finish],
    stop_sequence: null,
    stop_details: null,
    ...(usage === null ? {} : { usage: usageBody(usage, usage.output) }),
  }
}

function finishedBlock(reply: Reply): object {
  const { toolName, deltas, finish } = reply.answer
  const text = deltas.join('')
  if (toolName === null) return { type: 'text', text }
  // Arguments that the token limit cut are no JSON, and this form can only carry an object.
  const input = finish === 'length' ? {} : JSON.parse(text)
  return { type: 'tool_use', id: callId(reply), name: toolName, input }
}

/** The three input counters are disjoint, as at Anthropic. */
function inputCounters(usage: Usage): object {
  return {
    input_tokens: usage.input,
    cache_creation_input_tokens: usage.cacheWrite5m + usage.cacheWrite1h,
    cache_read_input_tokens: usage.cachedRead,
  }
}

function usageBody(usage: Usage, outputTokens: number): unknown {
  return {
    ...inputCounters(usage),
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cacheWrite5m,
      ephemeral_1h_input_tokens: usage.cacheWrite1h,
    },
    output_tokens: outputTokens,
    service_tier: 'standard',
  }
}

function cumulativeUsage(usage: Usage): unknown {
  return { ...inputCounters(usage), output_tokens: usage.output }
}
