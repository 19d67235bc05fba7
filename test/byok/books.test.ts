/** Own keys in the database, on both engines: the rows, the record of changes, the books. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { pino } from 'pino'
import { AppError } from '../../src/base/errors.ts'
import type { Acting } from '../../src/control/acting.ts'
import { auditLedger } from '../../src/control/audit.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import {
  changeOwnKeyMode,
  checkOwnKey,
  forgetOwnKey,
  listOwnKeys,
  type NewCredential,
  saveOwnKey,
} from '../../src/control/credential.ts'
import { deriveSecrets, rewrapSecrets } from '../../src/control/key-encryption.ts'
import {
  endSample,
  holdSample,
  NOON_MS,
  setUpTestInstance,
  type TestInstance,
} from '../../src/control/test-instance.ts'
import { totalUsage } from '../../src/control/usage-total.ts'
import { buildForTest } from '../../src/domain/test-catalog.ts'
import { insertCredential, listCredentials, sealContext } from '../../src/store/credential.ts'
import type { Database } from '../../src/store/database.ts'
import { loadRevision } from '../../src/store/revision.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { OWN_KEY, startVendor, type Vendor } from './world.ts'

const OLD = 'the old master key of 32 and more characters'
const NEW = 'the new master key of 32 and more characters'
const old = deriveSecrets([OLD])
const acting: Acting = {
  ...{ actor: { kind: 'person', id: 'per_ann' }, nowMs: NOON_MS, requestId: 'req_1' },
  ...{ trailKey: old.trailKey, randomBytes },
}

interface Bench {
  readonly instance: TestInstance
  readonly db: Database
  readonly control: ControlPlane
  readonly vendor: Vendor
  readonly input: NewCredential
}

async function prepare(t: TestContext, engine: TestEngine): Promise<Bench> {
  const db = await engine.openDatabase(t)
  const instance = await setUpTestInstance(db, { dataDir: temporaryDirectory(t) })
  const vendor = await startVendor(t)
  const catalog = buildForTest({
    providers: { acme: { protocol: 'openai-chat', baseUrl: vendor.url, apiKey: 'x', ownKeys: {} } },
  })
  // What these use cases do not need is not there.
  const control = {
    ...{ database: db, clock: () => NOON_MS, randomBytes, log: pino({ level: 'silent' }), catalog: () => catalog },
    ...old,
  } as Partial<ControlPlane> as ControlPlane
  const workspaceId = instance.setup.workspace.id
  const input = { workspaceId, provider: 'acme', apiKey: OWN_KEY, baseUrl: null, unchecked: false } as const
  return { instance, db, control, vendor, input: { ...input, mode: 'own_only' } }
}

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-byok-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function hasCode(code: AppError['code']): (error: unknown) => boolean {
  return (error) => error instanceof AppError && error.code === code
}

describe('own keys in the books', () => {
  forEachEngine((engine) => {
    it('each change is on record without the secret, and raises the revision that empties all caches', async (t) => {
      const { db, control, input, vendor } = await prepare(t, engine)
      let revision = await loadRevision(db)
      const changes = async (work: Promise<unknown>): Promise<void> => {
        await work
        const after = await loadRevision(db)
        assert.ok(after > revision)
        revision = after
      }
      await changes(saveOwnKey(control, acting, input))
      const [first] = await listOwnKeys(control, input.workspaceId)
      assert.deepEqual([first?.mode, first?.preview, first?.checkedAtMs], ['own_only', 'sk-o…5432', NOON_MS])
      await changes(saveOwnKey(control, acting, { ...input, apiKey: 'short-key', mode: 'own_first' }))
      const [second, more] = await listOwnKeys(control, input.workspaceId)
      assert.equal(more, undefined)
      assert.equal(second?.preview, '…', 'a short key shows nothing')
      assert.notEqual(second?.id, first?.id, 'another key may be another account')
      await changes(changeOwnKeyMode(control, acting, { ...input, mode: 'shared_only' }))
      vendor.behaviour.set('short-key', 401)
      const { verdict, credential } = await checkOwnKey(control, acting, input)
      assert.deepEqual([verdict, credential.lastError, credential.lastErrorAtMs], ['bad', 'refused (401)', NOON_MS])
      await changes(forgetOwnKey(control, acting, input))
      assert.deepEqual(await listOwnKeys(control, input.workspaceId), [])
      const rows = await db.all<{ action: string; before: string | null; after: string | null; actor_id: string }>(
        "SELECT action, before, after, actor_id FROM audit_log WHERE action LIKE 'credential.%' ORDER BY seq",
      )
      assert.deepEqual(
        rows.map(({ action }) => action),
        ['credential.save', 'credential.save', 'credential.update', 'credential.delete'],
      )
      const text = JSON.stringify(rows)
      assert.equal(/CANARY|short-key|v1\./.test(text), false, text)
    })

    it('a key that takes the place of another keeps its mode; a first one is the only one used', async (t) => {
      const { control, input } = await prepare(t, engine)
      assert.equal((await saveOwnKey(control, acting, { ...input, mode: null })).mode, 'own_only')
      await changeOwnKeyMode(control, acting, { ...input, mode: 'own_first' })
      assert.equal((await saveOwnKey(control, acting, { ...input, mode: null })).mode, 'own_first')
      assert.equal((await saveOwnKey(control, acting, { ...input, mode: 'own_only' })).mode, 'own_only')
    })

    it('a refused key changes nothing, and what is not there is told as such', async (t) => {
      const { db, control, input, vendor } = await prepare(t, engine)
      vendor.behaviour.set(OWN_KEY, 403)
      const before = await loadRevision(db)
      await assert.rejects(saveOwnKey(control, acting, { ...input, unchecked: true }), hasCode('invalid_request'))
      await assert.rejects(saveOwnKey(control, acting, { ...input, provider: 'x' }), hasCode('not_found'))
      await assert.rejects(changeOwnKeyMode(control, acting, { ...input, mode: 'own_only' }), hasCode('not_found'))
      await assert.rejects(forgetOwnKey(control, acting, input), hasCode('not_found'))
      await assert.rejects(checkOwnKey(control, acting, input), hasCode('not_found'))
      assert.equal(await loadRevision(db), before)
      assert.deepEqual(await db.all('SELECT id FROM credential'), [])
    })

    it('all rows are wrapped again in batches; what cannot be opened is told, and stays as it was', async (t) => {
      const { db, instance } = await prepare(t, engine)
      const stranger = deriveSecrets(['a master key that nobody has any more'])
      const newest = deriveSecrets([NEW, OLD])
      const count = 230
      const workspaceId = instance.setup.workspace.id
      await db.write(async (sql) => {
        for (let i = 0; i < count; i++) {
          const place = { id: `cred_${i}`, workspaceId, provider: `p${i}`, baseUrl: null }
          const { sealer } = i % 50 === 7 ? stranger : i % 3 === 0 ? newest : old
          const sealed = sealer.seal(`secret ${i}`, sealContext(place))
          await insertCredential(sql, { ...place, mode: 'own_only', sealed, preview: '…', checkedAtMs: null }, NOON_MS)
        }
      })
      const before = new Map((await listCredentials(db, workspaceId)).map((row) => [row.id, row.sealed]))
      const { rewrapped, unreadable } = await rewrapSecrets(db, newest.sealer, acting)
      assert.deepEqual([...unreadable].sort(), ['cred_107', 'cred_157', 'cred_207', 'cred_57', 'cred_7'])
      const alone = deriveSecrets([NEW])
      let untouched = 0
      for (const row of await listCredentials(db, workspaceId)) {
        if (before.get(row.id) === row.sealed) untouched++
        if (unreadable.includes(row.id)) assert.equal(before.get(row.id), row.sealed)
        else assert.equal(alone.sealer.open(row.sealed, sealContext(row)), `secret ${row.id.slice(5)}`)
      }
      assert.equal(rewrapped, count - untouched)
      assert.deepEqual(await rewrapSecrets(db, newest.sealer, acting), { rewrapped: 0, unreadable })
    })

    it('a request with an own key costs at list price and is charged nothing; sums and audit know it', async (t) => {
      const { db, instance, input } = await prepare(t, engine)
      const sample = { id: 'req_own', funding: 'byok' } as const
      await holdSample(instance, sample)
      assert.deepEqual(
        { ...(await db.get<object>('SELECT hold, max_hold, funding FROM request')) },
        {
          ...{ hold: 0n, max_hold: 0n, funding: 'byok' },
        },
      )
      const usage = { input: 1000, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 1000, reasoning: 0 }
      await endSample(instance, sample, { usage })
      const row = await db.get<{ cost: bigint; charged: bigint }>('SELECT cost, charged FROM request')
      assert.deepEqual({ ...row }, { cost: 5_800_000n, charged: 0n })
      const filter = {
        ...{ workspaceId: input.workspaceId, visibleTo: null, sinceMs: null, untilMs: null, model: null, key: null },
        ...{ member: null, session: null, tag: null, state: null, outcome: null, funding: null, product: null },
      }
      const { total } = await totalUsage(db, { filter: { ...filter, provider: null }, by: ['funding'], zone: 'UTC' })
      assert.deepEqual([total.byok, total.balance, total.written_off], ['0.0058', '0.00', '0.00'])
      const audit = (): ReturnType<typeof auditLedger> => auditLedger(db, { nowMs: NOON_MS + 5000 })
      assert.deepEqual((await audit()).differences, [])
      // The audit sees when money was taken after all.
      await db.run("UPDATE request SET hold = 5800000, charged = 5800000 WHERE id = 'req_own'")
      assert.notDeepEqual((await audit()).differences, [])
    })
  })
})
