import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Database } from './database.ts'
import { openTestDatabases } from './test-database.ts'
import { readTransaction, waitWhileBusy, writeTransaction } from './transaction.ts'

function openTwo(t: TestContext): [Database, Database] {
  return openTestDatabases(t, 2) as [Database, Database]
}

const insert = (db: Database, id: string) =>
  db.run('INSERT INTO workspace (id, name, created_at) VALUES (?, ?, 0)', id, id)
const count = (db: Database) => Number(db.get<{ n: bigint }>('SELECT COUNT(*) AS n FROM workspace')?.n)

describe('transactions', () => {
  it('keep everything or nothing, and can be used again after a failure', (t) => {
    const [db] = openTwo(t)
    const failing = () =>
      writeTransaction(db, () => {
        insert(db, 'wrk_1')
        throw new RangeError('stop')
      })
    assert.throws(failing, RangeError)
    assert.equal(count(db), 0)
    assert.equal(
      writeTransaction(db, () => insert(db, 'wrk_1')),
      1,
    )
    assert.equal(count(db), 1)
  })

  it('refuse with a reason when another process keeps the lock', (t) => {
    const [db, other] = openTwo(t)
    writeTransaction(db, () => {
      assert.throws(() => writeTransaction(other, () => insert(other, 'wrk_1'), { maxWaitMs: 30 }), {
        code: 'storage_unavailable',
        message: /locked/,
      })
    })
    assert.equal(
      writeTransaction(other, () => insert(other, 'wrk_1')),
      1,
    )
  })

  it('wait out another process, and repeat nothing that failed for another reason', (t) => {
    const [db, other] = openTwo(t)
    db.exec('BEGIN IMMEDIATE')
    let tries = 0
    const begun = waitWhileBusy(() => {
      if (++tries === 3) db.exec('COMMIT')
      other.exec('BEGIN IMMEDIATE; COMMIT')
      return 'begun'
    })
    assert.deepEqual([begun, tries], ['begun', 3])
    const failing = () => {
      tries++
      throw new RangeError('stop')
    }
    assert.throws(() => waitWhileBusy(failing), RangeError)
    assert.equal(tries, 4)
  })

  it('that read see one instant, and hold up no writer', (t) => {
    const [db, other] = openTwo(t)
    readTransaction(db, () => {
      assert.equal(count(db), 0)
      writeTransaction(other, () => insert(other, 'wrk_1'))
      assert.equal(count(db), 0)
    })
    assert.equal(count(db), 1)
  })
})
