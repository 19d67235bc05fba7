/**
 * A strict OpenAI Responses upstream: its answers. Its rules are in `responses-rules.ts`.
 *
 * Sources: OpenAI "Create a model response", "Streaming events", "Reasoning models"; order and members as captured.
 */
import type { Usage } from '../../../src/base/usage.ts'
import { asObject } from '../../../src/protocol/wire-value.ts'
import { checkResponses, type MintedItems } from './responses-rules.ts'
import type { AnswerContext, Refusal, StrictDialect } from './server.ts'
import { finishOf, piecesOf, type StrictTurn, TURN_USAGE, UPSTREAM_ERROR_TEXT } from './turn.ts'

export function strictResponses(): StrictDialect {
  const minted: MintedItems = { reasoningOf: new Map() }
  return {
    protocol: 'openai-responses',
    basePath: '/v1',
    route: (path, _query, body) =>
      path === '/v1/responses' ? { model: String(body.model), stream: body.stream === true } : null,
    check: ({ headers, body }, mint) => checkResponses(headers, body, mint, minted),
    frames: (turn, context) => frames(turn, context, itemsOf(turn, context, minted)),
    body: (turn, context) =>
      responseOf(
        turn,
        context,
        itemsOf(turn, context, minted).map(({ whole }) => whole),
      ),
    errorBody: ({ status, message, path, code }: Refusal) => ({
      error: {
        message,
        type: status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error',
        param: path || null,
        code,
      },
    }),
    errorFrames: (serial) => {
      const error = { code: 'server_error', message: UPSTREAM_ERROR_TEXT }
      const response = {
        id: `resp_strict${serial}`,
        object: 'response',
        status: 'failed',
        error,
        output: [],
        usage: null,
      }
      return [frame('error', 9000, { ...error, param: null }), frame('response.failed', 9001, { response })]
    },
  }
}

interface WireItem {
  readonly whole: Readonly<Record<string, unknown>>
  readonly start: object
  /** Between `output_item.added` and `output_item.done`. */
  readonly inner: readonly (readonly [string, object])[]
}

function itemsOf(turn: StrictTurn, context: AnswerContext, minted: MintedItems): WireItem[] {
  const { serial } = context
  const items: WireItem[] = []
  const reasoningId = `rs_strict${serial}`
  if (turn.reasoning !== undefined) items.push(reasoningItem(reasoningId, turn.reasoning, context))
  if (turn.text !== undefined) items.push(messageItem(`msg_strict${serial}`, turn))
  turn.calls?.forEach((call, i) => {
    const id = `fc_strict${serial}_${i}`
    const json = JSON.stringify(call.arguments)
    const whole = { id, type: 'function_call', call_id: call.id, name: call.name }
    items.push({
      whole: { ...whole, arguments: json, status: 'completed' },
      start: { ...whole, arguments: '', status: 'in_progress' },
      inner: [
        ...piecesOf(json).map((delta) => ['response.function_call_arguments.delta', { item_id: id, delta }] as const),
        ['response.function_call_arguments.done', { item_id: id, arguments: json }],
      ],
    })
  })
  const [first, follower] = items
  if (first?.whole.type === 'reasoning' && follower) minted.reasoningOf.set(String(follower.whole.id), reasoningId)
  return items
}

function reasoningItem(id: string, reasoning: string, { request, mint }: AnswerContext): WireItem {
  const include = Array.isArray(request.body.include) ? request.body.include : []
  const sealed = include.includes('reasoning.encrypted_content') ? { encrypted_content: mint.sign(id) } : {}
  const hasSummary = typeof asObject(request.body.reasoning)?.summary === 'string'
  const summary = hasSummary ? [{ type: 'summary_text', text: reasoning }] : []
  const at = { item_id: id, summary_index: 0 }
  const inner: (readonly [string, object])[] = hasSummary
    ? [
        ['response.reasoning_summary_part.added', { ...at, part: { type: 'summary_text', text: '' } }],
        ...piecesOf(reasoning).map((delta) => ['response.reasoning_summary_text.delta', { ...at, delta }] as const),
        ['response.reasoning_summary_text.done', { ...at, text: reasoning }],
        ['response.reasoning_summary_part.done', { ...at, part: { type: 'summary_text', text: reasoning } }],
      ]
    : []
  // What `output_item.added` has in its place is another value, and good for nothing.
  const early = 'encrypted_content' in sealed ? { encrypted_content: 'bm90IHRoaXMgb25l' } : {}
  return {
    whole: { id, type: 'reasoning', summary, ...sealed },
    start: { id, type: 'reasoning', summary: [], ...early },
    inner,
  }
}

function messageItem(id: string, turn: StrictTurn): WireItem {
  const text = turn.text ?? ''
  const isRefusal = turn.finish === 'refusal'
  const part = (value: string): object =>
    isRefusal
      ? { type: 'refusal', refusal: value }
      : { type: 'output_text', text: value, annotations: [], logprobs: [] }
  const at = { item_id: id, content_index: 0 }
  const word = isRefusal ? 'refusal' : 'output_text'
  const whole = { id, type: 'message', role: 'assistant' }
  return {
    whole: { ...whole, status: turn.finish === 'length' ? 'incomplete' : 'completed', content: [part(text)] },
    start: { ...whole, status: 'in_progress', content: [] },
    inner: [
      ['response.content_part.added', { ...at, part: part('') }],
      ...piecesOf(text).map((delta) => [`response.${word}.delta`, { ...at, delta, logprobs: [] }] as const),
      [`response.${word}.done`, { ...at, [isRefusal ? 'refusal' : 'text']: text, logprobs: [] }],
      ['response.content_part.done', { ...at, part: part(text) }],
    ],
  }
}

function frames(turn: StrictTurn, context: AnswerContext, items: readonly WireItem[]): string[] {
  const started = { ...responseOf(turn, context, []), status: 'in_progress', incomplete_details: null, usage: null }
  const done = responseOf(
    turn,
    context,
    items.map(({ whole }) => whole),
  )
  const events: (readonly [string, object])[] = [
    ['response.created', { response: started }],
    ['response.in_progress', { response: started }],
    ...items.flatMap(({ whole, start, inner }, output_index): (readonly [string, object])[] => [
      ['response.output_item.added', { output_index, item: start }],
      ...inner.map(([type, members]) => [type, { output_index, ...members }] as const),
      ['response.output_item.done', { output_index, item: whole }],
    ]),
    [`response.${done.status}`, { response: done }],
  ]
  return events.map(([type, members], number) => frame(type, number, members))
}

function frame(type: string, sequence_number: number, members: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number, ...members })}\n\n`
}

function responseOf(turn: StrictTurn, { request, serial }: AnswerContext, output: readonly object[]) {
  const { body } = request
  const isCut = finishOf(turn) === 'length'
  return {
    id: `resp_strict${serial}`,
    object: 'response',
    created_at: 1_790_000_000,
    status: isCut ? 'incomplete' : 'completed',
    background: false,
    error: null,
    incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: request.model,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: body.store ?? true,
    temperature: 1,
    text: body.text ?? { format: { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: 1,
    truncation: 'disabled',
    usage: wireUsage(turn.usage ?? TURN_USAGE),
    metadata: {},
  }
}

/** The prompt count includes what was cached. */
function wireUsage(usage: Usage): object {
  const input = usage.input + usage.cachedRead + usage.cacheWrite5m + usage.cacheWrite1h
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cachedRead },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: input + usage.output,
  }
}
