/** What the writers of the single kinds of output items share. */
import type { ReplyContext } from '../codec.ts'
import type { WireObject } from '../wire-value.ts'
import type { OpenCall } from './write-call.ts'
import type { OpenMessage } from './write-message.ts'
import type { OpenThought } from './write-thought.ts'

/** Takes an event; its members are written down at once, because items change afterwards. */
export type Emit = (type: string, members: WireObject) => void

export type ItemStatus = 'completed' | 'incomplete'

/** The items so far, and the one that is open. */
export interface WriterState {
  readonly context: ReplyContext
  readonly emit: Emit
  readonly wantsEncrypted: boolean
  readonly output: WireObject[]
  readonly callIds: Set<string>
  hasRefusal: boolean
  message: OpenMessage | null
  thought: OpenThought | null
  call: OpenCall | null
}

/** Announces a new item, which gets the next place in the output. */
export function addItem(state: WriterState, item: WireObject): number {
  const index = state.output.push(item) - 1
  state.emit('response.output_item.added', { output_index: index, item })
  return index
}

export function finishItem(state: WriterState, index: number, item: WireObject): void {
  state.output[index] = item
  state.emit('response.output_item.done', { output_index: index, item })
}

/** `msg_…`, whether or not the maker of ids writes the underscore. */
export function itemId({ context }: WriterState, prefix: string): string {
  const id = context.newId(prefix)
  return id.startsWith(`${prefix}_`) ? id : `${prefix}_${id.slice(prefix.length)}`
}
