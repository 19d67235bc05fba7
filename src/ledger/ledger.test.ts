import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { pino } from 'pino'
import { until } from '../../test/support/until.ts'
import { type Database, storageFailure } from '../store/database.ts'
import { openTestDatabase } from '../store/test-database.ts'
import { UnknownOutcome } from '../store/unknown-outcome.ts'
import type { HoldCommand, Holding } from './command.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { holdingOf } from './release.ts'
import { openSpill, readSpill, type Spill } from './spill.ts'
import { balanceOf, endOf, furnish, grant, holdOf } from './test-ledger.ts'

interface Scene {
  readonly db: Database
  readonly ledger: Ledger
  readonly spillPath: string
  /** What becomes of each transaction: it is done unless there is a fault, or it ends the refused request. */
  readonly line: { fault: 'down' | 'unanswered' | null; transactions: number; clears: number; refused: string | null }
}

/** A ledger over a line that the test may cut. */
async function openScene(t: TestContext): Promise<Scene> {
  const db = await openTestDatabase(t)
  await furnish(db, 'a')
  await grant(db, 'a', 1000n)
  const line: Scene['line'] = { fault: null, transactions: 0, clears: 0, refused: null }
  const write: Database['write'] = async (work, options) => {
    if (line.fault === 'down') throw storageFailure(new Error('the line is cut'))
    line.transactions++
    const result = await db.write(work, options)
    if (line.fault === 'unanswered') throw new UnknownOutcome('the line is cut')
    return result
  }
  const directory = mkdtempSync(join(tmpdir(), 'zendo-ledger-'))
  const spillPath = join(directory, 'spill.bin')
  const spill = await openSpill(spillPath)
  const watched: Spill = {
    ...spill,
    clear() {
      line.clears++
      return spill.clear()
    },
  }
  const log = pino({ enabled: false })
  const ledger = createLedger({
    ...{ database: { ...db, write }, spill: watched, receivers: () => [], log, spillMs: 100 },
    observe(commands) {
      const isRefused = commands.some(
        ({ kind, ...rest }) => kind === 'end' && 'end' in rest && rest.end.id === line.refused,
      )
      if (isRefused) throw storageFailure(new Error('the line is cut'))
    },
  })
  t.after(async () => {
    Object.assign(line, { fault: null, refused: null })
    await ledger.close()
    await spill.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return { db, ledger, spillPath, line }
}

async function admit(ledger: Ledger, command: HoldCommand): Promise<Holding> {
  const result = await ledger.hold(command)
  assert.ok(result.ok)
  return holdingOf(command, result)
}

describe('the ledger', () => {
  it('does what comes together in one transaction', async (t) => {
    const { ledger, line, db } = await openScene(t)
    const results = await Promise.all(Array.from({ length: 12 }, (_, n) => ledger.hold(holdOf(`req_${n}`))))
    assert.equal(results.filter(({ ok }) => ok).length, 10)
    assert.equal(line.transactions, 1)
    assert.deepEqual(await balanceOf(db), [1000n, 1000n])
  })

  it('refuses a hold that cannot be written, and holds nothing', async (t) => {
    const { ledger, line, db } = await openScene(t)
    line.fault = 'down'
    await assert.rejects(ledger.hold(holdOf('req_1')), { code: 'storage_unavailable' })
    assert.equal(ledger.isOpen('req_1'), false)
    assert.deepEqual(await balanceOf(db), [1000n, 0n])
  })

  it('keeps an end that cannot be written in the spill, and writes it when it can', async (t) => {
    const { ledger, line, db, spillPath } = await openScene(t)
    const holding = await admit(ledger, holdOf('req_1'))
    line.fault = 'down'
    assert.deepEqual(await ledger.end(endOf(holding, 30n)), { kind: 'ended', charged: 30n })
    assert.deepEqual(readSpill(spillPath), [endOf(holding, 30n)])
    assert.deepEqual(await balanceOf(db), [1000n, 100n])
    line.fault = null
    await until('the end is written', async () => (await balanceOf(db))[1] === 0n, 5000)
    assert.deepEqual(await balanceOf(db), [970n, 0n])
    await until('the spill is forgotten', () => readSpill(spillPath).length === 0, 5000)
    assert.equal(ledger.isOpen('req_1'), false)
  })

  it('charges an end once whose commit was not answered', async (t) => {
    const { ledger, line, db } = await openScene(t)
    const holding = await admit(ledger, holdOf('req_1'))
    line.fault = 'unanswered'
    assert.deepEqual(await ledger.end(endOf(holding, 30n)), { kind: 'ended', charged: 30n })
    line.fault = null
    await until('it knows of the end', () => !ledger.isOpen('req_1'), 5000)
    assert.deepEqual(await balanceOf(db), [970n, 0n])
  })

  it('keeps the spill while an end in it is still owed', async (t) => {
    const { ledger, line, db, spillPath } = await openScene(t)
    const first = await admit(ledger, holdOf('req_1'))
    const second = await admit(ledger, holdOf('req_2'))
    line.fault = 'down'
    await ledger.end(endOf(first, 30n))
    await ledger.end(endOf(second, 40n))
    Object.assign(line, { fault: null, refused: 'req_2' })
    await until('the first arrives', async () => {
      await ledger.end(endOf(first, 30n))
      return (await balanceOf(db))[0] === 970n
    })
    assert.equal(line.clears, 0, 'the spill still has the second')
    assert.ok(readSpill(spillPath).some(({ end }) => end.id === 'req_2'))
    line.refused = null
    await until('both are written', async () => (await balanceOf(db))[1] === 0n, 5000)
    assert.deepEqual(await balanceOf(db), [930n, 0n])
  })

  it('does not let one command that cannot be done take the others with it', async (t) => {
    const { ledger, db } = await openScene(t)
    await admit(ledger, holdOf('req_1'))
    const twins = [holdOf('req_2'), holdOf('req_1'), holdOf('req_3')]
    const results = await Promise.allSettled(twins.map((command) => ledger.hold(command)))
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(await balanceOf(db), [1000n, 300n])
  })
})
