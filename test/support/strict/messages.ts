/**
 * A strict Anthropic Messages upstream: its answers. Its rules are in `messages-rules.ts`.
 *
 * Sources: Anthropic "Messages", "Streaming messages", "Extended thinking", "Errors"; order and members as captured.
 */
import type { Usage } from '../../../src/base/usage.ts'
import { checkMessages, type MessagesOptions } from './messages-rules.ts'
import type { AnswerContext, Refusal, StrictDialect } from './server.ts'
import { finishOf, piecesOf, type StrictTurn, TURN_USAGE, type TurnFinish, UPSTREAM_ERROR_TEXT } from './turn.ts'

const STOP_REASONS: Readonly<Record<TurnFinish, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  refusal: 'refusal',
  tool_calls: 'tool_use',
}

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}

export function strictMessages(options: MessagesOptions = {}): StrictDialect {
  return {
    protocol: 'anthropic-messages',
    basePath: '/v1',
    route: (path, _query, body) =>
      path === '/v1/messages' ? { model: String(body.model), stream: body.stream === true } : null,
    check: (request, mint) => checkMessages(request, mint, options),
    frames,
    body: wholeBody,
    errorBody: ({ status, message }: Refusal) => ({
      type: 'error',
      error: { type: ERROR_TYPES[status] ?? 'api_error', message },
      request_id: 'req_strict',
    }),
    errorFrames: () => [
      frame('error', { error: { details: null, type: 'overloaded_error', message: UPSTREAM_ERROR_TEXT } }),
    ],
  }
}

function frames(turn: StrictTurn, context: AnswerContext): string[] {
  const usage = wireUsage(turn.usage ?? TURN_USAGE)
  const message = { ...head(context), content: [], stop_reason: null, stop_sequence: null }
  return [
    frame('message_start', { message: { ...message, usage: { ...usage, output_tokens: 1 } } }),
    frame('ping'),
    ...blocksOf(turn, context).flatMap(({ start, deltas }, index) => [
      frame('content_block_start', { index, content_block: start }),
      ...deltas.map((delta) => frame('content_block_delta', { index, delta })),
      frame('content_block_stop', { index }),
    ]),
    frame('message_delta', { delta: { stop_reason: STOP_REASONS[finishOf(turn)], stop_sequence: null }, usage }),
    frame('message_stop'),
  ]
}

function wholeBody(turn: StrictTurn, context: AnswerContext): object {
  return {
    ...head(context),
    content: blocksOf(turn, context).map(({ whole }) => whole),
    stop_reason: STOP_REASONS[finishOf(turn)],
    stop_sequence: null,
    usage: wireUsage(turn.usage ?? TURN_USAGE),
  }
}

function frame(type: string, members: object = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`
}

function head({ request, serial }: AnswerContext): object {
  return { id: `msg_strict${serial}`, type: 'message', role: 'assistant', model: request.model }
}

interface WireBlock {
  readonly whole: object
  readonly start: object
  readonly deltas: readonly object[]
}

function blocksOf(turn: StrictTurn, context: AnswerContext): WireBlock[] {
  const blocks: WireBlock[] = []
  const thinks = isThinking(context)
  if (thinks && turn.isRedacted) blocks.push(redactedBlock(context))
  if (thinks && turn.reasoning !== undefined) blocks.push(thinkingBlock(turn.reasoning, context))
  if (turn.text !== undefined) blocks.push(textBlock(turn.text))
  for (const { id, name, arguments: input } of turn.calls ?? []) {
    const pieces = ['', ...piecesOf(Object.keys(input).length === 0 ? '' : JSON.stringify(input))]
    blocks.push({
      whole: { type: 'tool_use', id, name, input },
      start: { type: 'tool_use', id, name, input: {} },
      deltas: pieces.map((partial_json) => ({ type: 'input_json_delta', partial_json })),
    })
  }
  return blocks
}

/** A model that was not asked to think gives no thoughts. */
function isThinking({ request }: AnswerContext): boolean {
  const thinking = request.body.thinking as { type?: unknown } | undefined
  return thinking?.type === 'enabled' || thinking?.type === 'adaptive'
}

function thinkingBlock(thinking: string, { mint }: AnswerContext): WireBlock {
  const signature = mint.sign(thinking)
  return {
    whole: { type: 'thinking', thinking, signature },
    start: { type: 'thinking', thinking: '', signature: '' },
    deltas: [
      ...piecesOf(thinking).map((piece) => ({ type: 'thinking_delta', thinking: piece })),
      { type: 'signature_delta', signature },
    ],
  }
}

function redactedBlock({ mint, serial }: AnswerContext): WireBlock {
  const block = { type: 'redacted_thinking', data: mint.sign(`redacted ${serial}`) }
  return { whole: block, start: block, deltas: [] }
}

function textBlock(text: string): WireBlock {
  return {
    whole: { type: 'text', text },
    start: { type: 'text', text: '' },
    deltas: piecesOf(text).map((piece) => ({ type: 'text_delta', text: piece })),
  }
}

/** The prompt count leaves out what was read from or written to a cache. */
function wireUsage(usage: Usage): object {
  return {
    input_tokens: usage.input,
    cache_read_input_tokens: usage.cachedRead,
    cache_creation_input_tokens: usage.cacheWrite5m + usage.cacheWrite1h,
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cacheWrite5m,
      ephemeral_1h_input_tokens: usage.cacheWrite1h,
    },
    output_tokens: usage.output,
    output_tokens_details: { thinking_tokens: usage.reasoning },
  }
}
