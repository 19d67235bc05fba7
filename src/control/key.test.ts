import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { hashKey, isWellFormedKey } from '../domain/api-key.ts'
import { loadKeyOwner } from '../store/key.ts'
import { loadRevision } from '../store/revision.ts'
import { createKey, listKeys, revokeKey } from './key.ts'
import { createTestInstance, NOON_MS, type TestInstance } from './test-instance.ts'

/** Later than the first key, so that lists, which are by age, have them in this order. */
const making = { nowMs: NOON_MS + 1, randomBytes }
const request = ({ setup }: TestInstance, name = 'ci') => ({
  workspaceId: setup.workspace.id,
  memberId: setup.memberId,
  name,
})

describe('keys', () => {
  it('are shown once and found by their hash', async (t) => {
    const instance = await createTestInstance(t)
    const made = await createKey(instance.db, request(instance), making)
    assert.ok(isWellFormedKey(made.key))
    assert.equal((await loadKeyOwner(instance.db, hashKey(made.key)))?.keyId, made.id)
    const listed = await listKeys(instance.db, instance.setup.workspace.id)
    assert.deepEqual(
      listed.map(({ name, revokedAtMs }) => [name, revokedAtMs]),
      [
        ['first key', null],
        ['ci', null],
      ],
    )
    assert.equal(JSON.stringify(listed).includes(made.key), false)
  })

  it('are revoked once, at the time of the first revocation', async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    const { id, key } = await createKey(db, request(instance), making)
    assert.equal(await revokeKey(db, setup.workspace.id, id, NOON_MS + 5), 'revoked')
    assert.equal(await revokeKey(db, setup.workspace.id, id, NOON_MS + 9), 'already_revoked')
    assert.equal((await loadKeyOwner(db, hashKey(key)))?.revoked, true)
    assert.equal((await listKeys(db, setup.workspace.id)).at(-1)?.revokedAtMs, NOON_MS + 5)
  })

  it('are not revoked from another workspace', async (t) => {
    const instance = await createTestInstance(t)
    const { id, key } = await createKey(instance.db, request(instance), making)
    assert.equal(await revokeKey(instance.db, 'wrk_other', id, NOON_MS), 'not_found')
    assert.equal(await revokeKey(instance.db, instance.setup.workspace.id, 'key_unknown', NOON_MS), 'not_found')
    assert.equal((await loadKeyOwner(instance.db, hashKey(key)))?.revoked, false)
  })

  it('are told to every process when they are made and when they are revoked', async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    const before = await loadRevision(db)
    const { id } = await createKey(db, request(instance), making)
    const made = await loadRevision(db)
    await revokeKey(db, setup.workspace.id, id, NOON_MS)
    assert.ok(before < made && made < (await loadRevision(db)))
  })

  it('have names that are neither empty nor endless nor terminal controls', async (t) => {
    const instance = await createTestInstance(t)
    for (const name of ['', '   ', 'x'.repeat(101), 'a\nb', '\u009b31m']) {
      await assert.rejects(createKey(instance.db, request(instance, name), making), { code: 'invalid_request' })
    }
    assert.equal((await createKey(instance.db, request(instance, 'Büro – 会社'), making)).name, 'Büro – 会社')
  })
})
