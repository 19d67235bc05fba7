import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hashKey } from '../domain/api-key.ts'
import { loadKeyOwner } from '../store/key.ts'
import { insertMember } from '../store/workspace.ts'
import { createSeat, endSeat, listSeats, setUseBalance } from './plan.ts'
import { createTestInstance, NOON_MS, PLANS } from './test-instance.ts'
import { findMember, findWorkspace } from './workspace.ts'

describe('seats', () => {
  it('let requests go on from the balance, or not, as switched', async (t) => {
    const { db, setup } = await createTestInstance(t)
    const useBalance = async () => (await loadKeyOwner(db, hashKey(setup.key)))?.seats[0]?.useBalance
    assert.equal(await useBalance(), false)
    assert.equal((await setUseBalance(db, setup.workspace.id, undefined, true)).id, setup.seatId)
    assert.equal(await useBalance(), true)
    await setUseBalance(db, setup.workspace.id, setup.seatId, false)
    assert.equal(await useBalance(), false)
  })

  it('end once, and had again are the same with what they have counted', async (t) => {
    const { db, setup } = await createTestInstance(t)
    const workspaceId = setup.workspace.id
    const again = { workspaceId, memberId: setup.memberId, planId: 'go', useBalance: true }
    await assert.rejects(createSeat(db, PLANS, again, NOON_MS), /already has a seat/)
    assert.equal((await endSeat(db, workspaceId, setup.seatId, NOON_MS)).id, setup.seatId)
    await assert.rejects(endSeat(db, workspaceId, setup.seatId, NOON_MS), /no seat/)
    await createSeat(db, PLANS, again, NOON_MS + 5)
    assert.deepEqual(
      (await listSeats(db, workspaceId)).map(({ id, startedAtMs }) => [id, startedAtMs]),
      [[setup.seatId, NOON_MS]],
    )
  })

  it('are on plans that exist, of workspaces that own them', async (t) => {
    const { db, setup } = await createTestInstance(t)
    const request = { workspaceId: setup.workspace.id, memberId: setup.memberId, planId: 'gold', useBalance: false }
    await assert.rejects(createSeat(db, PLANS, request, NOON_MS), /no plan gold; there is: go/)
    await assert.rejects(endSeat(db, 'wrk_other', setup.seatId, NOON_MS), /no seat/)
    await assert.rejects(setUseBalance(db, 'wrk_other', setup.seatId, true), /no seat/)
  })

  it('must be named when there are several', async (t) => {
    const { db, setup } = await createTestInstance(t)
    const workspaceId = setup.workspace.id
    await insertMember(db, { id: 'mem_2', workspaceId, name: 'bob', role: 'member' }, NOON_MS)
    await createSeat(db, PLANS, { workspaceId, memberId: 'mem_2', planId: 'go', useBalance: false }, NOON_MS)
    await assert.rejects(setUseBalance(db, workspaceId, undefined, true), /say which/)
  })
})

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
