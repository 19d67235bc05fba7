import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createDrains } from './drains.ts'

describe('answers that are read on', () => {
  it('are so many at once and no more; each that ends makes room for one, however often it says so', () => {
    const drains = createDrains({ max: 2, maxPerKey: 2 })
    const leave = drains.enter('a')
    assert.ok(drains.enter('b'))
    assert.equal(drains.enter('c'), null)
    leave?.()
    leave?.()
    assert.ok(drains.enter('c'))
    assert.equal(drains.enter('c'), null)
  })

  it('of one key leave room for others, and one that is turned away takes none of either', () => {
    const drains = createDrains({ max: 3, maxPerKey: 2 })
    const first = drains.enter('greedy')
    assert.ok(first && drains.enter('greedy'))
    for (let i = 0; i < 5; i++) assert.equal(drains.enter('greedy'), null)
    assert.ok(drains.enter('other'))
    for (let i = 0; i < 5; i++) assert.equal(drains.enter('third'), null)
    first()
    assert.ok(drains.enter('third'))
  })

  it('are 64 at once and 32 of one key when nothing else is said', () => {
    const drains = createDrains()
    const entered = (who: string): number => Array.from({ length: 100 }, () => drains.enter(who)).filter(Boolean).length
    assert.deepEqual([entered('a'), entered('b'), entered('c')], [32, 32, 0])
  })
})
