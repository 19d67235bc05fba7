import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { insertMember } from '../store/workspace.ts'
import { createTestInstance, NOON_MS } from './test-instance.ts'
import { findMember, findWorkspace } from './workspace.ts'

describe('naming a workspace or member', () => {
  it('is needed only when there are several, and takes id or name', async (t) => {
    const { db, setup } = await createTestInstance(t)
    const { workspace } = setup
    assert.deepEqual(await findWorkspace(db, undefined), workspace)
    assert.equal((await findWorkspace(db, 'default')).id, workspace.id)
    assert.equal((await findMember(db, workspace.id, undefined)).id, setup.memberId)
    await insertMember(db, { id: 'mem_2', workspaceId: workspace.id, name: 'bob', role: 'member' }, NOON_MS)
    await assert.rejects(findMember(db, workspace.id, undefined), /several: say which with --member/)
    assert.equal((await findMember(db, workspace.id, 'bob')).id, 'mem_2')
    assert.equal((await findMember(db, workspace.id, setup.memberId)).name, 'admin')
    await assert.rejects(findMember(db, workspace.id, 'eve'), /no member eve/)
  })
})
