/** How losses are told. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { warningText } from './exchange.ts'

describe('x-zendo-warnings', () => {
  test('is absent where nothing is lost', () => {
    assert.equal(warningText([]), null)
  })

  test('names each loss once', () => {
    assert.equal(
      warningText([
        { action: 'dropped', field: 'top_k' },
        { action: 'changed', field: 'tools[2].parameters', detail: 'pattern' },
        { action: 'dropped', field: 'top_k' },
      ]),
      'dropped top_k, changed tools[2].parameters',
    )
  })

  test('cannot be used to write a header: names come from the body', () => {
    const text = warningText([{ action: 'dropped', field: 'a\r\nset-cookie: x, b\u00e9\u0000' }])
    assert.equal(text, 'dropped a??set-cookie: x? b??')
  })

  test('stays short', () => {
    const text = warningText(Array.from({ length: 500 }, (_, i) => ({ action: 'dropped', field: `field${i}` })))
    assert.ok(text !== null && text.length <= 1000 && text.endsWith(', ...'))
  })
})
