/**
 * What in a request stands for something that only the vendor has: an earlier response, a conversation, a template, an
 * item by its id. No other upstream can answer such a request.
 */
import type { IrMessage } from '../ir/request.ts'
import { asArray, asObject, type WireObject } from '../wire-value.ts'

const STORED = ['previous_response_id', 'conversation', 'prompt'] as const

/**
 * The member that demands the vendor itself; null when there is none. Takes the body of a request, or what the IR has
 * of it: its `raw` and its messages.
 */
export function storedStateParam(raw: WireObject, messages: readonly IrMessage[] = []): string | null {
  const member = STORED.find((name) => raw[name] !== undefined && raw[name] !== null)
  if (member !== undefined) return member
  if (raw.background === true) return 'background'
  const item = asArray(raw.input).findIndex((entry) => isReference(asObject(entry)))
  if (item >= 0) return `input[${item}]`
  const isReferred = messages.some(({ blocks }) =>
    blocks.some((block) => block.type === 'opaque' && block.kind === 'item_reference'),
  )
  return isReferred ? 'input' : null
}

/** The type may be left out: then an item that has nothing but an id is one. */
export function isReference(item: WireObject | null): boolean {
  if (!item) return false
  if (item.type === undefined || item.type === null) return typeof item.id === 'string' && item.role === undefined
  return item.type === 'item_reference'
}
