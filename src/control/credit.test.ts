import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nanoUsd, parseUsd } from '../base/money.ts'
import { loadBalance } from '../store/account.ts'
import { auditLedger } from './audit.ts'
import { grantCredit, parseGrantAmount } from './credit.ts'
import { createTestInstance, holdSample, NOON_MS, type TestInstance } from './test-instance.ts'

const request = ({ setup }: TestInstance, dollars: string) => ({
  workspaceId: setup.workspace.id,
  amount: parseUsd(dollars),
  note: 'test',
})

const posted = ({ db, setup }: TestInstance) => loadBalance(db, setup.workspace.id)?.posted

describe('granting credit', () => {
  it('adds exactly what was said, to the nano-dollar', (t) => {
    const instance = createTestInstance(t)
    holdSample(instance, { id: 'req_1', funding: 'balance', hold: parseUsd(2) })
    const granted = grantCredit(instance.db, request(instance, '0.000000001'), NOON_MS)
    assert.deepEqual([granted.created, granted.posted, granted.available], [true, 5_000_000_001n, 3_000_000_001n])
    assert.equal(posted(instance), 5_000_000_001n)
    assert.deepEqual(auditLedger(instance.db, { nowMs: NOON_MS }).differences, [])
  })

  it('with the same idempotency key grants once', (t) => {
    const instance = createTestInstance(t)
    const keyed = { ...request(instance, '3'), idempotencyKey: 'invoice-7' }
    const first = grantCredit(instance.db, keyed, NOON_MS)
    const again = grantCredit(instance.db, keyed, NOON_MS + 1000)
    assert.deepEqual([first.created, again.created, again.grantId], [true, false, first.grantId])
    assert.equal(posted(instance), 8_000_000_000n)
    assert.equal(grantCredit(instance.db, { ...keyed, idempotencyKey: 'invoice-8' }, NOON_MS).created, true)
    assert.equal(grantCredit(instance.db, request(instance, '3'), NOON_MS).created, true)
    assert.equal(posted(instance), 14_000_000_000n)
  })

  it('refuses an idempotency key that granted another amount', (t) => {
    const instance = createTestInstance(t)
    grantCredit(instance.db, { ...request(instance, '3'), idempotencyKey: 'k' }, NOON_MS)
    assert.throws(() => grantCredit(instance.db, { ...request(instance, '4'), idempotencyKey: 'k' }, NOON_MS), {
      code: 'invalid_request',
      message: /already granted \$3\.00, not \$4\.00/,
    })
    assert.equal(posted(instance), 8_000_000_000n)
  })

  it('leaves nothing behind when it fails', (t) => {
    const instance = createTestInstance(t)
    const unknown = { ...request(instance, '1'), workspaceId: 'wrk_unknown' }
    assert.throws(() => grantCredit(instance.db, unknown, NOON_MS), { code: 'invalid_request' })
    assert.equal(posted(instance), 5_000_000_000n)
    assert.equal(instance.db.get<{ n: bigint }>('SELECT COUNT(*) AS n FROM credit_grant')?.n, 1n)
  })

  it('refuses nothing, less than nothing, too much, and what is no exact amount', (t) => {
    const instance = createTestInstance(t)
    for (const amount of [0n, -1n, 1_000_000_000_000_001n]) {
      const wrong = { ...request(instance, '1'), amount: nanoUsd(amount) }
      assert.throws(() => grantCredit(instance.db, wrong, NOON_MS), { code: 'invalid_request' })
    }
    for (const text of ['', 'x', '0', '-5', '1e3', '0.0000000001', '1000000.01', '1,5', '٣', '999999999999999999']) {
      assert.throws(() => parseGrantAmount(text), { code: 'invalid_request' }, text)
    }
    assert.equal(parseGrantAmount('0.10'), 100_000_000n)
  })

  it('keeps a balance far from the end of 64 bits', (t) => {
    const instance = createTestInstance(t)
    const { db } = instance
    db.exec("UPDATE account SET posted = 999999999000000000 WHERE kind = 'balance'")
    assert.throws(() => grantCredit(db, request(instance, '1.01'), NOON_MS), /must not be above/)
    assert.equal(grantCredit(db, request(instance, '1'), NOON_MS).posted, 1_000_000_000_000_000_000n)
  })

  it('refuses notes that are too long or would change a terminal', (t) => {
    const instance = createTestInstance(t)
    for (const note of ['x'.repeat(501), 'a\u001b[2J']) {
      assert.throws(() => grantCredit(instance.db, { ...request(instance, '1'), note }, NOON_MS), /note/)
    }
  })
})
