import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { forEachEngine, type TestEngine } from '../../test/support/engines.ts'
import { chainHash } from '../store/audit-log.ts'
import type { Database, Sql } from '../store/database.ts'
import { type Acting, changeOnRecord } from './acting.ts'
import { auditLedger } from './audit.ts'
import { type AuditFault, verifyAuditLog } from './audit-log.ts'

const TRAIL_KEY = 'the key of the trail'
const ENTRIES = 12
const FIELDS = [
  ...(['id', 'at', 'actor_kind', 'actor_id', 'workspace_id', 'action'] as const),
  ...(['target', 'before', 'after', 'request_id', 'hash'] as const),
]

function acting(trailKey = TRAIL_KEY): Acting {
  return { actor: { kind: 'person', id: 'per_ann' }, nowMs: 1000, requestId: 'req_1', trailKey, randomBytes }
}

async function write(db: Database, count: number, trailKey = TRAIL_KEY): Promise<void> {
  for (let n = 0; n < count; n++) {
    const facts = { before: { n }, after: { n: n + 1 } }
    await changeOnRecord(db, acting(trailKey), (_, put) =>
      put({ action: 'note.create', workspaceId: 'wrk_1', target: `note_${n}`, ...facts }),
    )
  }
}

/** As somebody who owns the database, and so is not kept back by its triggers. */
async function tamper(db: Database, work: (sql: Sql) => Promise<unknown>): Promise<void> {
  await db.write(async (sql) => {
    await sql.script('/*sqlite DROP TRIGGER IF EXISTS audit_log_is_kept; DROP TRIGGER IF EXISTS audit_log_stays; */')
    await sql.script('/*postgres DROP TRIGGER IF EXISTS audit_log_is_kept ON audit_log; */')
    await work(sql)
  })
}

async function faultsOf(db: Database, trailKeys: readonly string[] = [TRAIL_KEY]): Promise<readonly AuditFault[]> {
  return (await verifyAuditLog(db, trailKeys)).faults
}

/** Undoes a change afterwards, so that the next begins with a log that is whole. */
async function whileChanged(
  db: Database,
  seq: number,
  column: string,
  value: string | number | null,
): Promise<readonly AuditFault[]> {
  const before = await db.get<Record<string, string | bigint | null>>('SELECT * FROM audit_log WHERE seq = ?', seq)
  assert.ok(before && before[column] !== value)
  await tamper(db, (sql) => sql.run(`UPDATE audit_log SET ${column} = ? WHERE seq = ?`, value, seq))
  const faults = await faultsOf(db)
  await tamper(db, (sql) => sql.run(`UPDATE audit_log SET ${column} = ? WHERE seq = ?`, before[column] ?? null, seq))
  return faults
}

forEachEngine((engine) => {
  describe('verifyAuditLog', () => {
    const open = async (t: TestContext, from: TestEngine = engine): Promise<Database> => {
      const db = await from.openDatabase(t)
      await write(db, ENTRIES)
      assert.deepEqual(await faultsOf(db), [])
      return db
    }

    it('the database itself refuses to change or delete an entry', async (t) => {
      const db = await open(t)
      await assert.rejects(db.run("UPDATE audit_log SET action = 'x' WHERE seq = 3"), /append-only|cannot/)
      await assert.rejects(db.run('DELETE FROM audit_log WHERE seq = 3'), /append-only|cannot/)
    })

    it('finds every change of any one field of any entry', async (t) => {
      const db = await open(t)
      for (let seq = 1; seq <= ENTRIES; seq++) {
        for (const field of FIELDS) {
          const faults = await whileChanged(db, seq, field, field === 'at' ? 1001 : 'changed')
          assert.deepEqual(faults[0], { seq, kind: 'changed' }, `${field} of ${seq}`)
        }
        for (const field of ['actor_id', 'target', 'before', 'after', 'request_id'] as const) {
          assert.deepEqual(
            (await whileChanged(db, seq, field, null))[0],
            { seq, kind: 'changed' },
            `${field} of ${seq}`,
          )
        }
      }
      assert.deepEqual(await faultsOf(db), [])
    })

    it('finds every entry that is gone, wherever it stood', async (t) => {
      for (let seq = 1; seq <= ENTRIES; seq += 1) {
        const db = await open(t)
        await tamper(db, (sql) => sql.run('DELETE FROM audit_log WHERE seq = ?', seq))
        assert.ok(
          (await faultsOf(db)).some((fault) => fault.seq === seq && fault.kind === 'missing'),
          String(seq),
        )
        await db.close()
      }
    })

    it('finds that the log was cut off, or emptied', async (t) => {
      const db = await open(t)
      await tamper(db, (sql) => sql.run('DELETE FROM audit_log WHERE seq > 9'))
      assert.deepEqual(
        await faultsOf(db),
        [10, 11, 12].map((seq) => ({ seq, kind: 'missing' })),
      )
      await tamper(db, (sql) => sql.run('DELETE FROM audit_log'))
      assert.equal((await faultsOf(db)).length, ENTRIES)
    })

    it('finds two entries that changed places', async (t) => {
      const db = await open(t)
      await tamper(db, async (sql) => {
        for (const [from, to] of [
          [4, 1000],
          [5, 4],
          [1000, 5],
        ] as const) {
          await sql.run('UPDATE audit_log SET seq = ? WHERE seq = ?', to, from)
        }
      })
      assert.deepEqual((await faultsOf(db)).slice(0, 2), [
        { seq: 4, kind: 'changed' },
        { seq: 5, kind: 'changed' },
      ])
    })

    it('finds an entry that was put in, at the end or in place of another, also with a hash of its own making', async (t) => {
      const db = await open(t)
      const row = {
        ...{ seq: ENTRIES + 1, id: 'aud_forged', atMs: 1000, actorKind: 'person', actorId: 'per_ann' },
        ...{ workspaceId: null, action: 'x', target: null, before: null, after: null, requestId: null },
      }
      const last = await db.get<{ hash: string }>('SELECT hash FROM audit_log WHERE seq = ?', ENTRIES)
      const hash = chainHash('another key', last?.hash ?? '', row)
      const insert = (sql: Sql, seq: number) =>
        sql.run(
          'INSERT INTO audit_log (seq, id, at, actor_kind, actor_id, action, hash) VALUES (?, ?, ?, ?, ?, ?, ?)',
          ...[seq, row.id, row.atMs, row.actorKind, row.actorId, row.action, hash],
        )
      await tamper(db, (sql) => insert(sql, ENTRIES + 1))
      assert.deepEqual(await faultsOf(db), [{ seq: ENTRIES + 1, kind: 'added' }])
      await tamper(db, (sql) => sql.run("UPDATE revision SET value = value + 1 WHERE name = 'audit_log'"))
      assert.deepEqual(await faultsOf(db), [{ seq: ENTRIES + 1, kind: 'changed' }])
      const before = await open(t)
      for (const seq of [0, -7]) {
        await tamper(before, (sql) => insert(sql, seq))
        assert.deepEqual(await faultsOf(before), [{ seq, kind: 'added' }])
        await tamper(before, (sql) => sql.run('DELETE FROM audit_log WHERE seq < 1'))
      }
      const other = await open(t)
      await tamper(other, async (sql) => {
        await sql.run('DELETE FROM audit_log WHERE seq = 6')
        await insert(sql, 6)
      })
      assert.deepEqual((await faultsOf(other))[0], { seq: 6, kind: 'changed' })
    })

    it('takes entries of older keys, and none of a key that never was', async (t) => {
      const db = await open(t)
      await write(db, 2, 'a newer key')
      assert.deepEqual(await faultsOf(db, ['a newer key', TRAIL_KEY]), [])
      assert.deepEqual((await faultsOf(db, ['a newer key']))[0], { seq: 1, kind: 'changed' })
      assert.equal((await faultsOf(db, ['a wrong key'])).length, ENTRIES + 2)
    })

    it('is a rule of the audit, where the key is known', async (t) => {
      const db = await open(t)
      const rules = async (trailKeys?: readonly string[]) =>
        (await auditLedger(db, { nowMs: 1000, ...(trailKeys && { trailKeys }) })).differences.map(({ rule }) => rule)
      assert.deepEqual(await rules([TRAIL_KEY]), [])
      await tamper(db, (sql) => sql.run("UPDATE audit_log SET target = 'x' WHERE seq = 3"))
      assert.deepEqual(await rules([TRAIL_KEY]), ['audit_log'])
      await tamper(db, (sql) => sql.run('DELETE FROM audit_log WHERE seq = 5'))
      assert.deepEqual(new Set(await rules()), new Set(['audit_log']))
    })

    it('an entry and its change stand together or not at all', async (t) => {
      const db = await open(t)
      const failing = changeOnRecord(db, acting(), async (sql, put) => {
        await put({ action: 'note.create', workspaceId: null, target: null })
        await sql.run("UPDATE setting SET value = 'x' WHERE name = 'y'")
        throw new Error('after all')
      })
      await assert.rejects(failing, /after all/)
      assert.equal((await verifyAuditLog(db, [TRAIL_KEY])).entries, ENTRIES)
    })
  })
})
