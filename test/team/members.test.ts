import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../support/engines.ts'
import { expectCode, expectStatus, listOf, listRecords, startTeam } from './team.ts'

describe('members', () => {
  forEachEngine((engine) => {
    it('are all seen by admins, and by each other not at all', async (t) => {
      const { call, server } = await startTeam(t, await engine.openDatabase(t))
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert', { role: 'member' })
      const all = listOf(await expectStatus(200, call(anna, 'GET', 'members')))
      assert.deepEqual(all.map(({ name, role }) => [name, role]).sort(), [
        ['admin', 'admin'],
        ['anna', 'admin'],
        ['bert', 'member'],
      ])
      const first = all.find(({ name }) => name === 'admin')
      const { person, keys, seats } = first ?? {}
      assert.deepEqual([person, keys, Array.isArray(seats) && seats.length], [null, 1, 1])
      const own = listOf(await expectStatus(200, call(bert, 'GET', 'members')))
      assert.deepEqual(
        own.map(({ person }) => person),
        [{ id: 'per_bert', email: 'bert@example.com', name: 'bert', is_disabled: false, address_proved: true }],
      )
      const hidden = await expectCode('not_found', call(bert, 'GET', 'members/mem_anna'))
      const absent = await expectCode('not_found', call(bert, 'GET', 'members/mem_none'))
      assert.equal(hidden.detail, absent.detail)
    })

    it('of other workspaces are not there, whatever is asked of them', async (t) => {
      const { call, server, database } = await startTeam(t, await engine.openDatabase(t))
      const operator = await server.signIn('olga', { isOperator: true })
      await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert')
      const lab = { name: 'lab', admin: 'per_bert' }
      const { id } = await expectStatus(201, call(operator, 'POST', '/api/workspaces', lab))
      const [seat] = await database.all<{ id: string }>('SELECT id FROM seat')
      const [key] = await database.all<{ id: string }>('SELECT id FROM api_key')
      const path = `/api/workspaces/${id}`
      for (const member of ['mem_anna', 'mem_none']) {
        const what = `${path}/members/${member}`
        for (const answer of [
          call(bert, 'GET', what),
          call(bert, 'PATCH', what, { role: 'member' }),
          call(bert, 'DELETE', what),
          call(bert, 'POST', `${what}/transfer`),
          call(bert, 'POST', `${path}/seats`, { member, plan: 'go' }),
          call(bert, 'PUT', `${path}/caps`, { scope: 'member', subject: member, unit: 'day', limit: '1' }),
        ]) {
          const { detail } = await expectCode('not_found', answer)
          assert.match(String(detail), /^There is no such (member)\.$/)
        }
      }
      await expectCode('not_found', call(bert, 'DELETE', `${path}/seats/${seat?.id}`))
      await expectCode('not_found', call(bert, 'PATCH', `${path}/seats/${seat?.id}`, { use_balance: true }))
      const cap = { scope: 'key', subject: key?.id, unit: 'day', limit: '1' }
      await expectCode('not_found', call(bert, 'PUT', `${path}/caps`, cap))
      await expectCode(
        'not_found',
        call(bert, 'PUT', `${path}/caps`, { ...cap, scope: 'workspace', subject: server.workspaceId }),
      )
      assert.equal((await database.all('SELECT id FROM cap')).length, 0)
    })

    it('without a person are added, renamed and removed with their keys and seats', async (t) => {
      const { call, server, database } = await startTeam(t, await engine.openDatabase(t))
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert', { role: 'member' })
      await expectCode('permission_denied', call(bert, 'POST', 'members', { name: 'bot' }))
      const { id } = await expectStatus(201, call(anna, 'POST', 'members', { name: 'bot' }))
      assert.equal((await expectStatus(200, call(anna, 'PATCH', `members/${id}`, { name: 'builder' }))).name, 'builder')
      await expectStatus(201, call(anna, 'POST', 'keys', { name: 'k', member: id }))
      await expectStatus(204, call(anna, 'DELETE', `members/${id}`))
      await expectCode('not_found', call(anna, 'DELETE', `members/${id}`))
      const keys = await database.all<{ revoked_at: bigint | null }>(
        'SELECT revoked_at FROM api_key WHERE member_id = ?',
        String(id),
      )
      assert.deepEqual(
        keys.map(({ revoked_at }) => revoked_at !== null),
        [true],
      )
      const [record] = await listRecords(database, 'member.remove')
      assert.deepEqual([record?.actor_id, record?.target, record?.workspace_id], ['per_anna', id, server.workspaceId])
    })

    it('lose what they were the moment they are removed, with the session that they have', async (t) => {
      const { call, server } = await startTeam(t, await engine.openDatabase(t))
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert', { role: 'admin' })
      await expectStatus(204, call(anna, 'DELETE', 'members/mem_bert'))
      await expectCode('not_found', call(bert, 'GET', 'members'))
      await expectStatus(200, call(bert, 'GET', '/api/session'))
    })

    it('never leave a workspace without an admin who can sign in', async (t) => {
      const { call, server } = await startTeam(t, await engine.openDatabase(t))
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna', { role: 'admin' })
      await server.signIn('bert', { role: 'member' })
      for (const who of [anna, operator]) {
        await expectCode('conflict', call(who, 'PATCH', 'members/mem_anna', { role: 'member' }))
        await expectCode('conflict', call(who, 'DELETE', 'members/mem_anna'))
      }
      await expectCode('conflict', call(anna, 'POST', 'leave'))
      await expectStatus(200, call(anna, 'PATCH', 'members/mem_bert', { role: 'admin' }))
      await expectStatus(204, call(anna, 'POST', 'leave'))
      await expectCode('conflict', call(operator, 'DELETE', 'members/mem_bert'))
    })

    it('hand the role of admin over as a whole, to whoever can sign in', async (t) => {
      const { call, server } = await startTeam(t, await engine.openDatabase(t))
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert', { role: 'member' })
      const bot = await expectStatus(201, call(anna, 'POST', 'members', { name: 'bot' }))
      await expectCode('conflict', call(anna, 'POST', `members/${bot.id}/transfer`))
      await expectCode('conflict', call(anna, 'POST', 'members/mem_anna/transfer'))
      await expectCode('conflict', call(operator, 'POST', 'members/mem_bert/transfer'))
      const owen = await server.signIn('owen', { isOperator: true, role: 'member' })
      await expectCode('permission_denied', call(owen, 'POST', 'members/mem_bert/transfer'))
      await expectCode('permission_denied', call(bert, 'POST', 'members/mem_anna/transfer'))
      assert.equal((await expectStatus(201, call(anna, 'POST', 'members/mem_bert/transfer'))).role, 'admin')
      await expectCode('permission_denied', call(anna, 'POST', 'members/mem_bert/transfer'))
      await expectCode('permission_denied', call(anna, 'PATCH', 'members/mem_anna', { role: 'admin' }))
      await expectStatus(200, call(bert, 'GET', 'members/mem_anna'))
    })

    it('with a key to manage do what their role allows, and nothing that is for people', async (t) => {
      const { call, server } = await startTeam(t, await engine.openDatabase(t))
      const managing = await server.makeKey(['manage'], 'admin')
      const reading = await server.makeKey(['read'], 'admin')
      const plain = await server.makeKey(['manage'], 'member')
      const { id } = await expectStatus(201, call(managing, 'POST', 'members', { name: 'bot' }))
      await expectCode('permission_denied', call(reading, 'DELETE', `members/${id}`))
      await expectCode('permission_denied', call(plain, 'DELETE', `members/${id}`))
      await expectCode('permission_denied', call(managing, 'POST', `members/${id}/transfer`))
      await expectCode('permission_denied', call(managing, 'POST', 'leave'))
      await expectStatus(204, call(managing, 'DELETE', `members/${id}`))
    })
  })
})
