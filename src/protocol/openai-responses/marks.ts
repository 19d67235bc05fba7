/**
 * What an IR message, block or tool keeps in its `raw` of the Responses object it came as, so that the same protocol
 * writes it again just so. Only this directory reads and writes these marks.
 */
import { asObject, asText, type WireObject } from '../wire-value.ts'

/** Of a message, and of the blocks that an assistant's message or a system prompt is made of. */
export interface Mark {
  /** Members of the item, `type` included, beside those that the IR has words for. On the first block of an item. */
  readonly item?: WireObject
  /** Members of the content part that the IR has no word for, and its `type` when it is not the usual one. */
  readonly part?: WireObject
  /** `string`: the content is a string, not a list. `parts`: the output is a list. `base64`: no data URL. `input`: all. */
  readonly form?: string
}

export function markOf(raw: WireObject | undefined): Mark {
  if (!raw) return {}
  const item = asObject(raw.item)
  const part = asObject(raw.part)
  const form = asText(raw.form)
  return { ...(item && { item }), ...(part && { part }), ...(form !== null && { form }) }
}

/** The mark as `raw`, to be spread into a block; nothing when there is nothing to keep. */
export function rawOf(mark: {
  readonly item?: WireObject | undefined
  readonly part?: WireObject | undefined
  readonly form?: string | undefined
}): { raw?: WireObject } {
  const { item, part, form } = mark
  if (!item && !part && form === undefined) return {}
  return { raw: { ...(item && { item }), ...(part && { part }), ...(form !== undefined && { form }) } }
}

/** Tools that stand in one object of the wire (`namespace`, `additional_tools`): kept by the first of them. */
export interface ToolGroup {
  readonly wire: WireObject
  /** How many tools of the request it amounts to. */
  readonly count: number
  /** Among the items of `input`; null when it stands in `tools`. */
  readonly at: number | null
}

/** No member of the wire: other protocols name those that they leave out, and clients cannot make one up. */
const GROUP = Symbol('tools of one object')

export function withGroup(raw: WireObject | undefined, group: ToolGroup): WireObject {
  return { ...raw, [GROUP]: group } as WireObject
}

export function toolGroupOf(raw: WireObject | undefined): ToolGroup | null {
  return (raw as { readonly [GROUP]?: ToolGroup } | undefined)?.[GROUP] ?? null
}
