import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import { AppError } from '../base/errors.ts'
import { parseUsd, WEIGHT_ONE } from '../base/money.ts'
import { NO_USAGE } from '../base/usage.ts'
import { CHARGE_POLICY_VERSION } from '../domain/charge-policy.ts'
import type { EndCommand } from '../ledger/command.ts'
import { openSpill } from '../ledger/spill.ts'
import { lockDataDir } from '../store/lock.ts'
import { listMetersOf } from '../store/meter.ts'
import { openSqlite } from '../store/sqlite.ts'
import { makeBackup } from './backup.ts'
import { databasePath } from './instance.ts'
import { type RestoreReport, restoreBackup } from './restore.ts'
import { balanceIdOf, createTestInstance, endSample, holdSample, NOON_MS, type TestInstance } from './test-instance.ts'

const SEED = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 1_000_000)

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-restore-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A few requests that ended, and one under way. */
async function createUsedInstance(t: TestContext): Promise<TestInstance> {
  const instance = await createTestInstance(t)
  for (let n = 0; n < 12; n++) {
    const sample = { id: `req_${n}`, funding: n % 2 ? 'plan' : 'balance', hold: parseUsd('0.1') } as const
    await holdSample(instance, sample)
    await endSample(instance, sample, { usage: { ...NO_USAGE, output: 1000 + n } })
  }
  await holdSample(instance, { id: 'req_open', funding: 'balance' })
  return instance
}

async function backUp(t: TestContext, instance: TestInstance): Promise<string> {
  const file = join(temporaryDirectory(t), 'backup.sqlite')
  const place = { path: databasePath(instance.dataDir) }
  await makeBackup({ place, dataDir: instance.dataDir, file, nowMs: NOON_MS })
  return file
}

function restore(file: string, dataDir: string, force = false): Promise<RestoreReport> {
  return restoreBackup({ file, place: { path: databasePath(dataDir) }, dataDir, force, nowMs: NOON_MS + 60_000 })
}

const PAGE_BYTES = 4096

/** What a directory holds of databases. */
function databasesIn(dataDir: string): string[] {
  return readdirSync(dataDir)
    .filter((name) => name.startsWith('zendo.db'))
    .sort()
}

describe('a restored backup', () => {
  it('has every row, charges nothing for what was under way, and gives back what that held', async (t) => {
    const instance = await createUsedInstance(t)
    const dataDir = temporaryDirectory(t)
    const report = await restore(await backUp(t, instance), dataDir)
    assert.deepEqual([report.settled, report.released, report.audit.differences, report.rejected], [0, 1, [], null])
    assert.equal(report.audit.figures.held_nano, '0')
    assert.deepEqual([report.digests.request?.rows, report.audit.checked.held], [13, 0])
    assert.deepEqual(databasesIn(dataDir), ['zendo.db'])
  })

  it('has the charges that its database had not taken yet', async (t) => {
    const instance = await createUsedInstance(t)
    const spill = await openSpill(join(instance.dataDir, 'spill-0.bin'))
    await spill.append(await endOfOpenRequest(instance))
    await spill.close()
    const dataDir = temporaryDirectory(t)
    const report = await restore(await backUp(t, instance), dataDir)
    assert.deepEqual([report.settled, report.released, report.audit.differences], [1, 0, []])
    const db = await openSqlite(databasePath(dataDir), { nowMs: NOON_MS })
    t.after(() => db.close())
    const row = await db.get('SELECT state, charged FROM request WHERE id = ?', 'req_open')
    assert.deepEqual({ ...(row as object) }, { state: 'settled', charged: 4_400_000n })
  })

  it('that would not pass its audit is not put in place, but lies where its name says', async (t) => {
    const instance = await createUsedInstance(t)
    await instance.db.write((sql) => sql.run("UPDATE account SET posted = posted + 1 WHERE kind = 'balance'"), {
      opensLedger: true,
    })
    const dataDir = temporaryDirectory(t)
    const report = await restore(await backUp(t, instance), dataDir)
    assert.ok(report.audit.differences.some(({ rule }) => rule === 'account_posted'))
    assert.deepEqual(databasesIn(dataDir), ['zendo.db.rejected-20261120T120100Z'])
    assert.equal(report.rejected, join(dataDir, 'zendo.db.rejected-20261120T120100Z'))
  })
})

async function endOfOpenRequest({ db, setup }: TestInstance): Promise<EndCommand> {
  const workspaceId = setup.workspace.id
  const cost = parseUsd('0.0044')
  return {
    kind: 'end',
    holding: {
      ...{ requestId: 'req_open', workspaceId, funding: 'balance', weightPpm: WEIGHT_ONE },
      ...{ accountId: await balanceIdOf(db, workspaceId), meters: await listMetersOf(db, 'req_open') },
    },
    end: {
      ...{ id: 'req_open', endedBy: 'node_test', state: 'settled', cost, charged: cost, outcome: 'complete' },
      ...{
        policyVersion: CHARGE_POLICY_VERSION,
        estimated: false,
        status: 200,
        errorCode: null,
        provider: 'acme',
        upstreamId: null,
      },
      ...{ upstreamProtocol: null, warnings: null, usage: { ...NO_USAGE, output: 1000 } },
      ...{ firstByteAtMs: NOON_MS, endedAtMs: NOON_MS + 1000 },
      attempts: [
        { provider: 'acme', status: 200, outcome: 'complete', startedAtMs: NOON_MS, endedAtMs: NOON_MS + 1000 },
      ],
    },
  }
}

describe('a restore', () => {
  it('leaves a database that is there alone, and by force puts it aside whole', async (t) => {
    const instance = await createUsedInstance(t)
    const file = await backUp(t, instance)
    const dataDir = temporaryDirectory(t)
    await restore(file, dataDir)
    await addGrantNote(dataDir, 'the one of before')
    await assert.rejects(restore(file, dataDir), {
      code: 'invalid_request',
      message: /there is a database at .*--force/,
    })
    const { kept } = await restore(file, dataDir, true)
    assert.deepEqual(databasesIn(dataDir), ['zendo.db', 'zendo.db.before-20261120T120100Z'])
    assert.deepEqual(kept, [join(dataDir, 'zendo.db.before-20261120T120100Z')])
    assert.deepEqual(await notesIn(kept[0] ?? ''), ['the one of before'])
    assert.deepEqual(await notesIn(databasePath(dataDir)), ['demo credit'])
  })

  it('takes what was put aside back, with the log of a database that was not closed', async (t) => {
    const instance = await createUsedInstance(t)
    await addGrantNote(instance.dataDir, 'in the log')
    const file = join(temporaryDirectory(t), 'left.db')
    for (const suffix of ['', '-wal']) copyFileSync(databasePath(instance.dataDir) + suffix, file + suffix)
    const dataDir = temporaryDirectory(t)
    const report = await restore(file, dataDir)
    assert.deepEqual([report.record, report.audit.differences], [undefined, []])
    assert.deepEqual(await notesIn(databasePath(dataDir)), ['in the log'])
  })

  it('is refused while a server has the directory', async (t) => {
    const file = await backUp(t, await createUsedInstance(t))
    const dataDir = temporaryDirectory(t)
    const release = lockDataDir(dataDir)
    t.after(release)
    await assert.rejects(restore(file, dataDir, true), /another Zendo server/)
    assert.deepEqual(databasesIn(dataDir), [])
  })

  it('is refused over charges that are only in a spill; by force these are kept, and charge nobody', async (t) => {
    const instance = await createUsedInstance(t)
    const file = await backUp(t, instance)
    const dataDir = temporaryDirectory(t)
    const spill = await openSpill(join(dataDir, 'spill-0.bin'))
    await spill.append(await endOfOpenRequest(instance))
    await spill.close()
    await assert.rejects(restore(file, dataDir), { code: 'invalid_request', message: /charges that its database/ })
    const { kept, settled } = await restore(file, dataDir, true)
    assert.deepEqual([kept, settled], [[join(dataDir, 'spill-0.bin.before-20261120T120100Z')], 0])
    assert.equal(existsSync(join(dataDir, 'spill-0.bin')), false)
  })

  it('refuses what is no instance, or of a newer schema, and leaves nothing behind', async (t) => {
    const dataDir = temporaryDirectory(t)
    const other = join(temporaryDirectory(t), 'other.db')
    const foreign = new DatabaseSync(other)
    foreign.exec('CREATE TABLE song (title TEXT)')
    foreign.close()
    await assert.rejects(restore(other, dataDir), { code: 'invalid_request', message: /holds no instance of Zendo/ })
    await assert.rejects(restore(`${other}.none`, dataDir), { code: 'invalid_request', message: /there is no file/ })
    const instance = await createUsedInstance(t)
    await instance.db.run("INSERT INTO migration (version, name, checksum, applied_at) VALUES (99, 'x', 'x', 1)")
    await assert.rejects(restore(await backUp(t, instance), dataDir), /schema 99, newer than this version/)
    assert.deepEqual(databasesIn(dataDir), [])
  })
})

async function addGrantNote(dataDir: string, note: string): Promise<void> {
  const db = await openSqlite(databasePath(dataDir), { nowMs: NOON_MS })
  await db.run('UPDATE credit_grant SET note = ?', note)
  await db.close()
}

async function notesIn(path: string): Promise<string[]> {
  const db = await openSqlite(path, { nowMs: NOON_MS })
  const rows = await db.all<{ note: string }>('SELECT note FROM credit_grant')
  await db.close()
  return rows.map(({ note }) => note)
}

describe('a damaged backup', () => {
  it(`is refused, or has lost nothing: flipped bits, zeroed pages, cut ends (seed ${SEED})`, async (t) => {
    const instance = await createUsedInstance(t)
    const whole = await backUp(t, instance)
    const expected = (await restore(whole, temporaryDirectory(t))).digests
    const random = randomFrom(SEED)
    const size = readFileSync(whole).length
    const outcomes = { refused: 0, harmless: 0 }
    for (let round = 0; round < 60; round++) {
      const file = `${whole}.${round}`
      copyFileSync(whole, file)
      damage(file, size, round, random)
      const dataDir = temporaryDirectory(t)
      try {
        const { digests, rejected } = await restore(file, dataDir)
        assert.equal(rejected, null, `round ${round}: damage must be noticed before the audit`)
        assert.deepEqual(digests, expected, `round ${round} has lost something`)
        outcomes.harmless++
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        assert.equal(error.code, 'invalid_request', `round ${round}: ${error.message}`)
        assert.match(error.message, /is damaged and cannot be restored|holds no instance/)
        assert.deepEqual(databasesIn(dataDir), [])
        outcomes.refused++
      }
    }
    assert.ok(outcomes.refused >= 20, `only ${outcomes.refused} of 60 were refused`)
  })

  it('is known by one missing trigger, or one letter of a note, which no check of pages sees', async (t) => {
    const file = await backUp(t, await createUsedInstance(t))
    const db = new DatabaseSync(file)
    db.exec('DROP TRIGGER price_version_is_kept')
    db.close()
    await assert.rejects(restore(file, temporaryDirectory(t)), /what it holds of sqlite_schema has changed/)
    const other = await backUp(t, await createUsedInstance(t))
    const bytes = readFileSync(other)
    const at = bytes.indexOf('demo credit')
    bytes[at] = 'D'.charCodeAt(0)
    writeFileSync(other, bytes)
    await assert.rejects(restore(other, temporaryDirectory(t)), /what it holds of credit_grant has changed/)
  })
})

/** A third of the rounds each: a bit, a page, the end. */
function damage(file: string, size: number, round: number, random: (below: number) => number): void {
  if (round % 3 === 2) {
    truncateSync(file, random(size))
    return
  }
  const bytes = readFileSync(file)
  if (round % 3 === 0) {
    const at = random(size)
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random(8)), at)
  } else {
    const page = random(size / PAGE_BYTES) * PAGE_BYTES
    bytes.fill(0, page, page + PAGE_BYTES)
  }
  writeFileSync(file, bytes)
}

/** The same numbers for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
}
