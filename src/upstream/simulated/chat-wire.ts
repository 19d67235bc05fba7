/** Writes OpenAI Chat replies as OpenAI frames them (https://platform.openai.com/docs/api-reference/chat/streaming). */
import { promptTokens, type Usage } from '../../base/usage.ts'
import type { Answer } from './answer.ts'
import type { FailureKind, SimulatedFailure } from './failure.ts'
import { type Reply, serialText, type Wire } from './wire.ts'

const errors: Readonly<Record<FailureKind, { status: number; type: string; code: string | null }>> = {
  invalid_request: { status: 400, type: 'invalid_request_error', code: null },
  unknown_model: { status: 404, type: 'invalid_request_error', code: 'model_not_found' },
  unknown_route: { status: 404, type: 'invalid_request_error', code: null },
  method_not_allowed: { status: 405, type: 'invalid_request_error', code: null },
  body_too_large: { status: 413, type: 'invalid_request_error', code: null },
  rate_limited: { status: 429, type: 'requests', code: 'rate_limit_exceeded' },
  internal: { status: 500, type: 'server_error', code: null },
  overloaded: { status: 503, type: 'server_error', code: null },
}

const finishReasons: Readonly<Record<Answer['finish'], string>> = {
  stop: 'stop',
  length: 'length',
  tool_call: 'tool_calls',
}

export const chatWire: Wire = {
  requestIdHeader: 'x-request-id',
  opening: (reply) => chunk(reply, openingDelta(reply)),
  delta: (reply, index) => chunk(reply, pieceDelta(reply, reply.answer.deltas[index] ?? '')),
  closing: (reply) => `${chunk(reply, {}, finishReasons[reply.answer.finish])}${usageChunk(reply)}data: [DONE]\n\n`,
  failing: (failure) => event(errorBody(failure)),
  whole,
  error: (failure) => ({ status: errors[failure.kind].status, body: errorBody(failure) }),
}

function openingDelta(reply: Reply): unknown {
  const { toolName } = reply.answer
  if (toolName === null) return { role: 'assistant', content: '', refusal: null }
  const start = { index: 0, id: callId(reply), type: 'function', function: { name: toolName, arguments: '' } }
  return { role: 'assistant', content: null, tool_calls: [start], refusal: null }
}

function pieceDelta(reply: Reply, piece: string): unknown {
  if (reply.answer.toolName === null) return { content: piece }
  return { tool_calls: [{ index: 0, function: { arguments: piece } }] }
}

function chunk(reply: Reply, delta: unknown, finishReason: string | null = null): string {
  const choice = { index: 0, delta, logprobs: null, finish_reason: finishReason }
  return event({ ...chunkHead(reply), choices: [choice], ...(sendsUsage(reply) ? { usage: null } : {}) })
}

function usageChunk(reply: Reply): string {
  if (!sendsUsage(reply)) return ''
  return event({ ...chunkHead(reply), choices: [], usage: usageBody(reply.usage) })
}

function sendsUsage(reply: Reply): reply is Reply & { usage: Usage } {
  return reply.usageAsked && reply.usage !== null
}

function chunkHead(reply: Reply): object {
  return head(reply, 'chat.completion.chunk')
}

function head(reply: Reply, object: string): object {
  return {
    id: `chatcmpl-${serialText(reply.serial)}`,
    object,
    created: reply.createdSeconds,
    model: reply.model,
    service_tier: 'default',
    system_fingerprint: 'fp_simulated',
  }
}

function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`
}

function whole(reply: Reply): unknown {
  const { answer, usage } = reply
  const text = answer.deltas.join('')
  const call = { id: callId(reply), type: 'function', function: { name: answer.toolName, arguments: text } }
  const said = answer.toolName === null ? { content: text } : { content: null, tool_calls: [call] }
  const message = { role: 'assistant', ...said, refusal: null, annotations: [] }
  const choice = { index: 0, message, logprobs: null, finish_reason: finishReasons[answer.finish] }
  return {
    ...head(reply, 'chat.completion'),
    choices: [choice],
    ...(usage === null ? {} : { usage: usageBody(usage) }),
  }
}

function callId(reply: Reply): string {
  return `call_${serialText(reply.serial)}`
}

/** The prompt count includes what was read from the cache, as at OpenAI. */
function usageBody(usage: Usage): unknown {
  const prompt = promptTokens(usage)
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.output,
    total_tokens: prompt + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cachedRead, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

function errorBody(failure: SimulatedFailure): unknown {
  const { type, code } = errors[failure.kind]
  return { error: { message: failure.message, type, param: failure.param, code } }
}
