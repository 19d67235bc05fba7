/** What is remembered of upstreams' thoughts, and for how long. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createThoughtStore } from './thought-store.ts'

const MINT = { protocol: 'openai-chat', account: 'a' } as const
const at = (scope: string, conversation = 'c') => ({ scope, conversation })
const thought = (text: string) => ({ type: 'thinking', text, signature: null, mint: MINT }) as const

describe('the thought store', () => {
  test('gives the thoughts of a turn for each of its calls, and to its own scope only', () => {
    const store = createThoughtStore()
    store.remember(at('key1'), ['c1', 'c2'], [thought('why')], 0)
    assert.deepEqual(store.recall(at('key1'), 'c2', 1), [thought('why')])
    assert.equal(store.recall(at('key2'), 'c1', 1), null)
    assert.equal(store.recall(at('key1'), 'c3', 1), null)
    assert.equal(store.recall(at('key1', 'another'), 'c1', 1), null, 'the same id in another conversation')
  })

  test('forgets after its time', () => {
    const store = createThoughtStore({ ttlMs: 100 })
    store.remember(at('k'), ['c'], [thought('x')], 0)
    store.sign('k', 'token', 'a', 0)
    assert.notEqual(store.recall(at('k'), 'c', 99), null)
    assert.equal(store.recall(at('k'), 'c', 100), null)
    assert.equal(store.signer('k', 'token', 100), null)
    assert.equal(store.accountOf('k', 100), null)
  })

  test('never holds more than its bounds: the oldest goes first', () => {
    const store = createThoughtStore({ maxEntries: 2 })
    for (const id of ['c1', 'c2', 'c3']) store.remember(at('k'), [id], [thought('x')], 0)
    assert.equal(store.recall(at('k'), 'c1', 1), null)
    assert.notEqual(store.recall(at('k'), 'c2', 1), null)
    const small = createThoughtStore({ maxBytes: 4000 })
    small.remember(at('k'), ['old'], [thought('x'.repeat(1000))], 0)
    small.remember(at('k'), ['new'], [thought('x'.repeat(1000))], 0)
    assert.equal(small.recall(at('k'), 'old', 1), null)
    assert.notEqual(small.recall(at('k'), 'new', 1), null)
    small.remember(at('k'), ['huge'], [thought('x'.repeat(10_000))], 0)
    assert.equal(small.recall(at('k'), 'huge', 1), null)
    assert.notEqual(small.recall(at('k'), 'new', 1), null, 'what cannot be kept drives nothing out')
  })

  test('tells the account that signed last, and whether it is the only one', () => {
    const store = createThoughtStore()
    assert.equal(store.accountOf('k', 0), null)
    store.sign('k', 's1', 'a', 0)
    store.sign('k', 's2', 'a', 0)
    assert.deepEqual(store.accountOf('k', 1), { account: 'a', isOnly: true })
    store.sign('k', 's3', 'b', 0)
    assert.deepEqual(store.accountOf('k', 1), { account: 'b', isOnly: false })
    assert.equal(store.signer('k', 's1', 1), 'a')
    assert.equal(store.signer('k', 's3', 1), 'b')
  })
})
