/** Puts the blocks of a streamed reply one after the other, for wires on which blocks cannot overlap. */
import type { IrEvent } from '../ir/event.ts'

export interface Sequencer {
  /** The events that may be written now, in order. */
  push(event: IrEvent): IrEvent[]
  /** The stream is over: what was still waiting. */
  end(): IrEvent[]
}

const ENDS: ReadonlySet<string> = new Set(['text-end', 'thinking-end', 'tool-call-end', 'block'])

/** Events of a block wait until the block before it has ended. */
export function createSequencer(): Sequencer {
  const waiting: { block: number; events: IrEvent[]; ended: boolean }[] = []
  let open: number | null = null

  function release(): IrEvent[] {
    const out: IrEvent[] = []
    while (open === null) {
      const next = waiting.shift()
      if (!next) break
      out.push(...next.events)
      if (!next.ended) open = next.block
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
      let entry = waiting.find((candidate) => candidate.block === block)
      if (!entry) {
        entry = { block, events: [], ended: false }
        waiting.push(entry)
      }
      entry.events.push(event)
      entry.ended = ends
      return []
    },
    end() {
      open = null
      const out: IrEvent[] = []
      for (const { events } of waiting.splice(0)) out.push(...events)
      return out
    },
  }
}
