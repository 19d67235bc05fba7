import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { forEachEngine, type TestEngine } from '../../test/support/engines.ts'
import { parseUsd } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { MAX_MISMATCHES } from '../store/audit.ts'
import type { Database, Sql } from '../store/database.ts'
import { openSqlite } from '../store/sqlite.ts'
import { AUDIT_RULES, type AuditReport, type AuditRule, auditLedger, auditSnapshot, SAMPLE_RULES } from './audit.ts'
import { createBusyBooks } from './test-audit-books.ts'
import { endSample, holdSample, NOON_MS, type SampleRequest, TEST_NODE, type TestInstance } from './test-instance.ts'
import { disarm } from './test-planted-bug.ts'
import { PLANTED_BUGS } from './test-planted-bugs.ts'

const NOW_MS = NOON_MS + HOUR_MS
const SCHEMAS = new URL('../../test/schemas/', import.meta.url)

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-audit-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function openBusyBooks(t: TestContext, engine: TestEngine): Promise<TestInstance> {
  const dataDir = temporaryDirectory(t)
  return await createBusyBooks(await engine.openDatabase(t), dataDir)
}

/** What the audit says of books that are spoiled for a moment: nothing of it stays. */
async function auditSpoiled(db: Database, sql: string, sample = false): Promise<AuditReport> {
  const undo = new Error('nothing of this stays')
  const reports: AuditReport[] = []
  const spoil = async (on: Sql): Promise<void> => {
    await on.script(sql)
    reports.push(await auditSnapshot(on, { nowMs: NOW_MS, sample }))
    throw undo
  }
  await assert.rejects(db.write(spoil), (error) => error === undo)
  const [report] = reports
  assert.ok(report)
  return report
}

function rulesIn({ differences }: AuditReport): Set<AuditRule> {
  return new Set(differences.map(({ rule }) => rule))
}

/** The same statements, with something that happens once, after the first of them. */
function disturbed(sql: Sql, disturb: () => Promise<unknown>): Sql {
  let isDone = false
  return {
    ...sql,
    async all<Row>(statement: string, ...values: Parameters<Sql['run']>[1][]) {
      const rows = await sql.all<Row>(statement, ...values)
      if (!isDone) {
        isDone = true
        await disturb()
      }
      return rows
    },
  }
}

forEachEngine((engine) => {
  describe('audit', () => {
    it('finds nothing on sound books, and says how much it looked at', async (t) => {
      const { db } = await openBusyBooks(t, engine)
      assert.deepEqual(await auditLedger(db, { nowMs: NOW_MS }), {
        checked: {
          ...{ accounts: 6, transfers: 14, entries: 29, lots: 7, requests: 18, held: 2, meters: 9 },
          ...{ request_meters: 39, price_versions: 1, rules: AUDIT_RULES.length },
        },
        figures: {
          ...{ held_nano: '1000000000', unattended: 0, late: 1, late_nano: '1199510' },
          written_off_nano: '88797720',
        },
        differences: [],
      })
    })

    it('notices each planted bug, by the rules that are for it and by no others', async (t) => {
      const { db } = await openBusyBooks(t, engine)
      await disarm(db)
      for (const { bug, sql, rules, subject } of PLANTED_BUGS) {
        await t.test(bug, async () => {
          const report = await auditSpoiled(db, sql)
          assert.deepEqual(rulesIn(report), new Set(rules))
          const found = report.differences.filter(({ rule }) => rule === rules[0])
          assert.ok(
            found.some((one) => one.subject.includes(subject) && one.expected !== one.found),
            `found ${JSON.stringify(found)}`,
          )
        })
      }
      assert.deepEqual((await auditLedger(db, { nowMs: NOW_MS })).differences, [])
    })

    it('a sample notices what its rules are for, and looks at nothing else', async (t) => {
      const { db } = await openBusyBooks(t, engine)
      await disarm(db)
      const sound = await auditLedger(db, { nowMs: NOW_MS, sample: true })
      assert.deepEqual([sound.differences, sound.checked.rules], [[], SAMPLE_RULES.length])
      for (const { bug, sql, rules } of PLANTED_BUGS) {
        const report = await auditSpoiled(db, sql, true)
        assert.deepEqual(rulesIn(report), new Set(rules).intersection(new Set<AuditRule>(SAMPLE_RULES)), bug)
      }
    })

    it('notices a hold older than two hours, and not a younger one', async (t) => {
      const { db } = await openBusyBooks(t, engine)
      assert.deepEqual((await auditLedger(db, { nowMs: NOON_MS + 2 * HOUR_MS })).differences, [])
      const { differences } = await auditLedger(db, { nowMs: NOON_MS + 2 * HOUR_MS + 1 })
      assert.deepEqual(
        new Set(differences.map(({ rule, subject }) => `${rule} ${subject}`)),
        new Set(['stale_hold req_open', 'stale_hold req_open_plan']),
      )
    })

    it('counts holds that no living process answers for', async (t) => {
      const { db } = await openBusyBooks(t, engine)
      await db.run('UPDATE node SET ended_at = 1 WHERE id = ?', TEST_NODE)
      const { figures, differences } = await auditLedger(db, { nowMs: NOW_MS })
      assert.deepEqual([figures.unattended, differences], [2, []])
    })

    it('a complete answer of which nothing was reported or delivered may be released', async (t) => {
      const { db } = await openBusyBooks(t, engine)
      await db.run("UPDATE request SET outcome = 'complete' WHERE id = 'req_failed'")
      assert.deepEqual((await auditLedger(db, { nowMs: NOW_MS })).differences, [])
    })

    it('costs of billions of tokens, and weighed holds of thousands of dollars, are recomputed exactly', async (t) => {
      const instance = await openBusyBooks(t, engine)
      const { db } = instance
      const usage = { ...NO_USAGE, input: 3_000_000_000_001, cachedRead: 2_000_000_000_003 }
      const limit = parseUsd(10_000_000)
      const sample: SampleRequest = {
        id: 'req_huge',
        funding: 'plan',
        windows: [{ name: 'wide', kind: 'session', lengthMs: HOUR_MS, unit: null, limit }],
        hold: parseUsd('1000000.000000001'),
        weightPpm: 2_999_999n,
      }
      await holdSample(instance, sample)
      assert.deepEqual((await auditLedger(db, { nowMs: NOW_MS })).differences, [])
      await endSample(instance, sample, { usage })
      assert.deepEqual((await auditLedger(db, { nowMs: NOW_MS })).differences, [])
      const row = await db.get<{ cost: bigint }>("SELECT cost FROM request WHERE id = 'req_huge'")
      assert.equal(row?.cost, 3_000_000_000_001n * 2800n + 2_000_000_000_003n * 520n)
    })

    it('looks at one instant, whatever others do meanwhile', async (t) => {
      const [db, other] = await engine.openDatabases(t, 2)
      assert.ok(db && other)
      const instance = { ...(await createBusyBooks(db, temporaryDirectory(t))), db: other }
      const before = await auditLedger(db, { nowMs: NOW_MS })
      const charge = (id: string) => async () => {
        await holdSample(instance, { id, funding: 'balance' })
        await endSample(instance, { id, funding: 'balance' })
      }
      const during = await db.read((sql) => auditSnapshot(disturbed(sql, charge('req_x')), { nowMs: NOW_MS }))
      assert.deepEqual(during, before)
      // Without a transaction the same audit sees what came in between.
      const mixed = await auditSnapshot(disturbed(db, charge('req_y')), { nowMs: NOW_MS })
      assert.equal(mixed.checked.requests, before.checked.requests + 2)
    })

    it('books that are wrong throughout fill neither the memory nor the screen', async (t) => {
      const { db } = await openBusyBooks(t, engine)
      await disarm(db)
      const copies = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MAX_MISMATCHES + 500})`
      const report = await auditSpoiled(
        db,
        `INSERT INTO entry (transfer_id, leg, account_id, amount) ${copies} SELECT 's:x' || i, 0, 'write_off', 1 FROM n;
          UPDATE price_version SET rates = '${'x'.repeat(100_000)}'`,
      )
      const alone = report.differences.filter(({ found }) => found === 'entries alone')
      assert.equal(alone.length, MAX_MISMATCHES)
      assert.ok(report.differences.every(({ found }) => found.length <= 300))
    })
  })
})

describe('audit of what earlier releases have left', () => {
  const released = readdirSync(SCHEMAS).filter((name) => name.endsWith('.sqlite'))

  for (const name of released) {
    it(`finds nothing in ${name}, migrated`, async (t) => {
      const db = await openRelease(t, name)
      const report = await auditLedger(db, { nowMs: 0 })
      assert.deepEqual(report.differences, [])
      assert.ok(report.checked.requests > 0 && report.checked.lots > 0)
    })

    // Since the third schema entries name the lots that they draw on.
    if (name >= '0003') continue
    it(`notices when the lots of ${name} do not say what was used before`, async (t) => {
      const db = await openRelease(t, name)
      const { differences } = await auditSpoiled(
        db,
        'UPDATE credit_grant SET used_before = used_before - 1, remaining = remaining + 1 WHERE used_before > 0',
      )
      assert.deepEqual(new Set(differences.map(({ rule }) => rule)), new Set(['lot_leg', 'lot_sum']))
    })
  }
})

async function openRelease(t: TestContext, name: string): Promise<Database> {
  const path = join(temporaryDirectory(t), 'zendo.db')
  copyFileSync(new URL(name, SCHEMAS), path)
  const db = await openSqlite(path, { nowMs: 1 })
  t.after(() => db.close())
  return db
}

describe('the rules of the audit', () => {
  const page = readFileSync(new URL('../../docs/reference/audit.md', import.meta.url), 'utf8')

  it('each has caught a bug that was planted for it', () => {
    const caught = new Set<AuditRule | undefined>(['stale_hold', ...PLANTED_BUGS.map(({ rules }) => rules[0])])
    assert.deepEqual(
      AUDIT_RULES.filter((rule) => !caught.has(rule)),
      [],
    )
  })

  it('each is documented, and no other', () => {
    const documented = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name)
    assert.deepEqual(documented, AUDIT_RULES)
  })

  it('each invariant that books can show names the rules that guard it', () => {
    const rows = [...page.matchAll(/^\| (I\d+) \|.*\| (.*) \|$/gm)].map(([, invariant = '', rules = '']) => ({
      invariant,
      rules,
    }))
    assert.deepEqual(
      rows.map(({ invariant }) => invariant),
      [...Array.from({ length: 13 }, (_, index) => `I${index + 1}`), 'I19', 'I26'],
    )
    for (const { invariant, rules } of rows) {
      const named = [...rules.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)
      assert.ok(named.length > 0, invariant)
      assert.deepEqual(
        named.filter((name) => !AUDIT_RULES.some((rule) => rule === name)),
        [],
        invariant,
      )
    }
  })
})
