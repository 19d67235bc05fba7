/** M12: changes of settings, caps, seats, calendars and credit during spending move no money but their own. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { nanoUsd } from '../../src/base/money.ts'
import { changeOnRecord } from '../../src/control/acting.ts'
import { removeCap, setCap } from '../../src/control/cap.ts'
import { grantCredit } from '../../src/control/credit.ts'
import { insertKey, makeKey } from '../../src/control/key.ts'
import { assignSeat, endAssignedSeat, switchUseBalance } from '../../src/control/seat-assignment.ts'
import { testActing } from '../../src/control/test-instance.ts'
import { updateWorkspace } from '../../src/control/workspace-settings.ts'
import type { Plan } from '../../src/domain/catalog.ts'
import { listCaps } from '../../src/store/cap.ts'
import type { Database } from '../../src/store/database.ts'
import { revokeKey } from '../../src/store/key.ts'
import { forEachEngine } from '../support/engines.ts'
import { sampleViolations } from './checker.ts'
import { createField, dawdle, forEachField, type RaceNode } from './nodes.ts'
import { createRandom, type Random } from './random.ts'
import {
  addBuyer,
  type Buyer,
  CENT,
  capOf,
  endCommand,
  holdCommand,
  IS_LONG,
  NOON_MS,
  planOf,
  SEED,
  windowOf,
} from './world.ts'

const CHANGES = IS_LONG ? 5000 : 150
const POSTED = 100_000n * CENT

const PLAN: Plan = {
  id: 'go',
  price: nanoUsd(0),
  interval: 'month',
  products: ['go'],
  windows: [windowOf('session', CENT)],
}

/** Every kind of change that an admin can make, one of them. Resolves with the credit it granted. */
async function changeSomething(db: Database, { workspaceId, memberId }: Buyer, random: Random): Promise<bigint> {
  const units = ['day', 'week', 'month'] as const
  const amount = nanoUsd(BigInt(1 + random.below(9)) * CENT)
  const acting = testActing(NOON_MS)
  switch (random.below(6)) {
    case 0: {
      const cap = {
        workspaceId,
        scope: 'member',
        subjectId: memberId,
        unit: random.pick(units),
        limit: amount,
      } as const
      await setCap(db, acting, cap)
      return 0n
    }
    case 1:
      for (const { id } of await listCaps(db, workspaceId)) await removeCap(db, acting, workspaceId, id)
      return 0n
    case 2:
      await updateWorkspace(db, acting, workspaceId, {
        timeZone: random.pick(['UTC', 'Europe/Berlin', 'Asia/Kathmandu']),
        weekStart: 1 + random.below(7),
      })
      return 0n
    case 3: {
      const request = { workspaceId, memberId, planId: 'go', useBalance: false }
      const { id: seatId } = await assignSeat(db, acting, request, { plans: new Map([['go', PLAN]]), bound: 'none' })
      await switchUseBalance(db, acting, { workspaceId, seatId, ownerId: null }, true)
      await endAssignedSeat(db, acting, workspaceId, seatId)
      return 0n
    }
    case 4: {
      const key = makeKey({ memberId, name: 'more' }, { nowMs: NOON_MS, randomBytes })
      await changeOnRecord(db, acting, (sql) => insertKey(sql, workspaceId, key))
      await changeOnRecord(db, acting, (sql) => revokeKey(sql, key.id, NOON_MS))
      return 0n
    }
    default:
      await grantCredit(db, acting, { workspaceId, amount, note: 'more' })
      return amount
  }
}

/** Spends until told to stop, on the balance under caps and on a plan by turns. Resolves with what the balance paid. */
async function spend(node: RaceNode, buyer: Buyer, random: Random, isOver: () => boolean): Promise<bigint> {
  let paid = 0n
  while (!isOver()) {
    await dawdle(random.below(4))
    const caps = [capOf(buyer, 'member', 'day', POSTED), capOf(buyer, 'workspace', 'month', POSTED)]
    const wish = random.below(3) === 0 ? { sources: [planOf(buyer, [windowOf('session', POSTED)])] } : { caps }
    const command = holdCommand(buyer, { ...wish, amount: CENT })
    const held = await node.hold(command)
    assert.ok(held.ok, 'there is room')
    const ended = await node.end(endCommand(command, held, BigInt(1 + random.below(Number(CENT)))))
    assert.ok(ended.kind === 'ended')
    if (held.funding === 'balance') paid += ended.charged
  }
  return paid
}

forEachField((engine, setting) => {
  it(`${CHANGES} changes while 24 clients spend leave the balance at what was granted less what was charged (ZENDO_TEST_SEED=${SEED})`, async (t) => {
    const field = await createField(t, engine, setting)
    const random = createRandom(SEED)
    const buyer = await addBuyer(field.db, POSTED)
    const stopSampling = sampleViolations(field.db)
    let isOver = false
    const spending = Array.from({ length: 24 }, (_, i) => spend(field.nodeOf(i), buyer, random, () => isOver))
    let granted = POSTED
    for (let change = 0; change < CHANGES; change++) granted += await changeSomething(field.db, buyer, random)
    isOver = true
    const paid = (await Promise.all(spending)).reduce((sum, amount) => sum + amount, 0n)
    assert.ok(paid > 0n)
    const row = await field.db.get<{ posted: bigint; held: bigint }>(
      'SELECT posted, held FROM account WHERE id = ?',
      buyer.accountId,
    )
    assert.deepEqual([row?.posted, row?.held], [granted - paid, 0n])
    assert.deepEqual(await stopSampling(), [])
  })
})

forEachEngine((engine) => {
  describe('a balance that is written to directly', () => {
    const UPDATES = [
      'posted = posted + 1',
      'held = 0',
      'posted = 0, held = 0',
      'credited = 1',
      'next_expiry_at = NULL',
      'told = 100',
    ]

    it('is refused by the database, in a transaction of its own and in one that is not the ledger’s', async (t) => {
      const db = await engine.openDatabase(t)
      const buyer = await addBuyer(db, POSTED)
      for (const change of UPDATES) {
        const statement = `UPDATE account SET ${change} WHERE id = ?`
        const refused = /balances change through the ledger alone/
        await assert.rejects(db.run(statement, buyer.accountId), refused, change)
        await assert.rejects(
          db.write((sql) => sql.run(statement, buyer.accountId)),
          refused,
          change,
        )
        // It is the way that is refused, and not the statement.
        assert.equal(await db.write((sql) => sql.run(statement, buyer.accountId), { opensLedger: true }), 1, change)
      }
    })

    it('is refused after a transaction of the ledger as well, on the same connection', async (t) => {
      const db = await engine.openDatabase(t)
      const buyer = await addBuyer(db, POSTED)
      await db.write((sql) => sql.run('UPDATE account SET told = 50 WHERE id = ?', buyer.accountId), {
        opensLedger: true,
      })
      await assert.rejects(db.write((sql) => sql.run('UPDATE account SET posted = 0 WHERE id = ?', buyer.accountId)))
      const row = await db.get<{ posted: bigint }>('SELECT posted FROM account WHERE id = ?', buyer.accountId)
      assert.equal(row?.posted, POSTED)
    })
  })
})
