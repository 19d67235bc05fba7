import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../support/engines.ts'
import { expectCode, expectStatus, listOf, listRecords, startTeam } from './team.ts'

describe('workspaces', () => {
  forEachEngine((engine) => {
    it('are made by operators alone, with an empty balance and the admin that is named', async (t) => {
      const { call, server, database } = await startTeam(t, await engine.openDatabase(t))
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna')
      await expectCode('permission_denied', call(anna, 'POST', '/api/workspaces', { name: 'mine' }))
      const made = await expectStatus(
        201,
        call(operator, 'POST', '/api/workspaces', { name: 'lab', admin: 'per_anna' }),
      )
      assert.deepEqual([made.name, made.time_zone, made.week_start, made.member], ['lab', 'UTC', 1, null])
      const balance = await expectStatus(200, call(anna, 'GET', `/api/workspaces/${made.id}/balance`))
      assert.deepEqual([balance.available, balance.posted_nano], ['0.00', '0'])
      const own = await expectStatus(201, call(operator, 'POST', '/api/workspaces', { name: 'own' }))
      assert.equal(own.role, 'admin')
      await expectCode('invalid_request', call(operator, 'POST', '/api/workspaces', { name: 'x', admin: 'per_none' }))
      assert.deepEqual(
        (await listRecords(database, 'workspace.create')).map(({ actor_id, target }) => [actor_id, target]),
        [made.id, own.id].map((id) => ['per_olga', id]),
      )
    })

    it('are seen by their members, and all of them by operators, page by page', async (t) => {
      const { call, server } = await startTeam(t, await engine.openDatabase(t))
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna', { role: 'admin' })
      const body = { name: 'lab', admin: 'per_anna' }
      const { id } = await expectStatus(201, call(operator, 'POST', '/api/workspaces', body))
      await expectStatus(201, call(operator, 'POST', '/api/workspaces', { name: 'secret' }))
      const names = async (who: typeof anna, query: string) =>
        listOf(await expectStatus(200, call(who, 'GET', `/api/workspaces${query}`))).map(({ name }) => name)
      assert.deepEqual(await names(anna, ''), ['default', 'lab'])
      assert.deepEqual(await names(operator, ''), ['secret'])
      assert.deepEqual(await names(operator, '?all=true'), ['default', 'lab', 'secret'])
      await expectCode('permission_denied', call(anna, 'GET', '/api/workspaces?all=true'))
      const first = await expectStatus(200, call(anna, 'GET', '/api/workspaces?limit=1'))
      assert.deepEqual(await names(anna, `?limit=1&cursor=${first.next_cursor}`), ['lab'])
      const key = await server.makeKey(['read'])
      assert.deepEqual(await names(key, ''), ['default'])
      const bert = await server.signIn('bert')
      const foreign = await expectCode('not_found', call(bert, 'GET', `/api/workspaces/${id}`))
      const absent = await expectCode('not_found', call(bert, 'GET', '/api/workspaces/wrk_none'))
      assert.equal(foreign.detail, absent.detail)
      await expectCode('not_found', call(key, 'GET', `/api/workspaces/${id}`))
    })

    it('are renamed and given another calendar by their admins; what does not exist is refused', async (t) => {
      const { call, server } = await startTeam(t, await engine.openDatabase(t))
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert', { role: 'member' })
      const path = `/api/workspaces/${server.workspaceId}`
      const change = { name: 'Labor', time_zone: 'Europe/Berlin', week_start: 7 }
      const changed = await expectStatus(200, call(anna, 'PATCH', path, change))
      assert.deepEqual([changed.name, changed.time_zone, changed.week_start], Object.values(change))
      const unchanged = await expectStatus(200, call(anna, 'PATCH', path, { week_start: 1 }))
      assert.deepEqual([unchanged.name, unchanged.time_zone, unchanged.week_start], ['Labor', 'Europe/Berlin', 1])
      await expectCode('invalid_request', call(anna, 'PATCH', path, { time_zone: 'Europe/Atlantis' }))
      await expectCode('invalid_request', call(anna, 'PATCH', path, { week_start: 8 }))
      await expectCode('invalid_request', call(anna, 'PATCH', path, { blocked_at: null }))
      await expectCode('permission_denied', call(bert, 'PATCH', path, { name: 'Mine' }))
    })

    it('that take the id of another as their name are not taken for it', async (t) => {
      const { call, server } = await startTeam(t, await engine.openDatabase(t))
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna', { role: 'admin' })
      await expectStatus(201, call(operator, 'POST', '/api/workspaces', { name: server.workspaceId }))
      assert.equal(listOf(await expectStatus(200, call(anna, 'GET', 'seats'))).length, 1)
    })

    it('get credit from operators once per idempotency key, never less than nothing', async (t) => {
      const { call, server, database } = await startTeam(t, await engine.openDatabase(t))
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna', { role: 'admin' })
      const grant = (amount: string, key?: string) =>
        call(operator, 'POST', 'credit', { amount, note: 'n' }, key === undefined ? {} : { 'idempotency-key': key })
      await expectCode('permission_denied', call(anna, 'POST', 'credit', { amount: '5', note: 'n' }))
      const given = await expectStatus(201, grant('7.000000001', 'a'))
      assert.equal(given.available, '12.000000001')
      await expectStatus(201, grant('7.000000001', 'a'))
      for (const amount of ['-1', '0', '0.0000000001', '1e3', '9999999', 'NaN', '']) {
        await expectCode('invalid_request', grant(amount))
      }
      const lots = listOf(await expectStatus(200, call(anna, 'GET', 'credit')))
      assert.deepEqual(lots.map(({ amount }) => amount).sort(), ['5.00', '7.000000001'])
      assert.equal((await listRecords(database, 'credit.grant')).length, 1)
      const balance = await expectStatus(200, call(anna, 'GET', 'balance'))
      assert.equal(balance.available, '12.000000001')
    })

    it('are shut and opened by operators alone, on record once', async (t) => {
      const { call, server, database } = await startTeam(t, await engine.openDatabase(t))
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna', { role: 'admin' })
      await expectCode('permission_denied', call(anna, 'POST', 'block', {}))
      assert.notEqual((await expectStatus(201, call(operator, 'POST', 'block', { reason: 'fraud' }))).blocked_at, null)
      await expectStatus(201, call(operator, 'POST', 'block', {}))
      await expectCode('permission_denied', call(anna, 'POST', 'unblock'))
      assert.equal((await expectStatus(201, call(operator, 'POST', 'unblock'))).blocked_at, null)
      assert.equal((await listRecords(database, 'workspace.block')).length, 1)
    })
  })
})
