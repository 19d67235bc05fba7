/** Puts the blocks of a streamed reply one after the other, for wires on which blocks cannot overlap. */
import type { IrEvent } from '../ir/event.ts'

export interface Sequencer {
  /** The events that may be written now, in order. */
  push(event: IrEvent): IrEvent[]
  /** The stream is over: what was still waiting. */
  end(): IrEvent[]
}

interface Waiting {
  readonly events: IrEvent[]
  ended: boolean
}

const ENDS: ReadonlySet<string> = new Set(['text-end', 'thinking-end', 'tool-call-end', 'block'])

/** Events of a block wait until the block before it has ended. */
export function createSequencer(): Sequencer {
  const waiting = new Map<number, Waiting>()
  /** The blocks of `waiting` in the order in which they began, and from where on they still wait. */
  let order: number[] = []
  let next = 0
  let open: number | null = null

  function release(): IrEvent[] {
    const out: IrEvent[] = []
    while (open === null) {
      const block = order[next]
      if (block === undefined) break
      const { events, ended } = waiting.get(block) as Waiting
      next += 1
      waiting.delete(block)
      for (const event of events) out.push(event)
      if (!ended) open = block
    }
    if (next === order.length) {
      order = []
      next = 0
    }
    return out
  }

  return {
    push(event) {
      if (!('block' in event)) return [event]
      const { block } = event
      const ends = ENDS.has(event.type)
      if (open === null || open === block) {
        open = ends ? null : block
        return ends ? [event, ...release()] : [event]
      }
      let entry = waiting.get(block)
      if (!entry) {
        entry = { events: [], ended: false }
        waiting.set(block, entry)
        order.push(block)
      }
      entry.events.push(event)
      entry.ended = ends
      return []
    },
    end() {
      open = null
      const out: IrEvent[] = []
      for (const { events } of waiting.values()) for (const event of events) out.push(event)
      waiting.clear()
      order = []
      next = 0
      return out
    },
  }
}
