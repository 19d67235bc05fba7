/** The life of members while others change the same workspace from another process. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DAY_MS } from '../../src/base/time.ts'
import { acceptAsPerson, createInvite, renewInvitation, revokeInvitation } from '../../src/control/invite.ts'
import {
  addServiceMember,
  leaveWorkspace,
  removeMember,
  transferAdmin,
  updateMember,
} from '../../src/control/member.ts'
import { assignSeat, setAllowance } from '../../src/control/seat-assignment.ts'
import { NOON_MS, PLANS } from '../../src/control/test-instance.ts'
import type { Database } from '../../src/store/database.ts'
import { forEachEngine } from '../support/engines.ts'
import { type Arena, actingAs, adminsOf, memberOf, openArena, outcomesOf, type Rival, shell } from './member.ts'
import { createRandom, type Random } from './random.ts'

const ROUNDS = 20

/** One of the ways in which an admin ceases to be one, by its own hand or the other's. */
async function endAdmin(
  db: Database,
  random: Random,
  { workspaceId, by, of, other }: { workspaceId: string; by: Rival; of: Rival; other: Rival },
): Promise<unknown> {
  const acting = actingAs(by, 'admin', workspaceId)
  const place = { workspaceId, memberId: await memberOf(db, workspaceId, of) }
  switch (random.below(4)) {
    case 0:
      return await removeMember(db, acting, place)
    case 1:
      return await updateMember(db, acting, place, { role: 'member' })
    case 2:
      return await leaveWorkspace(db, actingAs(of, 'member', workspaceId), place)
    default: {
      const toId = await memberOf(db, workspaceId, other)
      return await transferAdmin(db, actingAs(of, 'admin', workspaceId), { ...place, toId })
    }
  }
}

async function invite(arena: Arena, by: Rival, workspaceId: string): Promise<{ token: string; id: string }> {
  const [db] = arena.databases
  const invitedBy = await memberOf(db, workspaceId, by)
  const request = { workspaceId, email: null, role: 'member', invitedBy, isMailed: false } as const
  const made = await createInvite(db, actingAs(by, 'admin', workspaceId), request)
  return { token: made.token, id: made.invite.id }
}

const accept = (db: Database, who: Rival, token: string) =>
  acceptAsPerson(db, actingAs(who, 'person'), { token, personId: who.personId, sessionId: who.sessionId })

describe('in races', () => {
  forEachEngine((engine) => {
    it(`one admin at least stays, whatever two admins do to each other, ${ROUNDS} times`, async (t) => {
      const arena = await openArena(t, engine)
      const [one, two] = arena.databases
      const seed = Date.now()
      t.diagnostic(`seed ${seed}`)
      const random = createRandom(seed)
      const [a, b, c] = [await arena.addPerson(), await arena.addPerson(), await arena.addPerson()]
      for (let round = 0; round < ROUNDS; round++) {
        const workspaceId = await arena.addWorkspace([a, 'admin'], [b, 'admin'], [c, 'member'])
        await outcomesOf(
          endAdmin(one, random, { workspaceId, by: a, of: b, other: c }),
          endAdmin(two, random, { workspaceId, by: b, of: a, other: c }),
        )
        assert.ok((await adminsOf(one, workspaceId)).length > 0, `round ${round}`)
      }
    })

    it(`whoever was demoted or removed changes nothing after it, ${ROUNDS} times`, async (t) => {
      const arena = await openArena(t, engine)
      const [one, two] = arena.databases
      const [anna, eve] = [await arena.addPerson(), await arena.addPerson()]
      let [kept, refused] = [0, 0]
      for (let round = 0; round < ROUNDS; round++) {
        const workspaceId = await arena.addWorkspace([anna, 'admin'], [eve, 'admin'])
        const place = { workspaceId, memberId: await memberOf(one, workspaceId, eve) }
        // Let in while still an admin: it is the transaction that must look again.
        const evil = actingAs(eve, 'admin', workspaceId)
        const good = actingAs(anna, 'admin', workspaceId)
        const bot = { workspaceId, name: 'bot', role: 'admin' } as const
        const end = () =>
          round % 2 ? updateMember(one, good, place, { role: 'member' }) : removeMember(one, good, place)
        const act = () => addServiceMember(two, evil, bot)
        // Each begins first as often as the other.
        const [acted] = round % 4 < 2 ? await outcomesOf(act(), end()) : (await outcomesOf(end(), act())).reverse()
        const log = await one.all<{ actor_id: string }>(
          'SELECT actor_id FROM audit_log WHERE workspace_id = ? AND actor_id IS NOT NULL ORDER BY seq',
          workspaceId,
        )
        const actors = log.map(({ actor_id }) => actor_id)
        assert.deepEqual(actors, acted ? [eve.personId, anna.personId] : [anna.personId], `round ${round}`)
        if (acted) kept++
        else refused++
        await assert.rejects(addServiceMember(two, evil, bot), /no such workspace|Only an admin/)
      }
      t.diagnostic(`acted before it ${kept} times, refused after it ${refused} times`)
    })

    it(`an invitation makes one member: of several who accept, or of one and who takes it back, ${ROUNDS} times`, async (t) => {
      const arena = await openArena(t, engine)
      const [one, two] = arena.databases
      const anna = await arena.addPerson()
      for (let round = 0; round < ROUNDS; round++) {
        const [b, c] = [await arena.addPerson(), await arena.addPerson()]
        const workspaceId = await arena.addWorkspace([anna, 'admin'])
        const { token } = await invite(arena, anna, workspaceId)
        const used = await outcomesOf(accept(one, b, token), accept(two, c, token), accept(one, c, token))
        assert.equal(used.filter(Boolean).length, 1, `round ${round}`)
        const back = await invite(arena, anna, workspaceId)
        const late = used[0] ? c : b
        const [joined, revoked] = await outcomesOf(
          accept(one, late, back.token),
          revokeInvitation(two, actingAs(anna, 'admin', workspaceId), workspaceId, back.id),
        )
        assert.notEqual(joined, revoked, `round ${round}`)
        const members = await one.all('SELECT id FROM member WHERE workspace_id = ?', workspaceId)
        assert.equal(members.length, joined ? 3 : 2)
      }
    })

    it(`a link that was renewed does not work beside the new one, ${ROUNDS} times`, async (t) => {
      const arena = await openArena(t, engine)
      const [one, two] = arena.databases
      const anna = await arena.addPerson()
      for (let round = 0; round < ROUNDS; round++) {
        const [b, c] = [await arena.addPerson(), await arena.addPerson()]
        const workspaceId = await arena.addWorkspace([anna, 'admin'])
        const { token, id } = await invite(arena, anna, workspaceId)
        const later = { ...actingAs(anna, 'admin', workspaceId), nowMs: NOON_MS + DAY_MS }
        const invitedBy = await memberOf(one, workspaceId, anna)
        const renewal = renewInvitation(two, later, { workspaceId, inviteId: id, invitedBy, isMailed: false })
        const [joined, renewed] = await outcomesOf(accept(one, b, token), renewal)
        assert.notEqual(joined, renewed, `round ${round}`)
        const next = renewed ? (await renewal).token : token
        assert.deepEqual(await outcomesOf(accept(two, c, token)), [false])
        if (renewed) assert.deepEqual(await outcomesOf(accept(two, c, next)), [true])
      }
    })

    it(`the role of one admin goes to one other, ${ROUNDS} times`, async (t) => {
      const arena = await openArena(t, engine)
      const [one, two] = arena.databases
      const [a, b, c] = [await arena.addPerson(), await arena.addPerson(), await arena.addPerson()]
      for (let round = 0; round < ROUNDS; round++) {
        const workspaceId = await arena.addWorkspace([a, 'admin'], [b, 'member'], [c, 'member'])
        const own = { workspaceId, memberId: await memberOf(one, workspaceId, a) }
        const to = async (who: Rival) => ({ ...own, toId: await memberOf(one, workspaceId, who) })
        const [toB, toC] = [await to(b), await to(c)]
        const done = await outcomesOf(
          transferAdmin(one, actingAs(a, 'admin', workspaceId), toB),
          transferAdmin(two, actingAs(a, 'admin', workspaceId), toC),
        )
        assert.equal(done.filter(Boolean).length, 1, `round ${round}`)
        assert.deepEqual(await adminsOf(one, workspaceId), [done[0] ? b.personId : c.personId])
      }
    })

    it(`an allowance of one seat is one seat, ${ROUNDS} times`, async (t) => {
      const arena = await openArena(t, engine)
      const [one, two] = arena.databases
      const [a, b] = [await arena.addPerson(), await arena.addPerson()]
      for (let round = 0; round < ROUNDS; round++) {
        const workspaceId = await arena.addWorkspace([a, 'admin'], [b, 'member'])
        await setAllowance(one, shell(), { workspaceId, planId: 'go', seats: 1 }, PLANS)
        const give = async (db: Database, who: Rival) => {
          const memberId = await memberOf(db, workspaceId, who)
          const request = { workspaceId, memberId, planId: 'go', useBalance: false }
          return await assignSeat(db, actingAs(a, 'admin', workspaceId), request, { plans: PLANS, bound: 'allowance' })
        }
        const done = await outcomesOf(give(one, a), give(two, b), give(two, a))
        assert.equal(done.filter(Boolean).length, 1, `round ${round}`)
      }
    })
  })
})
