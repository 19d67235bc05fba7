import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { hashKey, isWellFormedKey } from '../domain/api-key.ts'
import { loadBalance } from '../store/account.ts'
import type { Database } from '../store/database.ts'
import { loadKeyOwner } from '../store/key.ts'
import { openDatabase } from '../store/open-database.ts'
import { auditLedger } from './audit.ts'
import { listCredit } from './credit.ts'
import { databasePath, ensureInstanceSecrets, loadInstanceSecrets, prepareDataDir } from './instance.ts'
import { listKeys } from './key.ts'
import { setUpInstance } from './setup.ts'
import { cutFirstCommit } from './test-cut.ts'
import { NOON_MS } from './test-instance.ts'
import { findWorkspace } from './workspace.ts'

const TRAIL_KEY = 'the key of the trail'
const TABLES = ['workspace', 'member', 'api_key', 'account', 'transfer', 'entry', 'credit_grant', 'seat'] as const

function emptyDataDir(t: TestContext): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'zendo-setup-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  return dataDir
}

async function open(t: TestContext, dataDir: string): Promise<Database> {
  const db = await openDatabase({ path: databasePath(dataDir) }, { nowMs: NOON_MS })
  t.after(() => db.close())
  return db
}

async function countRows(db: Database): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const table of TABLES) {
    counts[table] = Number((await db.get<{ n: bigint }>(`SELECT COUNT(*) AS n FROM ${table}`))?.n)
  }
  return counts
}

/** Workspace, admin, key, five accounts, the grant with its two entries, and a seat. */
const WHOLE = { workspace: 1, member: 1, api_key: 1, account: 5, transfer: 1, entry: 2, credit_grant: 1, seat: 1 }

describe('first start', () => {
  it('makes everything that a first request needs, and the books balance', async (t) => {
    const db = await open(t, emptyDataDir(t))
    const setup = await setUpInstance(db, { nowMs: NOON_MS, randomBytes, trailKey: TRAIL_KEY })
    assert.ok(setup.created)
    assert.deepEqual(await findWorkspace(db, 'default'), setup.workspace)
    assert.ok(isWellFormedKey(setup.key))
    const owner = await loadKeyOwner(db, hashKey(setup.key))
    assert.deepEqual([owner?.memberId, owner?.role], [setup.memberId, 'admin'])
    assert.deepEqual(owner?.scopes, ['inference', 'read'], 'it sees what the instance did, and changes nothing')
    assert.deepEqual(owner?.seats, [{ id: setup.seatId, planId: 'go', useBalance: false, startedAtMs: NOON_MS }])
    assert.equal((await loadBalance(db, setup.workspace.id))?.posted, 5_000_000_000n)
    const { lots } = await listCredit(db, setup.workspace.id, NOON_MS)
    assert.deepEqual(
      lots.map(({ source, amount, remaining }) => [source, amount, remaining]),
      [['demo', 5_000_000_000n, 5_000_000_000n]],
    )
    assert.equal((await listKeys(db, setup.workspace.id))[0]?.name, 'first key')
    assert.deepEqual(await countRows(db), WHOLE)
    assert.deepEqual((await auditLedger(db, { nowMs: NOON_MS })).differences, [])
  })

  it('happens once: later starts change nothing and return no secret', async (t) => {
    const db = await open(t, emptyDataDir(t))
    await setUpInstance(db, { nowMs: NOON_MS, randomBytes, trailKey: TRAIL_KEY })
    assert.deepEqual(await setUpInstance(db, { nowMs: NOON_MS + 1, randomBytes, trailKey: TRAIL_KEY }), {
      created: false,
    })
    assert.deepEqual(await countRows(db), WHOLE)
  })

  it('stores the key nowhere in plain text', async (t) => {
    const dataDir = emptyDataDir(t)
    const db = await open(t, dataDir)
    const setup = await setUpInstance(db, { nowMs: NOON_MS, randomBytes, trailKey: TRAIL_KEY, dataDir })
    assert.ok(setup.created)
    await db.script('PRAGMA wal_checkpoint(TRUNCATE)')
    assert.equal(readFileSync(databasePath(dataDir)).includes(setup.key), false)
  })

  it('two starts at once make one workspace', async (t) => {
    const dataDir = emptyDataDir(t)
    const databases = [await open(t, dataDir), await open(t, dataDir)]
    const setups = await Promise.all(
      databases.map((db) => setUpInstance(db, { nowMs: NOON_MS, randomBytes, trailKey: TRAIL_KEY })),
    )
    assert.deepEqual(setups.map(({ created }) => created).sort(), [false, true])
  })

  it('whose commit was not answered shows its key all the same, whether or not it stands', async (t) => {
    for (const isCommitted of [true, false]) {
      const db = await open(t, emptyDataDir(t))
      const setup = await setUpInstance(cutFirstCommit(db, isCommitted), {
        nowMs: NOON_MS,
        randomBytes,
        trailKey: TRAIL_KEY,
      })
      assert.ok(setup.created)
      assert.equal((await loadKeyOwner(db, hashKey(setup.key)))?.keyId, setup.keyId)
      assert.deepEqual(await countRows(db), WHOLE)
    }
  })

  it('killed anywhere in the middle, it leaves nothing, and the next start does it whole', {
    timeout: 60_000,
  }, async (t) => {
    let killed = 0
    for (let statement = 1; ; statement++) {
      const dataDir = emptyDataDir(t)
      if (!isKilledAt(statement, dataDir)) break
      killed++
      const db = await open(t, dataDir)
      assert.deepEqual(new Set(Object.values(await countRows(db))), new Set([0]), `killed at statement ${statement}`)
      assert.equal(
        (await setUpInstance(db, { nowMs: NOON_MS, randomBytes, trailKey: TRAIL_KEY, dataDir })).created,
        true,
      )
      assert.deepEqual(await countRows(db), WHOLE)
    }
    // System accounts, workspace, member, balance, lot, transfer, entries, two accounts, seat, key, and the commit.
    assert.ok(killed >= 12, `only ${killed} places were tried`)
  })
})

/** Runs a first start in a process that kills itself before its nth write. Returns whether it came that far. */
function isKilledAt(statement: number, dataDir: string): boolean {
  const script = `
    import { randomBytes } from 'node:crypto'
    import { databasePath } from ${url('./instance.ts')}
    import { setUpInstance } from ${url('./setup.ts')}
    import { openDatabase } from ${url('../store/open-database.ts')}
    const db = await openDatabase({ path: databasePath(${JSON.stringify(dataDir)}) }, { nowMs: ${NOON_MS} })
    let left = ${statement}
    const step = () => { if (--left === 0) process.kill(process.pid, 'SIGKILL') }
    const dying = (sql) => ({
      ...sql,
      run: (...a) => (step(), sql.run(...a)),
      runEach: (...a) => (step(), sql.runEach(...a)),
    })
    const write = (work, options) => db.write(async (sql) => {
      const result = await work(dying(sql))
      step()
      return result
    }, options)
    await setUpInstance({ ...db, write }, { nowMs: ${NOON_MS}, randomBytes, trailKey: '${TRAIL_KEY}', dataDir: ${JSON.stringify(dataDir)} })
    await db.close()`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  if (child.signal === 'SIGKILL') return true
  assert.equal(child.status, 0, child.stderr)
  return false
}

function url(file: string): string {
  return JSON.stringify(new URL(file, import.meta.url).href)
}

describe('instance secrets', () => {
  it('are made once, for the owner alone, and stay the same', (t) => {
    const dataDir = join(emptyDataDir(t), 'deep', 'data')
    prepareDataDir(dataDir)
    const made = ensureInstanceSecrets(dataDir, randomBytes)
    assert.equal(Buffer.from(made.addressSalt, 'base64url').length, 32)
    assert.deepEqual(ensureInstanceSecrets(dataDir, randomBytes), made)
    assert.deepEqual(loadInstanceSecrets(dataDir), made)
    assert.equal(statSync(join(dataDir, 'secrets.json')).mode & 0o777, 0o600)
    assert.equal(statSync(dataDir).mode & 0o777, 0o700)
  })

  it('made by several processes at once are the same for all', async (t) => {
    const dataDir = emptyDataDir(t)
    prepareDataDir(dataDir)
    const made = await Promise.all([1, 2, 3, 4].map(() => secretsOfProcess(dataDir)))
    assert.deepEqual(new Set(made), new Set([JSON.stringify(loadInstanceSecrets(dataDir))]))
    assert.deepEqual(readdirSync(dataDir), ['secrets.json'])
  })

  it('half a file from a crash is not taken for secrets', (t) => {
    const dataDir = emptyDataDir(t)
    writeFileSync(join(dataDir, 'secrets.json.tmp'), '{"addressSa')
    const made = ensureInstanceSecrets(dataDir, randomBytes)
    assert.deepEqual(loadInstanceSecrets(dataDir), made)
  })

  it('a damaged file is refused by name, not replaced', (t) => {
    const dataDir = emptyDataDir(t)
    mkdirSync(dataDir, { recursive: true })
    for (const content of ['', '{"addressSalt', 'null', '{}', '{"addressSalt":"c2hvcnQ"}']) {
      writeFileSync(join(dataDir, 'secrets.json'), content)
      assert.throws(() => ensureInstanceSecrets(dataDir, randomBytes), /secrets\.json/)
      assert.equal(readFileSync(join(dataDir, 'secrets.json'), 'utf8'), content)
    }
  })

  it('missing secrets are an error, not an empty salt', (t) => {
    assert.throws(() => loadInstanceSecrets(emptyDataDir(t)), /secrets\.json/)
  })
})

/** Makes the secrets in a process of its own, at an instant at which the others do, too. */
async function secretsOfProcess(dataDir: string): Promise<string> {
  const script = `
    import { randomBytes } from 'node:crypto'
    import { ensureInstanceSecrets } from ${url('./instance.ts')}
    const slow = (count) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
      return randomBytes(count)
    }
    process.stdout.write(JSON.stringify(ensureInstanceSecrets(${JSON.stringify(dataDir)}, slow)))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  return await text(child.stdout)
}
