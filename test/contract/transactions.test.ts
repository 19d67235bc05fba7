import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../support/engines.ts'
import { addBalance, addWorkspace, BALANCE, countOwnRevisions, countWorkspaces, fieldsOf, WORKSPACE } from './rows.ts'

forEachEngine((engine) => {
  describe('transactions', () => {
    it('what the work returns comes back, and what it wrote stays', async (t) => {
      const [db, other] = await engine.openDatabases(t, 2)
      assert.ok(db && other)
      const result = await db.write(async (sql) => {
        await addWorkspace(sql, 'a')
        return countWorkspaces(sql)
      })
      assert.equal(result, 1)
      assert.equal(await countWorkspaces(other), 1)
    })

    it('what the work throws comes back unchanged, and undoes all that it wrote', async (t) => {
      const db = await engine.openDatabase(t)
      const reason = new Error('no')
      await assert.rejects(
        db.write(async (sql) => {
          await addWorkspace(sql, 'a')
          await addWorkspace(sql, 'b')
          throw reason
        }),
        (error) => error === reason,
      )
      assert.equal(await countWorkspaces(db), 0)
      await db.write((sql) => addWorkspace(sql, 'a'))
      assert.equal(await countWorkspaces(db), 1)
    })

    it('a statement that is refused undoes those before it', async (t) => {
      const db = await engine.openDatabase(t)
      await assert.rejects(
        db.write(async (sql) => {
          await addWorkspace(sql, 'a')
          await addWorkspace(sql, 'a')
        }),
      )
      assert.equal(await countWorkspaces(db), 0)
    })

    it('rows that are run together outside of one stand all or not at all', async (t) => {
      const db = await engine.openDatabase(t)
      const insert = 'INSERT INTO revision (name, value) VALUES (?, ?)'
      const rows = Array.from({ length: 50 }, (_, n) => [`r${n}`, n])
      await assert.rejects(db.runEach(insert, [...rows, ['r7', 1]]), /unique/i)
      assert.equal(await countOwnRevisions(db), 0)
      assert.deepEqual(
        await db.runEach(insert, rows),
        rows.map(() => 1),
      )
      assert.equal(await countOwnRevisions(db), 50)
    })

    it('nobody sees what is not committed, and those inside see their own', async (t) => {
      const [db, other] = await engine.openDatabases(t, 2)
      assert.ok(db && other)
      await db.write(async (sql) => {
        await addWorkspace(sql, 'a')
        assert.equal(await countWorkspaces(sql), 1)
        assert.equal(await countWorkspaces(db), 0, 'outside, in this process')
        assert.equal(await countWorkspaces(other), 0, 'in another process')
        assert.equal(await other.read(countWorkspaces), 0)
      })
      assert.equal(await countWorkspaces(other), 1)
    })

    it('reads of one `read` all see the same instant, and do not hold up a writer', async (t) => {
      const [db, other] = await engine.openDatabases(t, 2)
      assert.ok(db && other)
      await db.read(async (sql) => {
        assert.equal(await countWorkspaces(sql), 0)
        await other.write((tx) => addWorkspace(tx, 'a'))
        assert.equal(await countWorkspaces(sql), 0)
        assert.equal(await countWorkspaces(db), 1, 'outside of it')
      })
      assert.equal(await db.read(countWorkspaces), 1)
    })

    it('transactions of one process run one after the other, in their order', async (t) => {
      const db = await engine.openDatabase(t)
      const order: string[] = []
      const works = ['a', 'b', 'c'].map((name) =>
        db.write(async (sql) => {
          order.push(`${name} begins`)
          await addWorkspace(sql, name)
          await countWorkspaces(sql)
          order.push(`${name} ends`)
        }),
      )
      await Promise.all(works)
      assert.deepEqual(order, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
    })

    it('one that fails does not touch the next', async (t) => {
      const db = await engine.openDatabase(t)
      const results = await Promise.allSettled([
        db.write((sql) => addWorkspace(sql, 'a')),
        db.write((sql) => addWorkspace(sql, 'a')),
        db.write((sql) => addWorkspace(sql, 'b')),
      ])
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
    })

    it('a key that stands already is a conflict that can be asked for, in two processes at once as well', async (t) => {
      const databases = await engine.openDatabases(t, 3)
      const insert = 'INSERT INTO transfer (id, kind, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING'
      const counts = await Promise.all(
        Array.from({ length: 30 }, (_, n) =>
          databases[n % 3]?.write((sql) => sql.run(insert, `s:${Math.floor(n / 6)}`, 'settlement', n)),
        ),
      )
      assert.equal(
        counts.reduce<number>((sum, count) => sum + (count ?? 0), 0),
        5,
      )
    })
  })

  describe('the books', () => {
    it('balances change only where the ledger works', async (t) => {
      const db = await engine.openDatabase(t)
      await addBalance(db, 100n)
      const steal = 'UPDATE account SET posted = posted + 1 WHERE id = ?'
      const refused = /through the ledger alone/
      await assert.rejects(db.run(steal, BALANCE), refused)
      await assert.rejects(
        db.write((sql) => sql.run(steal, BALANCE)),
        refused,
      )
      await db.write((sql) => sql.run('UPDATE account SET held = held + 10 WHERE id = ?', BALANCE), {
        opensLedger: true,
      })
      await assert.rejects(
        db.write((sql) => sql.run(steal, BALANCE)),
        refused,
        'the next transaction',
      )
      await assert.rejects(db.run(steal, BALANCE), refused)
      const row = await db.get('SELECT posted, held FROM account WHERE id = ?', BALANCE)
      assert.deepEqual(fieldsOf(row), { posted: 100n, held: 10n })
    })

    it('transfers, entries and price versions are never changed, not even by the ledger', async (t) => {
      const db = await engine.openDatabase(t)
      await addBalance(db, 100n)
      await db.write(async (sql) => {
        await sql.run("INSERT INTO transfer (id, kind, created_at) VALUES ('g:1', 'grant', 1)")
        await sql.run("INSERT INTO entry (transfer_id, leg, account_id, amount) VALUES ('g:1', 0, ?, 5)", BALANCE)
        await sql.run("INSERT INTO price_version (version, rates, created_at) VALUES ('m@1', '{}', 1)")
      })
      for (const change of [
        'UPDATE transfer SET created_at = 2',
        'DELETE FROM transfer',
        'UPDATE entry SET amount = 6',
        'DELETE FROM entry',
        "UPDATE price_version SET rates = '{1}'",
        'DELETE FROM price_version',
      ]) {
        await assert.rejects(
          db.write((sql) => sql.run(change), { opensLedger: true }),
          /append-only|never change/,
          change,
        )
        await assert.rejects(db.run(change), /append-only|never change/, change)
      }
    })

    it('a balance cannot be overdrawn, nor a workspace have two', async (t) => {
      const db = await engine.openDatabase(t)
      await addBalance(db, 100n)
      const hold = (amount: bigint) =>
        db.write((sql) => sql.run('UPDATE account SET held = held + ? WHERE id = ?', amount, BALANCE), {
          opensLedger: true,
        })
      await assert.rejects(hold(101n), /check/i)
      await hold(100n)
      const second = "INSERT INTO account (id, workspace_id, kind) VALUES ('acc_2', ?, 'balance')"
      await assert.rejects(
        db.write((sql) => sql.run(second, WORKSPACE)),
        /unique/i,
      )
    })
  })
})
