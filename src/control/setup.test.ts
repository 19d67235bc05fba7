import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { hashKey, isWellFormedKey } from '../domain/api-key.ts'
import { loadBalance } from '../store/account.ts'
import { type Database, openDatabase } from '../store/database.ts'
import { loadKeyOwner } from '../store/key.ts'
import { auditLedger } from './audit.ts'
import { databasePath, ensureInstanceSecrets, loadInstanceSecrets, prepareDataDir } from './instance.ts'
import { setUpInstance } from './setup.ts'
import { NOON_MS } from './test-instance.ts'

const TABLES = ['workspace', 'member', 'api_key', 'account', 'transfer', 'entry', 'credit_grant', 'seat'] as const

function emptyDataDir(t: TestContext): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'zendo-setup-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  return dataDir
}

function open(t: TestContext, dataDir: string): Database {
  const db = openDatabase(databasePath(dataDir), { nowMs: NOON_MS })
  t.after(() => db.close())
  return db
}

function countRows(db: Database): Record<string, number> {
  return Object.fromEntries(
    TABLES.map((table) => [table, Number(db.get<{ n: bigint }>(`SELECT COUNT(*) AS n FROM ${table}`)?.n)]),
  )
}

/** Workspace, admin, key, four accounts, the grant with its two entries, and a seat. */
const WHOLE = { workspace: 1, member: 1, api_key: 1, account: 4, transfer: 1, entry: 2, credit_grant: 1, seat: 1 }

describe('first start', () => {
  it('makes everything that a first request needs, and the books balance', (t) => {
    const db = open(t, emptyDataDir(t))
    const setup = setUpInstance(db, { nowMs: NOON_MS, randomBytes })
    assert.ok(setup.created)
    assert.equal(setup.workspace.name, 'default')
    assert.ok(isWellFormedKey(setup.key))
    const owner = loadKeyOwner(db, hashKey(setup.key))
    assert.equal(owner?.memberId, setup.memberId)
    assert.deepEqual(owner?.seats, [{ id: setup.seatId, planId: 'go', useBalance: false, startedAtMs: NOON_MS }])
    assert.equal(loadBalance(db, setup.workspace.id)?.posted, 5_000_000_000n)
    assert.deepEqual(db.get('SELECT source, amount FROM credit_grant'), {
      __proto__: null,
      source: 'demo',
      amount: 5_000_000_000n,
    })
    assert.deepEqual(db.get('SELECT role FROM member'), { __proto__: null, role: 'admin' })
    assert.deepEqual(db.get('SELECT name FROM api_key'), { __proto__: null, name: 'first key' })
    assert.deepEqual(countRows(db), WHOLE)
    assert.deepEqual(auditLedger(db, { nowMs: NOON_MS }).differences, [])
  })

  it('happens once: later starts change nothing and return no secret', (t) => {
    const db = open(t, emptyDataDir(t))
    setUpInstance(db, { nowMs: NOON_MS, randomBytes })
    assert.deepEqual(setUpInstance(db, { nowMs: NOON_MS + 1, randomBytes }), { created: false })
    assert.deepEqual(countRows(db), WHOLE)
  })

  it('stores the key nowhere in plain text', (t) => {
    const dataDir = emptyDataDir(t)
    const db = open(t, dataDir)
    const setup = setUpInstance(db, { nowMs: NOON_MS, randomBytes, dataDir })
    assert.ok(setup.created)
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    assert.equal(readFileSync(databasePath(dataDir)).includes(setup.key), false)
  })

  it('two starts at once make one workspace', (t) => {
    const dataDir = emptyDataDir(t)
    const [first, second] = [open(t, dataDir), open(t, dataDir)]
    const results = [first, second].map((db) => setUpInstance(db, { nowMs: NOON_MS, randomBytes }).created)
    assert.deepEqual(results, [true, false])
  })

  it('killed anywhere in the middle, it leaves nothing, and the next start does it whole', { timeout: 60_000 }, (t) => {
    let killed = 0
    for (let statement = 1; ; statement++) {
      const dataDir = emptyDataDir(t)
      if (!isKilledAt(statement, dataDir)) break
      killed++
      const db = open(t, dataDir)
      assert.deepEqual(new Set(Object.values(countRows(db))), new Set([0]), `killed at statement ${statement}`)
      assert.equal(setUpInstance(db, { nowMs: NOON_MS, randomBytes, dataDir }).created, true)
      assert.deepEqual(countRows(db), WHOLE)
    }
    // Begin, three system accounts, workspace, member, balance, grant, transfer, two entries with accounts, seat, key.
    assert.ok(killed >= 13, `only ${killed} places were tried`)
  })
})

/** Runs a first start in a process that kills itself before its nth write. Returns whether it came that far. */
function isKilledAt(statement: number, dataDir: string): boolean {
  const script = `
    import { randomBytes } from 'node:crypto'
    import { databasePath } from ${url('./instance.ts')}
    import { setUpInstance } from ${url('./setup.ts')}
    import { openDatabase } from ${url('../store/database.ts')}
    const db = openDatabase(databasePath(${JSON.stringify(dataDir)}), { nowMs: ${NOON_MS} })
    let left = ${statement}
    const step = () => { if (--left === 0) process.kill(process.pid, 'SIGKILL') }
    const dying = { ...db, run: (...a) => (step(), db.run(...a)), exec: (sql) => (step(), db.exec(sql)) }
    setUpInstance(dying, { nowMs: ${NOON_MS}, randomBytes, dataDir: ${JSON.stringify(dataDir)} })`
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
