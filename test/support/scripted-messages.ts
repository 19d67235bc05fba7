/**
 * Writes scripted answers as Anthropic Messages, in the order that every captured stream keeps: `message_start` with
 * the prompt's counts, one block after the other, `message_delta` with the final counts, `message_stop`.
 */
import type { Usage } from '../../src/base/usage.ts'
import { piecesOf, SCRIPTED_OVERLOAD, type ScriptedAnswer, type ScriptedCall } from './scripted-answer.ts'

/** Stands for the vendor's signature, which must come back untouched. */
export const SCRIPTED_SIGNATURE = 'c2NyaXB0ZWQtc2lnbmF0dXJl+/=='

/** The events of a stream, the terminal one included. */
export function messagesEvents(answer: ScriptedAnswer, model: string): string[] {
  const usage = messagesUsage(answer.usage)
  const message = { ...head(answer, model), content: [], stop_reason: null, stop_sequence: null }
  return [
    event('message_start', { message: { ...message, usage: { ...usage, output_tokens: 1 } } }),
    event('ping'),
    ...blocksOf(answer).flatMap(({ start, deltas }, index) => [
      event('content_block_start', { index, content_block: start }),
      ...deltas.map((delta) => event('content_block_delta', { index, delta })),
      event('content_block_stop', { index }),
    ]),
    event('message_delta', { delta: { stop_reason: stopReasonOf(answer), stop_sequence: null }, usage }),
    event('message_stop'),
  ]
}

/** The answer in one piece. */
export function messagesBody(answer: ScriptedAnswer, model: string): object {
  return {
    ...head(answer, model),
    content: blocksOf(answer).map(({ whole }) => whole),
    stop_reason: stopReasonOf(answer),
    stop_sequence: null,
    usage: messagesUsage(answer.usage),
  }
}

export function messagesErrorEvent(): string {
  return event('error', { error: { type: 'overloaded_error', message: SCRIPTED_OVERLOAD } })
}

function event(type: string, members: object = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`
}

function head(answer: ScriptedAnswer, model: string): object {
  return { id: answer.id, type: 'message', role: 'assistant', model }
}

function stopReasonOf(answer: ScriptedAnswer): string {
  return answer.calls.length > 0 ? 'tool_use' : 'end_turn'
}

interface Block {
  readonly whole: object
  readonly start: object
  readonly deltas: readonly object[]
}

function blocksOf(answer: ScriptedAnswer): Block[] {
  const blocks: Block[] = []
  if (answer.reasoning !== '') blocks.push(thinkingBlock(answer.reasoning))
  if (answer.text !== '') blocks.push(textBlock(answer.text))
  return [...blocks, ...answer.calls.map(callBlock)]
}

function thinkingBlock(thinking: string): Block {
  const signature = SCRIPTED_SIGNATURE
  return {
    whole: { type: 'thinking', thinking, signature },
    start: { type: 'thinking', thinking: '', signature: '' },
    deltas: [
      ...piecesOf(thinking).map((piece) => ({ type: 'thinking_delta', thinking: piece })),
      { type: 'signature_delta', signature },
    ],
  }
}

function textBlock(text: string): Block {
  return {
    whole: { type: 'text', text },
    start: { type: 'text', text: '' },
    deltas: piecesOf(text).map((piece) => ({ type: 'text_delta', text: piece })),
  }
}

function callBlock({ id, name, arguments: input }: ScriptedCall): Block {
  return {
    whole: { type: 'tool_use', id, name, input },
    start: { type: 'tool_use', id, name, input: {} },
    deltas: ['', ...piecesOf(JSON.stringify(input))].map((piece) => ({
      type: 'input_json_delta',
      partial_json: piece,
    })),
  }
}

/** The prompt count of this protocol leaves out what was read from or written to a cache. */
function messagesUsage(usage: Usage): object {
  return {
    input_tokens: usage.input,
    cache_read_input_tokens: usage.cachedRead,
    cache_creation_input_tokens: usage.cacheWrite5m,
    output_tokens: usage.output,
  }
}
