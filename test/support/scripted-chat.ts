/**
 * Writes scripted answers as OpenAI Chat Completions, in the form that captured reasoning vendors share: a role chunk,
 * `reasoning_content`, content, tool calls one after the other by index, the finish chunk, a chunk with only usage.
 */
import type { Usage } from '../../src/base/usage.ts'
import { piecesOf, SCRIPTED_OVERLOAD, type ScriptedAnswer, type ScriptedCall } from './scripted-answer.ts'

/** The events of a stream, terminal ones included. */
export function chatEvents(answer: ScriptedAnswer, model: string, usageAsked: boolean): string[] {
  const chunk = (choices: unknown[], more: object = {}) =>
    event({ id: answer.id, object: 'chat.completion.chunk', created: 1_790_000_000, model, choices, ...more })
  const delta = (content: object) => chunk([{ index: 0, delta: content, finish_reason: null }])
  return [
    delta({ role: 'assistant', content: '' }),
    ...piecesOf(answer.reasoning).map((piece) => delta({ reasoning_content: piece })),
    ...piecesOf(answer.text).map((piece) => delta({ content: piece })),
    ...answer.calls.flatMap((call, index) => callDeltas(call, index).map((part) => delta({ tool_calls: [part] }))),
    chunk([{ index: 0, delta: {}, finish_reason: finishOf(answer) }]),
    ...(usageAsked ? [chunk([], { usage: chatUsage(answer.usage) })] : []),
    'data: [DONE]\n\n',
  ]
}

/** The answer in one piece. */
export function chatBody(answer: ScriptedAnswer, model: string): object {
  const calls = answer.calls.map((call) => ({ id: call.id, type: 'function', function: functionOf(call) }))
  const message = {
    role: 'assistant',
    content: answer.text,
    ...(answer.reasoning === '' ? {} : { reasoning_content: answer.reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  }
  return {
    id: answer.id,
    object: 'chat.completion',
    created: 1_790_000_000,
    model,
    choices: [{ index: 0, message, finish_reason: finishOf(answer) }],
    usage: chatUsage(answer.usage),
  }
}

export function chatErrorEvent(): string {
  return event({ error: { message: SCRIPTED_OVERLOAD, type: 'server_error', param: null, code: null } })
}

function event(payload: object): string {
  return `data: ${JSON.stringify(payload)}\n\n`
}

function finishOf(answer: ScriptedAnswer): string {
  return answer.calls.length > 0 ? 'tool_calls' : 'stop'
}

function functionOf(call: ScriptedCall): { name: string; arguments: string } {
  return { name: call.name, arguments: JSON.stringify(call.arguments) }
}

function callDeltas(call: ScriptedCall, index: number): object[] {
  const { name, arguments: json } = functionOf(call)
  return [
    { index, id: call.id, type: 'function', function: { name, arguments: '' } },
    ...piecesOf(json).map((piece) => ({ index, function: { arguments: piece } })),
  ]
}

/** The prompt count of this protocol includes what was cached. Caches are not written to. */
function chatUsage(usage: Usage): object {
  const prompt = usage.input + usage.cachedRead
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.output,
    total_tokens: prompt + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cachedRead },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  }
}
