import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nanoUsd, parseUsd } from '../base/money.ts'
import { DAY_MS, HOUR_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { loadBalance } from '../store/account.ts'
import { insertWorkspace } from '../store/workspace.ts'
import { auditLedger } from './audit.ts'
import { type GrantRequest, grantCredit, listCredit, parseGrantAmount } from './credit.ts'
import { cutFirstCommit } from './test-cut.ts'
import { createTestInstance, endSample, holdSample, NOON_MS, type TestInstance, testActing } from './test-instance.ts'

const request = ({ setup }: TestInstance, dollars: string): GrantRequest => ({
  workspaceId: setup.workspace.id,
  amount: parseUsd(dollars),
  note: 'test',
})

const posted = async ({ db, setup }: TestInstance) => (await loadBalance(db, setup.workspace.id))?.posted

async function differences({ db }: TestInstance) {
  return (await auditLedger(db, { nowMs: NOON_MS })).differences
}

/** Pays for so many output tokens from the balance: $4.40 per million. */
async function spend(instance: TestInstance, id: string, output: number, atMs = NOON_MS): Promise<void> {
  const sample = { id, funding: 'balance', hold: parseUsd(5), atMs } as const
  await holdSample(instance, sample)
  await endSample(instance, sample, { usage: { ...NO_USAGE, output } })
}

describe('granting credit', () => {
  it('adds exactly what was said, to the nano-dollar', async (t) => {
    const instance = await createTestInstance(t)
    await holdSample(instance, { id: 'req_1', funding: 'balance', hold: parseUsd(2) })
    const granted = await grantCredit(instance.db, testActing(), request(instance, '0.000000001'))
    assert.deepEqual([granted.created, granted.posted, granted.available], [true, 5_000_000_001n, 3_000_000_001n])
    assert.equal(await posted(instance), 5_000_000_001n)
    assert.deepEqual(await differences(instance), [])
  })

  it('with the same idempotency key grants once', async (t) => {
    const instance = await createTestInstance(t)
    const keyed = { ...request(instance, '3'), idempotencyKey: 'invoice-7' }
    const first = await grantCredit(instance.db, testActing(), keyed)
    const again = await grantCredit(instance.db, testActing(NOON_MS + 1000), keyed)
    assert.deepEqual([first.created, again.created, again.lot], [true, false, first.lot])
    assert.equal(await posted(instance), 8_000_000_000n)
    assert.equal(
      (await grantCredit(instance.db, testActing(), { ...keyed, idempotencyKey: 'invoice-8' })).created,
      true,
    )
    assert.equal((await grantCredit(instance.db, testActing(), request(instance, '3'))).created, true)
    assert.equal(await posted(instance), 14_000_000_000n)
    assert.deepEqual(await differences(instance), [])
  })

  it('two calls at once with the same idempotency key grant once', async (t) => {
    const instance = await createTestInstance(t)
    const keyed = { ...request(instance, '3'), idempotencyKey: 'invoice-7' }
    const both = await Promise.all([1, 2].map(() => grantCredit(instance.db, testActing(), keyed)))
    assert.deepEqual(both.map(({ created }) => created).sort(), [false, true])
    assert.equal(await posted(instance), 8_000_000_000n)
  })

  it('whose commit was not answered grants once, with or without an idempotency key', async (t) => {
    for (const isCommitted of [true, false]) {
      for (const key of [{}, { idempotencyKey: 'k' }]) {
        const instance = await createTestInstance(t)
        const cut = cutFirstCommit(instance.db, isCommitted)
        const granted = await grantCredit(cut, testActing(), { ...request(instance, '3'), ...key })
        assert.deepEqual([granted.created, granted.posted], [true, 8_000_000_000n])
        assert.equal(await posted(instance), 8_000_000_000n)
        assert.deepEqual(await differences(instance), [])
      }
    }
  })

  it('refuses an idempotency key that granted something else', async (t) => {
    const instance = await createTestInstance(t)
    const keyed = { ...request(instance, '3'), idempotencyKey: 'k' }
    await grantCredit(instance.db, testActing(), keyed)
    const others: [Partial<GrantRequest>, RegExp][] = [
      [{ amount: parseUsd(4) }, /already granted \$3\.00, not \$4\.00/],
      [{ source: 'promotion' }, /already made credit of the source operator, not promotion/],
      [{ expiresAtMs: NOON_MS + DAY_MS }, /another expiry or priority/],
      [{ priority: 5 }, /another expiry or priority/],
    ]
    for (const [change, message] of others) {
      await assert.rejects(grantCredit(instance.db, testActing(), { ...keyed, ...change }), {
        code: 'invalid_request',
        message,
      })
    }
    assert.equal(await posted(instance), 8_000_000_000n)
  })

  it('an idempotency key is bound to its workspace', async (t) => {
    const instance = await createTestInstance(t)
    const { db } = instance
    await insertWorkspace(db, { id: 'wrk_2', name: 'second' }, NOON_MS)
    await db.run("INSERT INTO account (id, workspace_id, kind) VALUES ('acc_2', 'wrk_2', 'balance')")
    const keyed = { ...request(instance, '3'), idempotencyKey: 'k' }
    await grantCredit(db, testActing(), keyed)
    const other = await grantCredit(db, testActing(), { ...keyed, workspaceId: 'wrk_2', amount: parseUsd(4) })
    assert.deepEqual([other.created, other.posted], [true, 4_000_000_000n])
  })

  it('leaves nothing behind when it fails', async (t) => {
    const instance = await createTestInstance(t)
    const unknown = { ...request(instance, '1'), workspaceId: 'wrk_unknown' }
    await assert.rejects(grantCredit(instance.db, testActing(), unknown), { code: 'invalid_request' })
    assert.equal(await posted(instance), 5_000_000_000n)
    assert.equal((await instance.db.get<{ n: bigint }>('SELECT COUNT(*) AS n FROM credit_grant'))?.n, 1n)
  })

  it('refuses nothing, less than nothing, too much, and what is no exact amount', async (t) => {
    const instance = await createTestInstance(t)
    for (const amount of [0n, -1n, 1_000_000_000_000_001n]) {
      const wrong = { ...request(instance, '1'), amount: nanoUsd(amount) }
      await assert.rejects(grantCredit(instance.db, testActing(), wrong), { code: 'invalid_request' })
    }
    for (const text of ['', 'x', '0', '-5', '1e3', '0.0000000001', '1000000.01', '1,5', '٣', '999999999999999999']) {
      assert.throws(() => parseGrantAmount(text), { code: 'invalid_request' }, text)
    }
    assert.equal(parseGrantAmount('0.10'), 100_000_000n)
  })

  it('keeps a balance far from the end of 64 bits', async (t) => {
    const instance = await createTestInstance(t)
    const { db } = instance
    const rich = "UPDATE account SET posted = 999999999000000000 WHERE kind = 'balance'"
    await db.write((sql) => sql.run(rich), { opensLedger: true })
    await assert.rejects(grantCredit(db, testActing(), request(instance, '1.01')), /must not be above/)
    assert.equal((await grantCredit(db, testActing(), request(instance, '1'))).posted, 1_000_000_000_000_000_000n)
  })

  it('refuses notes that are too long or would change a terminal, and priorities that are none', async (t) => {
    const instance = await createTestInstance(t)
    for (const note of ['x'.repeat(501), 'a\u001b[2J']) {
      await assert.rejects(grantCredit(instance.db, testActing(), { ...request(instance, '1'), note }), /note/)
    }
    for (const priority of [-1, 1001, 0.5, Number.NaN]) {
      await assert.rejects(grantCredit(instance.db, testActing(), { ...request(instance, '1'), priority }), /priority/)
    }
  })
})

describe('lots of credit', () => {
  it('are spent by priority, then by expiry, then by age', async (t) => {
    const instance = await createTestInstance(t)
    const grant = (dollars: string, change: Partial<GrantRequest>) =>
      grantCredit(instance.db, testActing(), { ...request(instance, dollars), ...change })
    await grant('1', { note: 'later', expiresAtMs: NOON_MS + 2 * DAY_MS })
    await grant('1', { note: 'soon', expiresAtMs: NOON_MS + DAY_MS })
    await grant('1', { note: 'first of all', priority: 5, source: 'promotion' })
    // Ids that come from idempotency keys are of no age.
    for (let n = 1; n <= 5; n++) {
      const late = { ...request(instance, '1'), note: `${n}`, idempotencyKey: `${n}` }
      await grantCredit(instance.db, testActing(NOON_MS + n), late)
    }
    const left = async () =>
      (await listCredit(instance.db, instance.setup.workspace.id, NOON_MS)).lots.map(({ note, remaining }) => [
        note,
        remaining,
      ])
    assert.deepEqual(
      (await left()).map(([note]) => note),
      ['first of all', 'soon', 'later', 'demo credit', '1', '2', '3', '4', '5'],
    )
    // $2.20.
    await spend(instance, 'req_1', 500_000)
    assert.deepEqual((await left()).slice(0, 2), [
      ['later', 800_000_000n],
      ['demo credit', 5_000_000_000n],
    ])
    assert.deepEqual(await differences(instance), [])
  })

  it('that have expired are not available, whether or not a request came since', async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    await grantCredit(db, testActing(), { ...request(instance, '2'), expiresAtMs: NOON_MS + HOUR_MS })
    const at = async (nowMs: number) => {
      const { posted: all, lots } = await listCredit(db, setup.workspace.id, nowMs)
      return [all, lots.length]
    }
    assert.deepEqual(await at(NOON_MS + HOUR_MS - 1), [7_000_000_000n, 2])
    assert.deepEqual(await at(NOON_MS + HOUR_MS), [5_000_000_000n, 1])
    assert.equal(await posted(instance), 7_000_000_000n, 'looking writes nothing')
    await spend(instance, 'req_1', 0, NOON_MS + HOUR_MS)
    assert.equal(await posted(instance), 5_000_000_000n)
    assert.deepEqual(await differences(instance), [])
  })

  it('are not made already expired; a repeated call long after is still answered', async (t) => {
    const instance = await createTestInstance(t)
    const keyed = { ...request(instance, '2'), expiresAtMs: NOON_MS + HOUR_MS, idempotencyKey: 'k' }
    await assert.rejects(
      grantCredit(instance.db, testActing(NOON_MS + HOUR_MS), keyed),
      /expired at 2026-11-20T13:00:00\.000Z/,
    )
    assert.equal((await grantCredit(instance.db, testActing(), keyed)).created, true)
    const late = await grantCredit(instance.db, testActing(NOON_MS + DAY_MS), keyed)
    assert.deepEqual([late.created, late.available], [false, 5_000_000_000n])
  })
})
