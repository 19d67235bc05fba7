import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hashKey } from '../domain/api-key.ts'
import { loadKeyOwner } from '../store/key.ts'
import { insertMember } from '../store/workspace.ts'
import { createSeat, endSeat, listSeats, setUseBalance } from './plan.ts'
import { createTestInstance, NOON_MS, PLANS } from './test-instance.ts'
import { findMember, findWorkspace } from './workspace.ts'

describe('seats', () => {
  it('let requests go on from the balance, or not, as switched', (t) => {
    const { db, setup } = createTestInstance(t)
    const useBalance = () => loadKeyOwner(db, hashKey(setup.key))?.seats[0]?.useBalance
    assert.equal(useBalance(), false)
    assert.equal(setUseBalance(db, setup.workspace.id, undefined, true).id, setup.seatId)
    assert.equal(useBalance(), true)
    setUseBalance(db, setup.workspace.id, setup.seatId, false)
    assert.equal(useBalance(), false)
  })

  it('end once, and can be had again', (t) => {
    const { db, setup } = createTestInstance(t)
    const workspaceId = setup.workspace.id
    const again = { workspaceId, memberId: setup.memberId, planId: 'go', useBalance: true }
    assert.throws(() => createSeat(db, PLANS, again, NOON_MS), /already has a seat/)
    assert.equal(endSeat(db, workspaceId, setup.seatId, NOON_MS).id, setup.seatId)
    assert.throws(() => endSeat(db, workspaceId, setup.seatId, NOON_MS), /no seat/)
    const seat = createSeat(db, PLANS, again, NOON_MS + 5)
    assert.deepEqual(
      listSeats(db, workspaceId).map(({ id, startedAtMs }) => [id, startedAtMs]),
      [[seat.id, NOON_MS + 5]],
    )
  })

  it('are on plans that exist, of workspaces that own them', (t) => {
    const { db, setup } = createTestInstance(t)
    const request = { workspaceId: setup.workspace.id, memberId: setup.memberId, planId: 'gold', useBalance: false }
    assert.throws(() => createSeat(db, PLANS, request, NOON_MS), /no plan gold; there is: go/)
    assert.throws(() => endSeat(db, 'wrk_other', setup.seatId, NOON_MS), /no seat/)
    assert.throws(() => setUseBalance(db, 'wrk_other', setup.seatId, true), /no seat/)
  })

  it('must be named when there are several', (t) => {
    const { db, setup } = createTestInstance(t)
    const workspaceId = setup.workspace.id
    insertMember(db, { id: 'mem_2', workspaceId, name: 'bob', role: 'member' }, NOON_MS)
    createSeat(db, PLANS, { workspaceId, memberId: 'mem_2', planId: 'go', useBalance: false }, NOON_MS)
    assert.throws(() => setUseBalance(db, workspaceId, undefined, true), /say which/)
  })
})

describe('naming a workspace or member', () => {
  it('is needed only when there are several, and takes id or name', (t) => {
    const { db, setup } = createTestInstance(t)
    const { workspace } = setup
    assert.deepEqual({ ...findWorkspace(db, undefined) }, workspace)
    assert.equal(findWorkspace(db, 'default').id, workspace.id)
    assert.equal(findMember(db, workspace.id, undefined).id, setup.memberId)
    insertMember(db, { id: 'mem_2', workspaceId: workspace.id, name: 'bob', role: 'member' }, NOON_MS)
    assert.throws(() => findMember(db, workspace.id, undefined), /several: say which with --member/)
    assert.equal(findMember(db, workspace.id, 'bob').id, 'mem_2')
    assert.equal(findMember(db, workspace.id, setup.memberId).name, 'admin')
    assert.throws(() => findMember(db, workspace.id, 'eve'), /no member eve/)
  })
})
