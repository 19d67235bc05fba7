import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { AppError } from '../base/errors.ts'
import { nanoUsd } from '../base/money.ts'
import { type Account, createBalance, ensureSystemAccounts, holdBalance, loadBalance, postTransfer } from './account.ts'
import { type CommitQueue, createCommitQueue } from './commit-queue.ts'
import { type Database, openDatabase } from './database.ts'
import { insertWorkspace } from './workspace.ts'

let directory: string
let db: Database
let commits: CommitQueue

function balance(): Account {
  const account = loadBalance(db, 'w')
  assert.ok(account)
  return account
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zendo-commit-'))
  db = openDatabase(join(directory, 'zendo.db'), { nowMs: 1, busyTimeoutMs: 0 })
  commits = createCommitQueue(db, { maxWaitMs: 200 })
  ensureSystemAccounts(db)
  insertWorkspace(db, { id: 'w', name: 'w' }, 1)
  createBalance(db, 'a', 'w')
  const entries = [
    { accountId: 'a', amount: nanoUsd(10) },
    { accountId: 'credit_issued', amount: nanoUsd(-10) },
  ]
  assert.ok(postTransfer(db, { id: 'g:1', kind: 'grant', atMs: 1, entries }))
})

afterEach(() => {
  db.close()
  rmSync(directory, { recursive: true })
})

describe('commit queue', () => {
  it('what it resolves is in the file, for every other connection to see', async () => {
    await commits.run(() => holdBalance(db, 'a', nanoUsd(3)))
    const other = new DatabaseSync(join(directory, 'zendo.db'), { readOnly: true })
    assert.equal(other.prepare("SELECT held FROM account WHERE id = 'a'").get()?.held, 3)
    other.close()
  })

  it('works submitted together share one transaction and see each other in order', async () => {
    const held = await Promise.all(
      Array.from({ length: 16 }, () => commits.run(() => holdBalance(db, 'a', nanoUsd(1)))),
    )
    assert.deepEqual(held, [...Array<boolean>(10).fill(true), ...Array<boolean>(6).fill(false)])
    assert.equal(balance().held, 10n)
  })

  it('a work that throws is undone alone', async () => {
    const works = [0, 1, 2].map((index) =>
      commits.run(() => {
        holdBalance(db, 'a', nanoUsd(1))
        if (index === 1) throw new AppError('invalid_request', 'planted')
        return index
      }),
    )
    const results = await Promise.allSettled(works)
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.equal(balance().held, 2n)
  })

  it('while another process writes, works wait without holding up the event loop', async () => {
    const other = new DatabaseSync(join(directory, 'zendo.db'))
    other.exec('BEGIN IMMEDIATE')
    const held = commits.run(() => holdBalance(db, 'a', nanoUsd(1)))
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 5))
    other.exec('COMMIT')
    other.close()
    assert.equal(await held, true)
  })

  it('a database that stays locked refuses with storage_unavailable and works again afterwards', async () => {
    const other = new DatabaseSync(join(directory, 'zendo.db'))
    other.exec('BEGIN IMMEDIATE')
    await assert.rejects(
      commits.run(() => holdBalance(db, 'a', nanoUsd(1))),
      (error) => error instanceof AppError && error.code === 'storage_unavailable',
    )
    other.exec('ROLLBACK')
    other.close()
    assert.equal(await commits.run(() => holdBalance(db, 'a', nanoUsd(1))), true)
    assert.equal(balance().held, 1n)
  })
})

describe('ledger', () => {
  it('a transfer of the same id is posted once', () => {
    const entries = [
      { accountId: 'a', amount: nanoUsd(5) },
      { accountId: 'credit_issued', amount: nanoUsd(-5) },
    ]
    assert.equal(postTransfer(db, { id: 'g:1', kind: 'grant', atMs: 2, entries }), false)
    assert.equal(balance().posted, 10n)
  })

  it('a transfer that does not sum to zero is refused', () => {
    const entries = [{ accountId: 'a', amount: nanoUsd(5) }]
    assert.throws(() => postTransfer(db, { id: 'g:2', kind: 'grant', atMs: 2, entries }), /does not balance/)
    assert.equal(balance().posted, 10n)
  })

  it('a balance is never held beyond what is posted, not even by raw SQL', () => {
    assert.equal(holdBalance(db, 'a', nanoUsd(11)), false)
    assert.throws(() => db.run("UPDATE account SET held = 11 WHERE id = 'a'"), /CHECK/)
  })
})
