/**
 * The response object that events and whole replies carry: what was asked, what came of it.
 *
 * Source: OpenAI "The response object" and the Open Responses specification, which says which members must be there.
 */
import type { IrRequest } from '../ir/request.ts'
import { asArray, asObject, asText, type WireObject } from '../wire-value.ts'
import { encodeOwnTools, encodeToolChoice } from './encode-tools.ts'
import { markOf } from './marks.ts'
import { encodeTextFormat } from './text-format.ts'

export interface ResponseState {
  readonly id: string
  readonly createdAtMs: number
  readonly model: string
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed'
  readonly incompleteReason: string | null
  readonly error: WireObject | null
  readonly output: readonly WireObject[]
  readonly usage: WireObject | null
}

/** The members that change while the reply comes in. */
export function responseHead(state: ResponseState): WireObject {
  return {
    id: state.id,
    object: 'response',
    created_at: Math.floor(state.createdAtMs / 1000),
    status: state.status,
    // When it was completed is known to whoever reads the last event.
    completed_at: null,
    error: state.error,
    incomplete_details: state.incompleteReason === null ? null : { reason: state.incompleteReason },
    model: state.model,
    output: state.output,
    usage: state.usage,
  }
}

/** The settings of a request that nobody knows anymore. */
export const DEFAULT_ECHO: WireObject = {
  instructions: null,
  tools: [],
  tool_choice: 'auto',
  parallel_tool_calls: true,
  temperature: 1,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  top_logprobs: 0,
  max_output_tokens: null,
  max_tool_calls: null,
  text: { format: { type: 'text' } },
  reasoning: { effort: null, summary: null },
  truncation: 'disabled',
  service_tier: 'default',
  metadata: {},
  previous_response_id: null,
  background: false,
  // Nothing is kept here to be fetched again, whatever the client asked for.
  store: false,
  prompt_cache_key: null,
  safety_identifier: null,
  user: null,
}

/** The settings of the request, which every response object repeats. */
export function echoOf(request: IrRequest): WireObject {
  const { settings, reasoning, raw } = request
  const reasoningEcho = { effort: reasoning?.effort ?? null, summary: reasoning?.summary ?? null }
  return {
    ...DEFAULT_ECHO,
    instructions: instructionsOf(request),
    tools: encodeOwnTools(request.tools).tools.map(withAllMembers),
    tool_choice: raw.tool_choice ?? encodeToolChoice(request.toolChoice, request.tools) ?? 'auto',
    parallel_tool_calls: request.parallelTools ?? true,
    temperature: settings.temperature ?? 1,
    top_p: settings.topP ?? 1,
    top_logprobs: raw.top_logprobs ?? 0,
    max_output_tokens: request.maxOutput,
    max_tool_calls: raw.max_tool_calls ?? null,
    text: textOf(request),
    reasoning: reasoningEcho,
    truncation: raw.truncation ?? 'disabled',
    metadata: settings.metadata ?? {},
    prompt_cache_key: settings.promptCacheKey ?? null,
    safety_identifier: settings.endUser ?? null,
    user: raw.user ?? null,
  }
}

/** System parts without a mark were `instructions`, the others messages. */
export function instructionsOf({ system }: IrRequest): string | null {
  const texts: string[] = []
  for (const block of system) {
    if (markOf(block.raw).item) break
    texts.push(block.text)
  }
  return texts.length === 0 ? null : texts.join('\n\n')
}

function withAllMembers(tool: WireObject): WireObject {
  if (tool.type !== 'function') return tool
  return { description: null, parameters: null, strict: true, ...tool }
}

function textOf({ format, settings, raw }: IrRequest): WireObject {
  const given = format ? encodeTextFormat(format) : asObject(raw['text.format'])
  const whole = given?.type === 'json_schema' ? { name: 'response', description: null, strict: false, ...given } : given
  return {
    format: whole ?? { type: 'text' },
    ...(settings.verbosity !== undefined && { verbosity: settings.verbosity }),
  }
}

/** Whether the client wants to be given encrypted reasoning, to send it back. */
export function wantsEncryptedReasoning({ raw }: IrRequest): boolean {
  return asArray(raw.include).some((entry) => asText(entry) === 'reasoning.encrypted_content')
}
