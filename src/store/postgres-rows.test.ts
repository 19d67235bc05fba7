import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cutInsert } from './postgres-rows.ts'

const INSERT = "INSERT INTO entry (a, b, c) VALUES (?, 'x, (y)', ?)"

describe('inserts of many rows', () => {
  it('every row stands in exactly one statement, whatever their number', () => {
    for (let rows = 2; rows < 200; rows++) {
      const parts = cutInsert(INSERT, rows) ?? []
      assert.equal(
        parts.reduce((sum, part) => sum + part.rows, 0),
        rows,
      )
      for (const part of parts) assert.equal(part.sql.split("'x, (y)'").length - 1, part.rows)
    }
  })

  it('one row, and statements that are not plain inserts, are sent one by one', () => {
    assert.equal(cutInsert(INSERT, 1), null)
    assert.equal(cutInsert(`${INSERT} ON CONFLICT DO NOTHING`, 50), null)
    assert.equal(cutInsert('UPDATE entry SET a = ? WHERE b = ?', 50), null)
  })
})
