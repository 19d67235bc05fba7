/** Who may make somebody an admin: people who have just shown who they are, and whoever runs commands on the machine. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { allRoutes } from '../../src/api/all-routes.ts'
import { MINUTE_MS } from '../../src/base/time.ts'
import type { Credentials } from '../support/control-server.ts'
import { forEachEngine } from '../support/engines.ts'
import { type Answer, expectCode, expectStatus, startTeam } from './team.ts'

describe('an admin', () => {
  forEachEngine((engine) => {
    it('is neither invited nor made by a key, nor by a session whose last proof is old', async (t) => {
      const { call, server, pass } = await startTeam(t, await engine.openDatabase(t))
      const anna = await server.signIn('anna', { role: 'admin' })
      await server.signIn('bert', { role: 'member' })
      const { id } = await expectStatus(201, call(anna, 'POST', 'invites', { role: 'admin' }))
      const manage = await server.makeKey(['manage'], 'admin')
      const ask = (who: Credentials): Promise<Answer>[] => [
        call(who, 'POST', 'invites', { role: 'admin' }),
        call(who, 'POST', `invites/${id}/renew`),
        call(who, 'POST', 'members', { name: 'robot', role: 'admin' }),
        call(who, 'PATCH', 'members/mem_bert', { role: 'admin' }),
      ]
      pass(MINUTE_MS)
      for (const answer of ask(manage)) await expectCode('permission_denied', answer)
      await expectStatus(201, call(manage, 'POST', 'invites', { role: 'member' }))
      await expectStatus(200, call(manage, 'PATCH', 'members/mem_bert', { name: 'Bert' }))
      pass(14 * MINUTE_MS)
      for (const answer of ask(anna)) {
        const { metadata } = await expectCode('permission_denied', answer)
        assert.deepEqual(metadata, { reason: 'sign_in_again' })
      }
      await expectStatus(201, call(anna, 'POST', 'invites', { role: 'member' }))
      await expectStatus(200, call(anna, 'PATCH', 'members/mem_bert', { name: 'bert' }))
      const olga = await server.signIn('olga', { role: 'admin' })
      for (const [index, answer] of ask(olga).entries()) await expectStatus(index < 3 ? 201 : 200, answer)
    })

    it('is invited and made at the shell at any time', async (t) => {
      const { server } = await startTeam(t, await engine.openDatabase(t))
      await server.signIn('bert', { role: 'member' })
      const perform = async (id: string, params: object, body: object): Promise<unknown> => {
        const route = allRoutes.find(({ operation }) => operation?.id === id)
        const where = { workspace: server.workspaceId, ...params }
        return await route?.perform?.(server.control, { params: where, query: {}, body })
      }
      const invite = await perform('invite.create', {}, { role: 'admin' })
      assert.equal((invite as { role?: string }).role, 'admin')
      const member = await perform('member.update', { member: 'mem_bert' }, { role: 'admin' })
      assert.equal((member as { role?: string }).role, 'admin')
    })
  })
})
