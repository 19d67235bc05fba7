/** Whether a recorded answer holds anything for its client, in any choice: text, reasoning, refusal, call, media. */
import type { Case, Family } from './case.ts'
import { splitParts } from './parts.ts'
import { jsonOf } from './sse-blocks.ts'

type Wire = Readonly<Record<string, unknown>>

export function producesOutput({ family, stream, form, body }: Case): boolean {
  if (stream) return splitParts(body, form).some((part) => CARRIERS[family](jsonOf(part) ?? {}).some(carries))
  const whole: unknown = JSON.parse(body.toString('utf8'))
  return [whole].flat().some((wire) => CARRIERS[family](wire as Wire).some(carries))
}

/** The objects of a body or event whose members can be output. */
const CARRIERS: Readonly<Record<Family, (wire: Wire) => unknown[]>> = {
  'openai-chat': ({ choices }) => listOf(choices).flatMap((choice) => [choice.delta, choice.message]),
  'openai-responses': responsesCarriers,
  'anthropic-messages': ({ content, content_block, delta, message }) => [{ content, content_block }, delta, message],
  'google-generate': ({ candidates }) => listOf(candidates).map(({ content }) => content),
}

function responsesCarriers({ type, output, response, item, delta }: Wire): unknown[] {
  const items = [...listOf(output), ...listOf((response as Wire | undefined)?.output), ...(item ? [item as Wire] : [])]
  const shown = items.map(({ id: _id, status: _status, type, ...rest }) =>
    // A message shows what it says; of reasoning nobody sees the encrypted part.
    type === 'message' || type === 'reasoning' ? { content: rest.content, text: rest.summary } : { content: type },
  )
  const piece = typeof type === 'string' && type.endsWith('.delta') ? [{ text: delta }] : []
  return [...shown, ...piece]
}

/** Members that carry output, in chat deltas and messages, in Messages blocks and deltas, and in Google's contents. */
const OUTPUT_MEMBERS = new Set([
  'content',
  'content_block',
  'reasoning',
  'reasoning_content',
  'refusal',
  'tool_calls',
  'function_call',
  'audio',
  'text',
  'thinking',
  'partial_json',
  'parts',
])

function carries(carrier: unknown): boolean {
  return Object.entries((carrier as Wire | null) ?? {}).some(
    ([name, value]) => OUTPUT_MEMBERS.has(name) && hasText(value),
  )
}

/** Members that say something about output, and are none. */
const ABOUT = new Set(['type', 'thoughtSignature', 'thought', 'annotations', 'logprobs'])

/** Whether any text stands in a value, apart from the names of block types. */
function hasText(value: unknown): boolean {
  if (typeof value === 'string') return value !== ''
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, member]) => !ABOUT.has(name) && hasText(member))
}

function listOf(value: unknown): Wire[] {
  return Array.isArray(value) ? (value as Wire[]) : []
}
