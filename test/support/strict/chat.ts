/**
 * A strict Chat Completions upstream, as a compatible vendor or as OpenAI itself: its answers. Its rules are in
 * `chat-rules.ts`.
 *
 * Sources: OpenAI "Create chat completion" and its stream events; DeepSeek "Thinking mode"; order as captured.
 */
import type { Usage } from '../../../src/base/usage.ts'
import { asObject } from '../../../src/protocol/wire-value.ts'
import { type ChatOptions, checkChat } from './chat-rules.ts'
import type { AnswerContext, Refusal, StrictDialect } from './server.ts'
import {
  finishOf,
  piecesOf,
  type StrictCall,
  type StrictTurn,
  TURN_USAGE,
  type TurnFinish,
  UPSTREAM_ERROR_TEXT,
} from './turn.ts'

const FINISHES: Readonly<Record<TurnFinish, string>> = {
  stop: 'stop',
  length: 'length',
  refusal: 'stop',
  tool_calls: 'tool_calls',
}

const CREATED = 1_790_000_000

export function strictChat(options: ChatOptions = {}): StrictDialect {
  /** What the model thought before it made a call, by the call's id. */
  const thoughts = new Map<string, string>()
  const remember = (turn: StrictTurn): void => {
    for (const { id } of turn.calls ?? []) thoughts.set(id, reasoningOf(turn, options))
  }
  return {
    protocol: 'openai-chat',
    basePath: '/v1',
    route: (path, _query, body) =>
      path === '/v1/chat/completions' ? { model: String(body.model), stream: body.stream === true } : null,
    check: ({ headers, body }) => checkChat(headers, body, options, thoughts),
    frames(turn, context) {
      remember(turn)
      return frames(turn, context, options)
    },
    body(turn, context) {
      remember(turn)
      return wholeBody(turn, context, options)
    },
    errorBody: ({ status, message, path, code }: Refusal) => ({
      error: {
        message,
        type: status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error',
        param: path || null,
        code,
      },
    }),
    errorFrames: () => [
      event({ error: { message: UPSTREAM_ERROR_TEXT, type: 'server_error', param: null, code: null } }),
    ],
  }
}

function reasoningOf(turn: StrictTurn, options: ChatOptions): string {
  return options.reasoningField === 'none' ? '' : (turn.reasoning ?? '')
}

function frames(turn: StrictTurn, { request, serial }: AnswerContext, options: ChatOptions): string[] {
  const field = options.reasoningField ?? 'reasoning_content'
  const chunk = (choices: unknown[], more: object = {}): string =>
    event({
      id: `chatcmpl-strict${serial}`,
      object: 'chat.completion.chunk',
      created: CREATED,
      model: request.model,
      choices,
      ...more,
    })
  const delta = (content: object): string => chunk([{ index: 0, delta: content, finish_reason: null }])
  const textField = turn.finish === 'refusal' ? 'refusal' : 'content'
  const asksUsage = asObject(request.body.stream_options)?.include_usage === true
  return [
    delta({ role: 'assistant', content: '' }),
    ...piecesOf(reasoningOf(turn, options)).map((piece) => delta({ [field]: piece })),
    ...piecesOf(turn.text ?? '').map((piece) => delta({ [textField]: piece })),
    ...(turn.calls ?? []).flatMap((call, index) =>
      callDeltas(call, index).map((part) => delta({ tool_calls: [part] })),
    ),
    chunk([{ index: 0, delta: {}, finish_reason: FINISHES[finishOf(turn)] }]),
    ...(asksUsage ? [chunk([], { usage: wireUsage(turn.usage ?? TURN_USAGE) })] : []),
    'data: [DONE]\n\n',
  ]
}

function wholeBody(turn: StrictTurn, { request, serial }: AnswerContext, options: ChatOptions): object {
  const calls = (turn.calls ?? []).map((call) => ({ id: call.id, type: 'function', function: functionOf(call) }))
  const reasoning = reasoningOf(turn, options)
  const isRefusal = turn.finish === 'refusal'
  const message = {
    role: 'assistant',
    content: isRefusal ? null : (turn.text ?? null),
    refusal: isRefusal ? (turn.text ?? '') : null,
    ...(reasoning === '' ? {} : { [options.reasoningField ?? 'reasoning_content']: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  }
  return {
    id: `chatcmpl-strict${serial}`,
    object: 'chat.completion',
    created: CREATED,
    model: request.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: FINISHES[finishOf(turn)] }],
    usage: wireUsage(turn.usage ?? TURN_USAGE),
  }
}

function event(payload: object): string {
  return `data: ${JSON.stringify(payload)}\n\n`
}

function functionOf(call: StrictCall): { name: string; arguments: string } {
  return { name: call.name, arguments: JSON.stringify(call.arguments) }
}

function callDeltas(call: StrictCall, index: number): object[] {
  const { name, arguments: json } = functionOf(call)
  return [
    { index, id: call.id, type: 'function', function: { name, arguments: '' } },
    ...piecesOf(json).map((piece) => ({ index, function: { arguments: piece } })),
  ]
}

/** The prompt count includes what was cached, and writes are not counted apart. */
function wireUsage(usage: Usage): object {
  const prompt = usage.input + usage.cachedRead + usage.cacheWrite5m + usage.cacheWrite1h
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.output,
    total_tokens: prompt + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cachedRead },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  }
}
