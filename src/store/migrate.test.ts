import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Database } from './database.ts'
import { readMigrations } from './migrate.ts'
import { openSqlite } from './sqlite.ts'

const SCHEMAS = new URL('../../test/schemas/', import.meta.url)

/** The schemas of which a database is kept, each made by a server of its time. */
const RELEASED = readdirSync(SCHEMAS)
  .filter((name) => name.endsWith('.sqlite'))
  .map((name) => name.slice(0, 4))
  .sort()

function temporaryFile(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-migrate-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return join(directory, 'zendo.db')
}

/** A copy of the database that a release with that schema had left. */
async function openRelease(t: TestContext, schema: string, isMigrated?: true): Promise<Database> {
  const path = temporaryFile(t)
  copyFileSync(new URL(`${schema}.sqlite`, SCHEMAS), path)
  const db = await openSqlite(path, { nowMs: 1, ...(isMigrated ? { isMigrated } : {}) })
  t.after(() => db.close())
  return db
}

async function numberOf(db: Database, sql: string): Promise<bigint> {
  const row = await db.get<{ n: bigint }>(sql)
  assert.ok(row, sql)
  return row.n
}

for (const schema of RELEASED) {
  // Windows of plans became meters, and entries name their lots, with the third schema.
  const hasMeters = schema >= '0003'
  const [windows, requestWindows] = hasMeters ? ['meter', 'request_meter'] : ['plan_window', 'request_window']

  describe(`a database of schema ${schema}, made by the release`, () => {
    /** What must be the same before and after, whatever became of the tables. */
    const KEPT: readonly (readonly [before: string, after: string])[] = [
      ...[
        'workspace',
        'member',
        'api_key',
        'seat',
        'request',
        'attempt',
        'transfer',
        'entry',
        'credit_grant',
        'price_version',
        'anonymous_use',
      ].map((table) => [`SELECT COUNT(*) AS n FROM ${table}`, `SELECT COUNT(*) AS n FROM ${table}`] as const),
      [`SELECT COUNT(*) AS n FROM ${windows}`, 'SELECT COUNT(*) AS n FROM meter'],
      [`SELECT SUM(settled) AS n FROM ${windows}`, 'SELECT SUM(settled) AS n FROM meter'],
      [`SELECT SUM(held) AS n FROM ${windows}`, 'SELECT SUM(held) AS n FROM meter'],
      [`SELECT COUNT(*) AS n FROM ${requestWindows}`, 'SELECT COUNT(*) AS n FROM request_meter'],
      [`SELECT SUM(held) AS n FROM ${requestWindows}`, 'SELECT SUM(held) AS n FROM request_meter'],
      [`SELECT SUM(counted) AS n FROM ${requestWindows}`, 'SELECT SUM(counted) AS n FROM request_meter'],
      ['SELECT SUM(posted) AS n FROM account', 'SELECT SUM(posted) AS n FROM account'],
      ['SELECT SUM(held) AS n FROM account', 'SELECT SUM(held) AS n FROM account'],
      ['SELECT SUM(ABS(amount)) AS n FROM entry', 'SELECT SUM(ABS(amount)) AS n FROM entry'],
      ['SELECT SUM(charged) AS n FROM request', 'SELECT SUM(charged) AS n FROM request'],
      [
        "SELECT SUM(hold) AS n FROM request WHERE state = 'held'",
        "SELECT SUM(hold) AS n FROM request WHERE state = 'held'",
      ],
    ]

    it('keeps every row and every amount', async (t) => {
      const old = await openRelease(t, schema, true)
      const migrated = await openRelease(t, schema)
      for (const [before, after] of KEPT) {
        const expected = await numberOf(old, before)
        assert.equal(await numberOf(migrated, after), expected, after)
      }
      assert.ok(
        (await numberOf(old, "SELECT COUNT(*) AS n FROM request WHERE state = 'held'")) > 0n,
        'it has open holds',
      )
    })

    it('is whole: no index, reference or page is broken, and the books sum to zero', async (t) => {
      const db = await openRelease(t, schema)
      assert.deepEqual(await db.all('PRAGMA foreign_key_check'), [])
      const [integrity, ...more] = await db.all<{ integrity_check: string }>('PRAGMA integrity_check')
      assert.deepEqual([integrity?.integrity_check, more.length], ['ok', 0])
      assert.equal(await numberOf(db, 'SELECT SUM(posted) AS n FROM account'), 0n)
      const leftovers = await db.all(
        "SELECT name FROM sqlite_master WHERE name LIKE '%\\_3' ESCAPE '\\' OR sql LIKE '%\\_3%' ESCAPE '\\'" +
          " OR name LIKE '%\\_4' ESCAPE '\\' OR sql LIKE '%\\_4%' ESCAPE '\\'",
      )
      assert.deepEqual(leftovers, [])
    })

    it('its references hold: a row that leads nowhere is refused', async (t) => {
      const db = await openRelease(t, schema)
      const orphans = [
        "INSERT INTO entry (transfer_id, leg, account_id, amount) VALUES ('none', 0, 'usage_revenue', 1)",
        "INSERT INTO entry (transfer_id, leg, account_id, amount) SELECT id, 9, 'none', 1 FROM transfer LIMIT 1",
        "INSERT INTO request_meter (request_id, meter_id, held) VALUES ('r', 'none', 1)",
        "INSERT INTO credit_grant (id, workspace_id, source, amount, remaining, note, created_at) VALUES ('g', 'none', 'demo', 1, 1, '', 1)",
      ]
      for (const sql of orphans) await assert.rejects(db.run(sql), /FOREIGN KEY/, sql)
    })

    it('what is left of the lots is what is posted, taken from the oldest first', async (t) => {
      const db = await openRelease(t, schema)
      const workspaces = await db.all<{ posted: bigint; rest: bigint; lots: bigint }>(
        'SELECT a.posted, SUM(g.remaining) AS rest, COUNT(*) AS lots FROM account a JOIN credit_grant g USING (workspace_id)' +
          " WHERE a.kind = 'balance' GROUP BY a.id",
      )
      assert.equal(workspaces.length, 2)
      for (const { posted, rest } of workspaces) assert.equal(rest, posted)
      const lots = await db.all<{
        workspace_id: string
        amount: bigint
        remaining: bigint
        used_before: bigint
        used: bigint
      }>(
        'SELECT workspace_id, amount, remaining, used_before, used_before - COALESCE((SELECT SUM(amount) FROM entry e' +
          ' WHERE e.grant_id = g.id AND e.amount < 0), 0) AS used' +
          ' FROM credit_grant g ORDER BY workspace_id, created_at, id',
      )
      lots.forEach((lot, index) => {
        assert.equal(lot.remaining + lot.used, lot.amount)
        const next = lots[index + 1]
        const isYounger = next?.workspace_id === lot.workspace_id
        if (isYounger && next.used_before > 0n)
          assert.equal(lot.remaining, 0n, 'a younger lot is used, and this is not empty')
      })
      assert.ok(
        lots.some(({ remaining, used }) => remaining > 0n && used > 0n),
        'one lot is used in part',
      )
      assert.equal(
        lots.some(({ used_before: before }) => before > 0n),
        !hasMeters,
      )
    })

    it('windows are meters of their seats, and what requests hold of them is what they hold', async (t) => {
      const db = await openRelease(t, schema)
      const otherScopes = hasMeters ? "m.scope = 'seat' AND (" : "(m.scope <> 'seat' OR "
      const strangers = `SELECT COUNT(*) AS n FROM meter m LEFT JOIN seat s ON s.id = m.subject_id WHERE ${otherScopes} s.workspace_id IS NULL OR s.workspace_id <> m.workspace_id)`
      assert.equal(await numberOf(db, strangers), 0n)
      const different =
        'SELECT COUNT(*) AS n FROM (SELECT m.held, m.settled, COALESCE(SUM(r.held), 0) AS held_by, COALESCE(SUM(r.counted), 0) AS counted FROM meter m' +
        ' LEFT JOIN request_meter r ON r.meter_id = m.id GROUP BY m.id) sums WHERE held <> held_by OR settled <> counted'
      assert.equal(await numberOf(db, different), 0n)
    })
  })
}

it('each schema before the newest has a database here', () => {
  const older = readMigrations().slice(0, -1)
  assert.deepEqual(
    older.map(({ name }) => name.slice(0, 4)),
    RELEASED,
  )
})
