/** Each threshold is told exactly once per window and per credit: across processes, restarts and whatever their order. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nanoUsd } from '../../src/base/money.ts'
import { eventId, type NewEvent } from '../../src/domain/event.ts'
import { balanceThresholdEvent, crossedThreshold, limitThresholdEvent } from '../../src/domain/threshold.ts'
import type { Database, Sql } from '../../src/store/database.ts'
import { insertEvents, LOG_RECEIVER } from '../../src/store/event.ts'
import { loadMeter } from '../../src/store/meter.ts'
import { forEachEngine } from '../support/engines.ts'
import { until } from '../support/until.ts'
import { startReceiver } from './receiver.ts'
import { createWorld, LEVEL, webhookTo } from './world.ts'

const LIMIT = nanoUsd(1_000_003)
const WORKSPACE = 'wrk_1'

async function addMeter(db: Database, id: string): Promise<void> {
  await db.run("INSERT INTO workspace (id, name, created_at) VALUES (?, 'w', 0) ON CONFLICT DO NOTHING", WORKSPACE)
  await db.run(
    'INSERT INTO meter (id, workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount)' +
      " VALUES (?, ?, 'seat', ?, '5 hour', 'session', 0, 1, ?)",
    id,
    WORKSPACE,
    id,
    LIMIT,
  )
}

async function meterIn(sql: Sql, id: string) {
  // Locked as the ledger locks it: whoever changes a meter holds a lock that others wait for.
  await sql.get('SELECT id FROM meter WHERE id = ? /*postgres FOR UPDATE*/', id)
  const meter = await loadMeter(sql, id)
  assert.ok(meter)
  return meter
}

/** Counts an amount and tells what that reaches, in one transaction. */
async function spend(db: Database, id: string, amount: bigint, atMs: number): Promise<void> {
  await db.write(async (sql) => {
    const meter = await meterIn(sql, id)
    const used = nanoUsd(meter.settled + amount)
    const threshold = crossedThreshold(meter.told, used, meter.limit)
    await sql.run('UPDATE meter SET settled = ?, told = ? WHERE id = ?', used, threshold ?? meter.told, id)
    if (threshold === null) return
    const event = limitThresholdEvent({ ...meter, used, resetsAtMs: meter.endsAtMs }, threshold, atMs)
    await insertEvents(sql, [event], ['ops'])
  })
}

/** Wrong: what was told is read before the transaction, and the event has another id each time. */
async function spendCarelessly(dbs: readonly Database[], id: string, amount: bigint, atMs: number): Promise<void> {
  const before = await Promise.all(dbs.map((db) => loadMeter(db, id)))
  await Promise.all(
    dbs.map((db, process) =>
      db.write(async (sql) => {
        const { told = 0 } = before[process] ?? {}
        const meter = await meterIn(sql, id)
        const used = nanoUsd(meter.settled + amount)
        const threshold = crossedThreshold(told, used, meter.limit)
        await sql.run('UPDATE meter SET settled = ?, told = ? WHERE id = ?', used, threshold ?? told, id)
        if (threshold === null) return
        const event = limitThresholdEvent({ ...meter, used, resetsAtMs: null }, threshold, atMs)
        await insertEvents(sql, [{ ...event, id: eventId(event.id, process, Number(used)) }], ['ops'])
      }),
    ),
  )
}

/** `meter threshold` of each event that the books hold. */
async function toldIn(db: Database): Promise<string[]> {
  const rows = await db.all<{ payload: string }>('SELECT payload FROM event')
  return rows
    .map(({ payload }) => JSON.parse(payload) as { subject: string; threshold: number })
    .map(({ subject, threshold }) => `${subject} ${threshold}`)
    .sort()
}

const each = (subject: string) => ['100', '50', '80', '95'].map((threshold) => `${subject} ${threshold}`)

forEachEngine((engine) => {
  describe('a threshold', () => {
    test('of a window is told once by two processes, across a restart, and again in the next window', async (t) => {
      const { open } = await engine.createStore(t)
      let processes = [await open(), await open()]
      const reader = await open()
      const world = createWorld(t, reader)
      const receiver = await startReceiver(t)
      world.webhooks = [webhookTo(receiver.url)]
      for (const meter of ['first', 'second']) {
        await addMeter(reader, meter)
        const deliverers = processes.map((database) => world.deliverer({ database, closeGraceMs: 30_000 }))
        for (let round = 0; round < 60; round++) {
          // Past the limit: nothing more may be told then, however often.
          await Promise.all(processes.map((db) => spend(db, meter, 10_000n, world.now())))
          if (round !== 24) continue
          // At half the way both stop, with deliveries under way, and others start.
          await Promise.all(deliverers.splice(0).map((deliverer) => deliverer.close()))
          processes = [await open(), await open()]
          deliverers.push(...processes.map((database) => world.deliverer({ database, closeGraceMs: 30_000 })))
        }
        for (const deliverer of deliverers) deliverer.wake()
        await world.settled()
        await Promise.all(deliverers.map((deliverer) => deliverer.close()))
      }
      const expected = [...each('first'), ...each('second')]
      assert.deepEqual(await toldIn(reader), expected)
      const told = receiver.received.map(({ body }) => {
        const { data } = JSON.parse(body) as { data: { subject: string; threshold: number } }
        return `${data.subject} ${data.threshold}`
      })
      assert.deepEqual(told.sort(), expected)
      await until('all are in the log', () => world.lines.length >= expected.length)
      const levels = world.lines.map(({ level, event }) => {
        const { data } = event as { data: { subject: string; threshold: number } }
        return [`${data.subject} ${data.threshold}`, level] as const
      })
      assert.deepEqual(levels.map(([name]) => name).sort(), expected)
      for (const [name, level] of levels) assert.equal(level, /95|100/.test(name) ? LEVEL.warn : LEVEL.info, name)
    })

    test('that processes tell carelessly is told twice: this check would see it', async (t) => {
      const databases = await engine.openDatabases(t, 2)
      const [reader] = databases
      assert.ok(reader)
      await addMeter(reader, 'first')
      for (let round = 0; round < 60; round++) await spendCarelessly(databases, 'first', 10_000n, 0)
      const told = await toldIn(reader)
      assert.ok(told.length > 4, told.join(', '))
    })

    test('of a balance is told once per credit, however small the steps and however often two processes settle', async (t) => {
      const databases = await engine.openDatabases(t, 2)
      const [reader] = databases
      assert.ok(reader)
      await reader.run("INSERT INTO workspace (id, name, created_at) VALUES (?, 'w', 0)", WORKSPACE)
      await reader.run("INSERT INTO account (id, workspace_id, kind) VALUES ('acc_1', ?, 'balance')", WORKSPACE)
      for (const creditId of ['grant_1', 'grant_2']) {
        await creditTo(reader, LIMIT)
        for (let round = 0; round < 60; round++) {
          await Promise.all(databases.map((db) => settle(db, creditId, 10_000n)))
        }
      }
      const rows = await reader.all<{ id: string }>('SELECT id FROM event')
      assert.deepEqual(
        rows.map(({ id }) => id).sort(),
        [...each('grant_1'), ...each('grant_2')].map((name) => `t:acc_1:${name.replace(' ', ':')}`),
      )
      const deliveries = await reader.all<{ receiver: string }>('SELECT receiver FROM delivery')
      assert.equal(deliveries.filter(({ receiver }) => receiver === LOG_RECEIVER).length, 8)
    })
  })
})

async function creditTo(db: Database, amount: bigint): Promise<void> {
  await db.write((sql) => sql.run('UPDATE account SET posted = ?, credited = ?, told = 0', amount, amount), {
    opensLedger: true,
  })
}

/** Takes an amount, or what is left, of the only balance. */
async function settle(db: Database, creditId: string, amount: bigint): Promise<void> {
  await db.write(
    async (sql) => {
      const row = await sql.get<{ posted: bigint; credited: bigint; told: bigint }>(
        "SELECT posted, credited, told FROM account WHERE id = 'acc_1' /*postgres FOR UPDATE*/",
      )
      assert.ok(row)
      const posted = row.posted < amount ? 0n : row.posted - amount
      const [used, limit] = [nanoUsd(row.credited - posted), nanoUsd(row.credited)]
      const threshold = crossedThreshold(Number(row.told), used, limit)
      await sql.run("UPDATE account SET posted = ?, told = ? WHERE id = 'acc_1'", posted, threshold ?? row.told)
      if (threshold === null) return
      const use = { accountId: 'acc_1', creditId, workspaceId: WORKSPACE, used, limit }
      const events: NewEvent[] = [balanceThresholdEvent(use, threshold, 0)]
      await insertEvents(sql, events, [])
    },
    { opensLedger: true },
  )
}
