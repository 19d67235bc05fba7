/** What several processes do at once on one database happens once: the first start, seats, credit and refunds. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { addUsd, type NanoUsd, parseUsd, ZERO_USD } from '../../src/base/money.ts'
import { NO_USAGE } from '../../src/base/usage.ts'
import { grantCredit, listCredit } from '../../src/control/credit.ts'
import { refundRequest } from '../../src/control/refund.ts'
import { assignSeat, endAssignedSeat } from '../../src/control/seat-assignment.ts'
import { setUpInstance } from '../../src/control/setup.ts'
import {
  endSample,
  holdSample,
  NOON_MS,
  PLANS,
  setUpTestInstance,
  type TestInstance,
  testActing,
} from '../../src/control/test-instance.ts'
import { findWorkspace } from '../../src/control/workspace.ts'
import { updateWorkspace } from '../../src/control/workspace-settings.ts'
import { hashKey } from '../../src/domain/api-key.ts'
import { ALL_ENTRIES, listAuditRowsAfter } from '../../src/store/audit-log.ts'
import type { Database } from '../../src/store/database.ts'
import { loadKeyOwner } from '../../src/store/key.ts'
import type { DatabasePlace } from '../../src/store/open-database.ts'
import { listSeats } from '../../src/store/workspace.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'

const PROCESSES = 3

function emptyDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-races-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

interface Started {
  readonly created: boolean
  readonly key?: string
}

/** A process that opens the database, which is empty as yet, and makes its first start. */
async function startProcess(place: DatabasePlace, dataDir: string): Promise<Started> {
  const script = `
    import { randomBytes } from 'node:crypto'
    import { prepareDataDir } from ${url('control/instance.ts')}
    import { setUpInstance } from ${url('control/setup.ts')}
    import { openDatabase } from ${url('store/open-database.ts')}
    prepareDataDir(${JSON.stringify(dataDir)})
    const db = await openDatabase(${JSON.stringify(place)}, { nowMs: ${NOON_MS} })
    const { created, key } = await setUpInstance(db, { nowMs: ${NOON_MS}, randomBytes, trailKey: 'a trail key', dataDir: ${JSON.stringify(dataDir)} })
    await db.close()
    process.stdout.write(JSON.stringify({ created, key }))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(await text(child.stdout))
}

function url(file: string): string {
  return JSON.stringify(new URL(`../../src/${file}`, import.meta.url).href)
}

/** One instance, and as many connections to it as there are processes. */
async function createInstances(t: TestContext, engine: TestEngine): Promise<TestInstance[]> {
  const databases = await engine.openDatabases(t, PROCESSES)
  const [first] = databases
  if (!first) throw new Error('no database')
  const dataDir = emptyDirectory(t)
  const { setup } = await setUpTestInstance(first, { dataDir })
  return databases.map((db) => ({ db, dataDir, setup }))
}

/** All at once; resolves with those that succeeded. */
async function succeeded<T>(tries: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(tries)
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}

async function countRows(db: Database, table: 'workspace' | 'credit_grant' | 'account'): Promise<number> {
  const counts = {
    workspace: 'SELECT COUNT(*) AS n FROM workspace',
    credit_grant: 'SELECT COUNT(*) AS n FROM credit_grant',
    account: 'SELECT COUNT(*) AS n FROM account',
  }
  return Number((await db.get<{ n: bigint }>(counts[table]))?.n)
}

describe('several processes at once', () => {
  forEachEngine((engine) => {
    it('make one first start, and the one that made it knows the key', { timeout: 60_000 }, async (t) => {
      const store = await engine.createStore(t)
      const dataDir = emptyDirectory(t)
      const started = await Promise.all(Array.from({ length: PROCESSES }, () => startProcess(store.place, dataDir)))
      const made = started.filter(({ created }) => created)
      assert.equal(made.length, 1)
      const db = await store.open()
      assert.ok(await loadKeyOwner(db, hashKey(made[0]?.key ?? '')))
      assert.deepEqual(
        [await countRows(db, 'workspace'), await countRows(db, 'account'), await countRows(db, 'credit_grant')],
        [1, 5, 1],
      )
    })

    it('make one first start also when all of them have seen an empty database', async (t) => {
      const databases = await engine.openDatabases(t, PROCESSES)
      const setups = databases.map((db) => setUpInstance(db, { nowMs: NOON_MS, randomBytes, trailKey: 'a trail key' }))
      assert.equal((await Promise.all(setups)).filter(({ created }) => created).length, 1)
      const [database] = databases
      assert.ok(database)
      const rows = await listAuditRowsAfter(database, ALL_ENTRIES, { afterSeq: 0, limit: 9 })
      assert.deepEqual(
        rows.map(({ action, actorKind }) => [action, actorKind]),
        [['instance.set_up', 'system']],
      )
    })

    it('grant once for one idempotency key', async (t) => {
      const instances = await createInstances(t, engine)
      const grants = instances.map(({ db, setup }) => {
        const request = { workspaceId: setup.workspace.id, amount: parseUsd(3), note: '', idempotencyKey: 'k' }
        return grantCredit(db, testActing(), request)
      })
      const made = await Promise.all(grants)
      assert.deepEqual(made.map(({ created }) => created).sort(), [false, false, true])
      assert.deepEqual(new Set(made.map(({ posted }) => posted)), new Set([8_000_000_000n]))
    })

    it('never give back more than was charged', async (t) => {
      const instances = await createInstances(t, engine)
      const [first] = instances
      if (!first) throw new Error('no instance')
      const sample = { id: 'req_1', funding: 'balance', hold: parseUsd(5) } as const
      await holdSample(first, sample)
      await endSample(first, sample, { usage: { ...NO_USAGE, output: 1_000_000 } })
      const request = { requestId: 'req_1', amount: parseUsd('1.2'), note: 'broken answer' }
      const given = await succeeded(
        [0, 1].flatMap(() => instances.map(({ db }) => refundRequest(db, testActing(), request))),
      )
      assert.equal(given.length, 3)
      const { lots, posted } = await listCredit(first.db, first.setup.workspace.id, NOON_MS)
      const refunds = lots.filter(({ source }) => source === 'refund').map(({ amount }) => amount)
      assert.equal(refunds.reduce<NanoUsd>(addUsd, ZERO_USD), 3_600_000_000n)
      assert.equal(posted, 4_200_000_000n)
    })

    it('give a member one seat on a plan', async (t) => {
      const instances = await createInstances(t, engine)
      const [first] = instances
      if (!first) throw new Error('no instance')
      const { workspace, memberId, seatId } = first.setup
      await endAssignedSeat(first.db, testActing(), workspace.id, seatId)
      const request = { workspaceId: workspace.id, memberId, planId: 'go', useBalance: false }
      const tries = instances.map(({ db }) => assignSeat(db, testActing(), request, { plans: PLANS, bound: 'none' }))
      const made = await succeeded(tries)
      for (const one of await Promise.allSettled(tries)) {
        if (one.status === 'rejected') assert.match(String(one.reason.message), /has a seat on go/)
      }
      assert.equal(made.length, 1)
      assert.deepEqual(
        (await listSeats(first.db, workspace.id)).map(({ id }) => id),
        made.map(({ id }) => id),
      )
    })

    it('change different parts of one calendar, and none is lost', async (t) => {
      const [first, second] = await createInstances(t, engine)
      if (!first || !second) throw new Error('no instances')
      const { id } = first.setup.workspace
      for (let round = 1; round <= 5; round++) {
        const weekStart = (round % 7) + 1
        const timeZone = round % 2 ? 'Europe/Berlin' : 'Asia/Kathmandu'
        await Promise.all([
          updateWorkspace(first.db, testActing(), id, { timeZone }),
          updateWorkspace(second.db, testActing(), id, { weekStart }),
        ])
        const workspace = await findWorkspace(first.db, id)
        assert.deepEqual([workspace.timeZone, workspace.weekStart], [timeZone, weekStart])
      }
    })
  })
})
