/** An instance is under one master key: a machine that has another one serves, but seals nothing and writes no record. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { AppError } from '../../src/base/errors.ts'
import { type Acting, changeOnRecord } from '../../src/control/acting.ts'
import { verifyAuditLog } from '../../src/control/audit-log.ts'
import { type ControlSecrets, deriveSecrets, rewrapSecrets } from '../../src/control/key-encryption.ts'
import { claimMasterKey } from '../../src/control/master-key.ts'
import type { Database } from '../../src/store/database.ts'
import { loadRevision } from '../../src/store/revision.ts'
import { forEachEngine } from '../support/engines.ts'
import { startInstance } from '../support/instance.ts'
import { configFor, startVendor } from './world.ts'

const FIRST = 'the first master key of 32 and more characters'
const SECOND = 'the second master key of 32 and more characters'
const OTHER_KEY = /another master key than the one that the instance is under/

function actingWith({ trailKey, trailKeys }: ControlSecrets): Acting {
  return { actor: { kind: 'shell', id: null }, nowMs: 1, requestId: null, trailKey, trailKeys, randomBytes }
}

function change(db: Database, secrets: ControlSecrets): Promise<void> {
  return changeOnRecord(db, actingWith(secrets), (_, put) => put({ action: 'test', workspaceId: null, target: null }))
}

function isRefusal(error: unknown): boolean {
  return error instanceof AppError && error.code === 'conflict' && /another master key/.test(error.message)
}

describe('the master key of an instance', () => {
  forEachEngine((engine) => {
    it('is the one of who comes first; with another nothing is changed or put on record', async (t) => {
      const [db, other] = await engine.openDatabases(t, 2)
      assert.ok(db && other)
      const [mine, strangers] = [deriveSecrets([FIRST]), deriveSecrets([SECOND])]
      const claims = [claimMasterKey(db, mine.trailKeys, 1), claimMasterKey(other, strangers.trailKeys, 1)]
      const [isMine, isStrangers] = await Promise.all(claims)
      assert.notEqual(isMine, isStrangers, 'one of them')
      const [right, wrong] = isMine ? [mine, strangers] : [strangers, mine]
      await change(db, right)
      const before = await loadRevision(db)
      await assert.rejects(change(other, wrong), isRefusal)
      await assert.rejects(rewrapSecrets(other, wrong.sealer, actingWith(wrong)), isRefusal)
      assert.equal(await loadRevision(db), before)
      assert.deepEqual((await verifyAuditLog(db, right.trailKeys)).faults, [])
      const rows = await db.all<{ value: string }>("SELECT value FROM setting WHERE name = 'masterKeyId'")
      assert.match(String(rows[0]?.value), /^"[\w-]{16}"$/)
    })

    it('is followed by another in every process that has both, and for good once all is sealed under that', async (t) => {
      const db = await engine.openDatabase(t)
      const [old, both, renewed] = [[FIRST], [SECOND, FIRST], [SECOND]].map((roots) =>
        deriveSecrets(roots as [string, ...string[]]),
      )
      assert.ok(old && both && renewed)
      assert.equal(await claimMasterKey(db, old.trailKeys, 1), true)
      assert.equal(await claimMasterKey(db, both.trailKeys, 2), true)
      assert.equal(await claimMasterKey(db, renewed.trailKeys, 2), false)
      await change(db, old)
      await change(db, both)
      await rewrapSecrets(db, both.sealer, actingWith(both))
      await assert.rejects(change(db, old), isRefusal)
      await change(db, renewed)
      assert.deepEqual((await verifyAuditLog(db, both.trailKeys)).faults, [])
    })

    it('that is lost is given up only where that is said', async (t) => {
      const db = await engine.openDatabase(t)
      await claimMasterKey(db, deriveSecrets([FIRST]).trailKeys, 1)
      const found = deriveSecrets([SECOND])
      await assert.rejects(rewrapSecrets(db, found.sealer, actingWith(found)), isRefusal)
      await rewrapSecrets(db, found.sealer, actingWith(found), { adopt: true })
      await change(db, found)
      const [entry] = await db.all<{ after: string }>("SELECT after FROM audit_log WHERE action = 'secrets.rewrap'")
      assert.equal(JSON.parse(String(entry?.after)).adopted, true)
    })
  })

  it('that a server does not have keeps it from changes, and from serving nobody', async (t) => {
    const vendor = await startVendor(t)
    const instance = await startInstance({ config: configFor(vendor) })
    t.after(() => instance.remove())
    await instance.cli('key', 'create', '--name', 'before')
    await instance.kill()
    assert.equal(OTHER_KEY.test(instance.output()), false)
    // As after a restore into an empty directory, or on a second machine that was given no master key.
    rmSync(join(instance.dataDir, 'secrets.json'))
    await instance.start()
    assert.match(instance.output(), OTHER_KEY)
    const chat = await fetch(`${instance.baseUrl()}/zen/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${instance.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'given', max_tokens: 10, messages: [{ role: 'user', content: 'x' }] }),
    })
    assert.equal(chat.status, 200, await chat.text())
    await assert.rejects(instance.cli('key', 'create', '--name', 'after'), /another master key/)
    assert.deepEqual(Object.keys((await instance.cli('secrets', 'rewrap', '--adopt')) as object).includes('key'), true)
    await instance.cli('key', 'create', '--name', 'after')
  })
})
