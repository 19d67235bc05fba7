import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addUsd, type NanoUsd, nanoUsd, parseUsd, ZERO_USD } from '../base/money.ts'
import { NO_USAGE } from '../base/usage.ts'
import type { Funding } from '../base/words.ts'
import { loadBalance } from '../store/account.ts'
import { auditLedger } from './audit.ts'
import { grantCredit, listCredit } from './credit.ts'
import { type RefundRequest, refundRequest } from './refund.ts'
import { cutFirstCommit } from './test-cut.ts'
import { createTestInstance, endSample, holdSample, NOON_MS, type TestInstance, testActing } from './test-instance.ts'

/** A request that costs $4.40. */
async function charge(instance: TestInstance, id: string, funding: Funding = 'balance'): Promise<void> {
  const sample = { id, funding, hold: parseUsd(5) } as const
  await holdSample(instance, sample)
  await endSample(instance, sample, { usage: { ...NO_USAGE, output: 1_000_000 } })
}

const posted = async ({ db, setup }: TestInstance) => (await loadBalance(db, setup.workspace.id))?.posted

const refund = (
  instance: TestInstance,
  change: Partial<RefundRequest> & { dollars?: string } = {},
  nowMs = NOON_MS,
) => {
  const { dollars, ...rest } = change
  const amount = dollars === undefined ? {} : { amount: parseUsd(dollars) }
  const request = { requestId: 'req_1', note: 'broken answer', ...amount, ...rest }
  return refundRequest(instance.db, testActing(nowMs), request)
}

async function assertSound({ db }: TestInstance): Promise<void> {
  assert.deepEqual((await auditLedger(db, { nowMs: NOON_MS })).differences, [])
}

describe('refunds', () => {
  it('give back all that is left of a charge, as credit of its own', async (t) => {
    const instance = await createTestInstance(t)
    await charge(instance, 'req_1')
    assert.equal(await posted(instance), 600_000_000n)
    const part = await refund(instance, { dollars: '1.5' }, NOON_MS + 1)
    assert.deepEqual([part.created, part.charged, part.refunded], [true, 4_400_000_000n, 1_500_000_000n])
    const rest = await refund(instance, {}, NOON_MS + 2)
    assert.deepEqual([rest.lot.amount, rest.lot.source, rest.refunded], [2_900_000_000n, 'refund', 4_400_000_000n])
    assert.equal(await posted(instance), 5_000_000_000n)
    const { lots } = await listCredit(instance.db, instance.setup.workspace.id, NOON_MS)
    assert.deepEqual(
      lots.map(({ source, remaining, note }) => [source, remaining, note]),
      [
        ['demo', 600_000_000n, 'demo credit'],
        ['refund', 1_500_000_000n, 'broken answer'],
        ['refund', 2_900_000_000n, 'broken answer'],
      ],
    )
    await assertSound(instance)
  })

  it('never give back more than was charged, in however many steps or at once', async (t) => {
    const instance = await createTestInstance(t)
    await charge(instance, 'req_1')
    await assert.rejects(refund(instance, { dollars: '4.400000001' }), /\$4\.40 is left/)
    const tries = await Promise.allSettled([1, 2, 3, 4].map(() => refund(instance, { dollars: '1.2' })))
    const given = tries.map((one) => (one.status === 'fulfilled' ? one.value.lot.amount : ZERO_USD))
    assert.equal(given.reduce<NanoUsd>(addUsd, ZERO_USD), 3_600_000_000n)
    await assert.rejects(refund(instance, { dollars: '0.800000001' }), /\$0\.80 is left/)
    await refund(instance)
    await assert.rejects(refund(instance), /\$0\.00 is left/)
    assert.equal(await posted(instance), 5_000_000_000n)
    await assertSound(instance)
  })

  it('of one request are at most ten', async (t) => {
    const instance = await createTestInstance(t)
    await charge(instance, 'req_1')
    for (let n = 0; n < 10; n++) await refund(instance, { dollars: '0.1' })
    await assert.rejects(refund(instance, { dollars: '0.1' }), /refunded 10 times; that is the most/)
    await assertSound(instance)
  })

  it('with the same idempotency key happen once, also when all of the charge was given back', async (t) => {
    const instance = await createTestInstance(t)
    await charge(instance, 'req_1')
    const first = await refund(instance, { idempotencyKey: 'ticket-1' })
    const again = await refund(instance, { idempotencyKey: 'ticket-1' })
    const same = await refund(instance, { idempotencyKey: 'ticket-1', dollars: '4.40' })
    assert.deepEqual([first.created, again.created, same.created], [true, false, false])
    assert.deepEqual([again.lot, again.refunded], [first.lot, 4_400_000_000n])
    await assert.rejects(
      refund(instance, { idempotencyKey: 'ticket-1', dollars: '1' }),
      /gave back \$4\.40, not \$1\.00/,
    )
    assert.equal(await posted(instance), 5_000_000_000n)
    await assertSound(instance)
  })

  it('whose commit was not answered happen once, with or without an idempotency key', async (t) => {
    for (const isCommitted of [true, false]) {
      for (const key of [{}, { idempotencyKey: 'ticket-1' }]) {
        const instance = await createTestInstance(t)
        await charge(instance, 'req_1')
        const cut = { ...instance, db: cutFirstCommit(instance.db, isCommitted) }
        const given = await refund(cut, { dollars: '1', ...key })
        assert.deepEqual([given.created, given.refunded], [true, 1_000_000_000n])
        assert.equal(await posted(instance), 1_600_000_000n)
        await assertSound(instance)
      }
    }
  })

  it('refuse an idempotency key that moved other money', async (t) => {
    const instance = await createTestInstance(t)
    await grantCredit(instance.db, testActing(), {
      workspaceId: instance.setup.workspace.id,
      amount: parseUsd(5),
      note: '',
      idempotencyKey: 'k',
    })
    await charge(instance, 'req_1')
    await charge(instance, 'req_2')
    await assert.rejects(refund(instance, { idempotencyKey: 'k' }), /source operator, not of req_1/)
    await refund(instance, { idempotencyKey: 'ticket', dollars: '1' })
    const other = { requestId: 'req_2', idempotencyKey: 'ticket', dollars: '1' }
    await assert.rejects(refund(instance, other), /source refund, not of req_2/)
    const grant = { workspaceId: instance.setup.workspace.id, amount: parseUsd(1), note: '', idempotencyKey: 'ticket' }
    await assert.rejects(grantCredit(instance.db, testActing(), grant), /source refund, not operator/)
    await assertSound(instance)
  })

  it('are for what was charged to a balance alone', async (t) => {
    const instance = await createTestInstance(t)
    await charge(instance, 'req_plan', 'plan')
    await charge(instance, 'req_free', 'free')
    await holdSample(instance, { id: 'req_held', funding: 'balance' })
    const failed = { id: 'req_failed', funding: 'balance' } as const
    await holdSample(instance, failed)
    await endSample(instance, failed, { outcome: 'upstream_failed' })
    const reasons: [string, RegExp][] = [
      ['req_plan', /paid by a plan/],
      ['req_free', /was not charged/],
      ['req_held', /under way/],
      ['req_failed', /was not charged/],
      ['req_none', /no request req_none/],
    ]
    for (const [requestId, message] of reasons) {
      await assert.rejects(refund(instance, { requestId }), { code: 'invalid_request', message }, requestId)
    }
    await assertSound(instance)
  })

  it('have a reason and an amount above zero', async (t) => {
    const instance = await createTestInstance(t)
    await charge(instance, 'req_1')
    await assert.rejects(refund(instance, { note: ' ' }), /note/)
    for (const amount of [0n, -1n]) {
      await assert.rejects(refund(instance, { amount: nanoUsd(amount) }), /above zero/)
    }
    assert.equal(await posted(instance), 600_000_000n)
  })
})
