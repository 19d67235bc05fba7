/** Blocks one after the other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { array, assert as check, integer, property } from 'fast-check'
import type { IrEvent } from '../ir/event.ts'
import { createReplyCollector } from '../ir/reply.ts'
import { createSequencer } from './sequence.ts'

/** Interleaves the events of as many calls as `lengths` says, by the draws of `order`. */
function interleaved(lengths: readonly number[], order: readonly number[]): IrEvent[] {
  const queues = lengths.map((length, block): IrEvent[] => [
    { type: 'tool-call-start', block, id: `c${block}`, name: 'f', kind: 'function' },
    ...Array.from({ length }, (_, i): IrEvent => ({ type: 'tool-call-delta', block, text: `${block}.${i} ` })),
    { type: 'tool-call-end', block },
  ])
  const events: IrEvent[] = []
  for (let turn = 0; queues.some((queue) => queue.length > 0); turn++) {
    const open = queues.filter((queue) => queue.length > 0)
    const next = open[(order[turn % order.length] ?? 0) % open.length]?.shift()
    if (next) events.push(next)
  }
  return events
}

describe('the sequencer', () => {
  test('lets no two blocks overlap and loses nothing', () => {
    check(
      property(
        array(integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 5 }),
        array(integer({ min: 0, max: 9 }), { minLength: 1 }),
        (lengths, order) => {
          const events = interleaved(lengths, order)
          const sequencer = createSequencer()
          const out = [...events.flatMap((event) => sequencer.push(event)), ...sequencer.end()]
          let open: number | null = null
          const collected = createReplyCollector()
          for (const event of out) {
            if (!('block' in event)) continue
            assert.ok(open === null || open === event.block, 'two blocks are open')
            open = event.type === 'tool-call-end' ? null : event.block
            collected.add(event)
          }
          assert.equal(out.length, events.length)
          const inputs = collected.reply().blocks.map((block) => (block.type === 'tool-call' ? block.input : ''))
          assert.deepEqual(
            inputs,
            lengths.map((length, block) => Array.from({ length }, (_, i) => `${block}.${i} `).join('')),
          )
        },
      ),
    )
  })

  test('holds back nothing of the block that is open', () => {
    const sequencer = createSequencer()
    for (const event of interleaved([3], [0])) assert.deepEqual(sequencer.push(event), [event])
  })

  test('gives out what was still waiting when a stream breaks off', () => {
    const sequencer = createSequencer()
    sequencer.push({ type: 'text-start', block: 0 })
    assert.deepEqual(sequencer.push({ type: 'text-start', block: 1 }), [])
    assert.deepEqual(sequencer.end(), [{ type: 'text-start', block: 1 }])
  })
})
