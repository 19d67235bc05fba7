import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { DAY_MS } from '../base/time.ts'
import { hashKey, isWellFormedKey } from '../domain/api-key.ts'
import { buildForTest } from '../domain/test-catalog.ts'
import { loadKeyOwner } from '../store/key.ts'
import { loadRevision } from '../store/revision.ts'
import { insertMember } from '../store/workspace.ts'
import { type Asking, createKey, type KeyRequest, listKeys, revokeKey, type ShownKey, updateKey } from './key.ts'
import { rotateKey } from './key-rotation.ts'
import { createTestInstance, NOON_MS, type TestInstance } from './test-instance.ts'

const CATALOG = buildForTest({})
const PLAIN = { expiresAtMs: null, models: null, products: null, tags: [], scopes: ['inference'] as const }

/** Whoever may run commands; later than the first key, so that lists, which are by age, have theirs in this order. */
function shell({ setup }: TestInstance, nowMs = NOON_MS + 1, workspaceId = setup.workspace.id): Asking {
  return {
    principal: { kind: 'shell', personId: null, isOperator: true },
    acting: { actor: { kind: 'shell', id: null }, nowMs, requestId: null, trailKey: 'a trail key', randomBytes },
    place: { workspace: { ...setup.workspace, id: workspaceId }, memberId: null, role: 'admin' },
  }
}

function create(instance: TestInstance, wish: Partial<KeyRequest> = {}, asking = shell(instance)): Promise<ShownKey> {
  const request: KeyRequest = { ...PLAIN, name: 'ci', memberId: instance.setup.memberId, ...wish }
  return createKey(instance.db, CATALOG, asking, request)
}

/** Somebody who asks with a key that was just made. */
async function holder(instance: TestInstance, wish: Partial<KeyRequest>): Promise<Asking> {
  const { key } = await create(instance, wish)
  const owner = await loadKeyOwner(instance.db, hashKey(key))
  assert.ok(owner)
  const { place, acting } = shell(instance)
  return {
    principal: { kind: 'key', personId: owner.personId, isOperator: false, owner, keyHash: hashKey(key) },
    place: { ...place, memberId: owner.memberId, role: owner.role },
    acting,
  }
}

describe('keys', () => {
  it('are shown once and found by their hash', async (t) => {
    const instance = await createTestInstance(t)
    const { key, row } = await create(instance)
    assert.ok(isWellFormedKey(key))
    assert.equal((await loadKeyOwner(instance.db, hashKey(key)))?.keyId, row.id)
    const listed = await listKeys(instance.db, instance.setup.workspace.id)
    assert.deepEqual(
      listed.map(({ name, revokedAtMs }) => [name, revokedAtMs]),
      [
        ['first key', null],
        ['ci', null],
      ],
    )
    assert.equal(JSON.stringify([listed, row]).includes(key), false)
  })

  it('are revoked once, at the time of the first revocation', async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    const { row, key } = await create(instance)
    assert.equal(await revokeKey(db, shell(instance, NOON_MS + 5), row.id), 'revoked')
    assert.equal(await revokeKey(db, shell(instance, NOON_MS + 9), row.id), 'already_revoked')
    assert.equal((await loadKeyOwner(db, hashKey(key)))?.revoked, true)
    assert.equal((await listKeys(db, setup.workspace.id)).at(-1)?.revokedAtMs, NOON_MS + 5)
  })

  it('are not found from another workspace, for whatever is asked', async (t) => {
    const instance = await createTestInstance(t)
    const { db } = instance
    const { row, key } = await create(instance)
    const other = shell(instance, NOON_MS + 1, 'wrk_other')
    for (const [asking, id] of [[other, row.id] as const, [shell(instance), 'key_unknown'] as const]) {
      await assert.rejects(revokeKey(db, asking, id), { code: 'not_found' })
      await assert.rejects(updateKey(db, CATALOG, asking, id, { name: 'mine' }), { code: 'not_found' })
      await assert.rejects(rotateKey(db, asking, id, 0), { code: 'not_found' })
    }
    assert.equal((await loadKeyOwner(db, hashKey(key)))?.revoked, false)
  })

  it('are told to every process, and are on record, whenever they change', async (t) => {
    const instance = await createTestInstance(t)
    const { db } = instance
    const revisions = [await loadRevision(db)]
    const { row } = await create(instance)
    revisions.push(await loadRevision(db))
    await updateKey(db, CATALOG, shell(instance), row.id, { tags: ['team=core'] })
    revisions.push(await loadRevision(db))
    const rotated = await rotateKey(db, shell(instance), row.id, DAY_MS)
    revisions.push(await loadRevision(db))
    await revokeKey(db, shell(instance), row.id)
    revisions.push(await loadRevision(db))
    assert.equal(new Set(revisions).size, revisions.length)
    // The first is of the first start.
    const log = await db.all<{ action: string; target: string }>('SELECT * FROM audit_log WHERE seq > 1 ORDER BY seq')
    assert.deepEqual(
      log.map(({ action, target }) => [action, target === row.id]),
      ['key.create', 'key.update', 'key.rotate', 'key.revoke'].map((action) => [action, true]),
    )
    assert.equal(
      JSON.stringify(log, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v)).includes(rotated.key),
      false,
    )
  })

  it('cannot expire in the past, nor name a model that there is not', async (t) => {
    const instance = await createTestInstance(t)
    await assert.rejects(create(instance, { expiresAtMs: NOON_MS }), { code: 'invalid_request', param: 'expires_at' })
    await assert.rejects(create(instance, { models: ['gpt-0'] }), { code: 'invalid_request', param: 'models' })
    await create(instance, { expiresAtMs: NOON_MS + 2, models: ['sim/free'] })
  })

  it('are so many per member and no more', async (t) => {
    const instance = await createTestInstance(t)
    for (let n = 1; n < 200; n++) await create(instance)
    await assert.rejects(create(instance), { code: 'conflict' })
    const [first] = await listKeys(instance.db, instance.setup.workspace.id)
    await revokeKey(instance.db, shell(instance), first?.id ?? '')
    await create(instance)
  })
})

describe('a rotation', () => {
  it('keeps the key and its limits; the old text ends with the overlap, and the one before it at once', async (t) => {
    const instance = await createTestInstance(t)
    const { db } = instance
    const first = await create(instance, {
      models: ['sim/free'],
      tags: ['team=core'],
      expiresAtMs: NOON_MS + 9 * DAY_MS,
    })
    const second = await rotateKey(db, shell(instance), first.row.id, DAY_MS)
    const owner = await loadKeyOwner(db, hashKey(second.key))
    assert.deepEqual([owner?.keyId, owner?.expiresAtMs], [first.row.id, NOON_MS + 9 * DAY_MS])
    assert.deepEqual([[...(owner?.models ?? [])], owner?.tags], [['sim/free'], ['team=core']])
    const old = await loadKeyOwner(db, hashKey(first.key))
    assert.deepEqual([old?.keyId, old?.expiresAtMs], [first.row.id, NOON_MS + 1 + DAY_MS])
    const third = await rotateKey(db, shell(instance), first.row.id, 7 * DAY_MS)
    assert.equal(await loadKeyOwner(db, hashKey(first.key)), undefined)
    assert.equal((await loadKeyOwner(db, hashKey(second.key)))?.expiresAtMs, NOON_MS + 1 + 7 * DAY_MS)
    assert.equal((await loadKeyOwner(db, hashKey(third.key)))?.keyId, first.row.id)
  })

  it('without overlap leaves nothing of the old text, and never outlives the key', async (t) => {
    const instance = await createTestInstance(t)
    const { db } = instance
    const first = await create(instance, { expiresAtMs: NOON_MS + DAY_MS })
    const second = await rotateKey(db, shell(instance), first.row.id, 7 * DAY_MS)
    assert.equal((await loadKeyOwner(db, hashKey(first.key)))?.expiresAtMs, NOON_MS + DAY_MS)
    await rotateKey(db, shell(instance), first.row.id, 0)
    assert.equal(await loadKeyOwner(db, hashKey(second.key)), undefined)
    await revokeKey(db, shell(instance), first.row.id)
    await assert.rejects(rotateKey(db, shell(instance), first.row.id, 0), { code: 'conflict' })
  })
})

describe('whoever asks with a key', () => {
  const bounds: readonly (readonly [string, Partial<KeyRequest>, Partial<KeyRequest>])[] = [
    ['scopes', { scopes: ['manage'] }, { scopes: ['inference'] }],
    ['scopes', { scopes: ['manage', 'inference'] }, { scopes: ['manage', 'read'] }],
    ['models', { scopes: ['manage'], models: ['sim/free'] }, { scopes: ['manage'] }],
    ['models', { scopes: ['manage'], models: ['sim/free'] }, { scopes: ['manage'], models: ['sim/free', 'sim/echo'] }],
    ['products', { scopes: ['manage'], products: ['go'] }, { scopes: ['manage'], products: ['zen'] }],
    ['expires_at', { scopes: ['manage'], expiresAtMs: NOON_MS + 9 }, { scopes: ['manage'] }],
    ['expires_at', { scopes: ['manage'], expiresAtMs: NOON_MS + 9 }, { scopes: ['manage'], expiresAtMs: NOON_MS + 10 }],
  ]
  for (const [param, own, asked] of bounds) {
    it(`gets none with more ${param}: ${JSON.stringify(own)}, ${JSON.stringify(asked)}`, async (t) => {
      const instance = await createTestInstance(t)
      const asking = await holder(instance, own)
      await assert.rejects(create(instance, asked, asking), { code: 'permission_denied', param })
      const wide = await create(instance, asked)
      const update = updateKey(instance.db, CATALOG, asking, wide.row.id, { name: 'mine' })
      await assert.rejects(update, { code: 'permission_denied', param })
      await assert.rejects(rotateKey(instance.db, asking, wide.row.id, 0), { code: 'permission_denied', param })
      await create(instance, own, asking)
    })
  }

  it('cannot widen that one', async (t) => {
    const instance = await createTestInstance(t)
    const asking = await holder(instance, { scopes: ['manage'], models: ['sim/free'] })
    assert.ok(asking.principal.kind === 'key')
    const { keyId } = asking.principal.owner
    await assert.rejects(updateKey(instance.db, CATALOG, asking, keyId, { models: null }), {
      code: 'permission_denied',
    })
  })

  it('and was demoted meanwhile sees to no keys but its own', async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    const workspaceId = setup.workspace.id
    await db.write((sql) => insertMember(sql, { id: 'mem_other', workspaceId, name: 'other', role: 'member' }, NOON_MS))
    const other = await create(instance, { memberId: 'mem_other' })
    const asking = await holder(instance, { scopes: ['manage', 'inference'] })
    await updateKey(db, CATALOG, asking, other.row.id, { name: 'theirs' })
    await db.run("UPDATE member SET role = 'member' WHERE id = ?", setup.memberId)
    await assert.rejects(updateKey(db, CATALOG, asking, other.row.id, { name: 'mine' }), { code: 'not_found' })
    await assert.rejects(rotateKey(db, asking, other.row.id, 0), { code: 'not_found' })
    await assert.rejects(revokeKey(db, asking, other.row.id), { code: 'not_found' })
    await assert.rejects(create(instance, { memberId: 'mem_other' }, asking), { code: 'not_found' })
    await create(instance, {}, asking)
  })
})
