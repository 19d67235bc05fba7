import assert from 'node:assert/strict'
import { it } from 'node:test'
import { newId } from './ids.ts'

it('ids name their kind, sort by time and do not repeat', () => {
  const ids = Array.from({ length: 5000 }, (_, index) => newId('req', 1_700_000_000_000 + index))
  for (const id of ids) assert.match(id, /^req_[0-9a-hjkmnp-tv-z]{26}$/)
  assert.deepEqual([...ids].sort(), ids)
  assert.equal(new Set(ids.map((id) => id.slice(-16))).size, ids.length)
})
