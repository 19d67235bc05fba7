import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DAY_MS } from '../../src/base/time.ts'
import type { Credentials } from '../support/control-server.ts'
import { forEachEngine } from '../support/engines.ts'
import { furnishNode, spend } from './spending.ts'
import { expectCode, expectStatus, listOf, startTeam, type Team } from './team.ts'

const DOLLAR = 1_000_000_000n

async function allow({ call }: Team, operator: Credentials, seats: number): Promise<void> {
  await expectStatus(200, call(operator, 'PUT', 'plans/go', { seats }))
}

/** Gives a member a seat; the id. */
async function assign({ call }: Team, who: Credentials, member: string): Promise<string> {
  return String((await expectStatus(201, call(who, 'POST', 'seats', { member, plan: 'go' }))).id)
}

async function makeKey({ call }: Team, who: Credentials, member: string): Promise<string> {
  return String((await expectStatus(201, call(who, 'POST', 'keys', { name: 'k', member }))).key)
}

function spendOnPlan({ database, server, nowMs }: Team, key: string, dollars: number) {
  const { plans } = server.control.catalog()
  return spend(database, plans, { key, product: 'go', amount: BigInt(dollars) * DOLLAR, nowMs: nowMs() })
}

describe('seats', () => {
  forEachEngine((engine) => {
    it('are handed out by admins as far as the operator allows, by operators without bound', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server } = team
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna', { role: 'admin' })
      await server.signIn('bert', { role: 'member' })
      const seat = { member: 'mem_anna', plan: 'go' }
      // The seat of the first start is in use.
      await allow(team, operator, 1)
      await expectCode('conflict', call(anna, 'POST', 'seats', seat))
      await expectCode('permission_denied', call(anna, 'PUT', 'plans/go', { seats: 9 }))
      await expectCode('not_found', call(operator, 'PUT', 'plans/gold', { seats: 9 }))
      await allow(team, operator, 2)
      await assign(team, anna, 'mem_anna')
      await expectCode('conflict', call(anna, 'POST', 'seats', seat))
      await expectCode('conflict', call(anna, 'POST', 'seats', { ...seat, member: 'mem_bert' }))
      await expectCode('invalid_request', call(anna, 'POST', 'seats', { ...seat, plan: 'gold' }))
      await assign(team, operator, 'mem_bert')
      const { data } = await expectStatus(200, call(anna, 'GET', 'plans'))
      assert.deepEqual(data, [{ plan: 'go', seats: 2, in_use: 3 }])
    })

    it('go on from the balance as their holder or an admin says, and nobody else', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server } = team
      const operator = await server.signIn('olga', { isOperator: true })
      const bert = await server.signIn('bert', { role: 'member' })
      const carl = await server.signIn('carl', { role: 'member' })
      const id = await assign(team, operator, 'mem_bert')
      await expectStatus(200, call(bert, 'PATCH', `seats/${id}`, { use_balance: true }))
      await expectCode('not_found', call(carl, 'PATCH', `seats/${id}`, { use_balance: false }))
      assert.equal(listOf(await expectStatus(200, call(carl, 'GET', 'seats'))).length, 0)
      const [own] = listOf(await expectStatus(200, call(bert, 'GET', 'seats')))
      assert.deepEqual([own?.id, own?.use_balance, Array.isArray(own?.windows) && own.windows.length], [id, true, 3])
      await expectCode('permission_denied', call(bert, 'DELETE', `seats/${id}`))
    })

    it('that are ended and given again, to the same or another, have used what they have used', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server, database, nowMs, pass } = team
      await furnishNode(database, nowMs())
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna', { role: 'admin' })
      await server.signIn('bert', { role: 'member' })
      await allow(team, operator, 2)
      const seat = await assign(team, anna, 'mem_anna')
      const own = await makeKey(team, anna, 'mem_anna')
      const other = await makeKey(team, anna, 'mem_bert')
      assert.equal(await spendOnPlan(team, own, 12), 'plan')
      assert.equal(await spendOnPlan(team, own, 1), null)
      await expectStatus(204, call(anna, 'DELETE', `seats/${seat}`))
      assert.equal(await assign(team, anna, 'mem_anna'), seat)
      assert.equal(await spendOnPlan(team, own, 1), null)
      await expectStatus(204, call(anna, 'DELETE', `seats/${seat}`))
      assert.equal(await assign(team, anna, 'mem_bert'), seat)
      assert.equal(await spendOnPlan(team, other, 1), null)
      await expectStatus(204, call(anna, 'DELETE', 'members/mem_bert'))
      const bot = await expectStatus(201, call(anna, 'POST', 'members', { name: 'bot' }))
      assert.equal(await assign(team, anna, String(bot.id)), seat)
      // What the five hours refuse is free again after them, for whoever has the seat then.
      pass(DAY_MS / 4)
      assert.equal(await spendOnPlan(team, await makeKey(team, anna, String(bot.id)), 12), 'plan')
      await expectStatus(204, call(anna, 'DELETE', `seats/${seat}`))
      // Two months on nothing counts any more: a member without a seat before gets a new one.
      pass(62 * DAY_MS)
      const zoe = await server.signIn('zoe', { role: 'admin' })
      assert.notEqual(await assign(team, zoe, 'mem_zoe'), seat)
    })

    it('that were not used make room for a new one once nobody can still be using them', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server, pass } = team
      const operator = await server.signIn('olga', { isOperator: true })
      const anna = await server.signIn('anna', { role: 'admin' })
      await server.signIn('bert', { role: 'member' })
      await allow(team, operator, 2)
      const seat = await assign(team, anna, 'mem_anna')
      await expectStatus(204, call(anna, 'DELETE', `seats/${seat}`))
      assert.equal(await assign(team, anna, 'mem_bert'), seat)
      await expectStatus(204, call(anna, 'DELETE', `seats/${seat}`))
      pass(62_000)
      assert.notEqual(await assign(team, anna, 'mem_anna'), seat)
    })
  })
})

describe('caps', () => {
  forEachEngine((engine) => {
    it('that are removed and set again have counted what they counted', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server, database, nowMs } = team
      await furnishNode(database, nowMs())
      const anna = await server.signIn('anna', { role: 'admin' })
      const key = await makeKey(team, anna, 'mem_anna')
      const { plans } = server.control.catalog()
      const buy = (amount: bigint) => spend(database, plans, { key, product: 'zen', amount, nowMs: nowMs() })
      const cap = { scope: 'member', subject: 'mem_anna', unit: 'day', limit: '2' }
      const { id } = await expectStatus(200, call(anna, 'PUT', 'caps', cap))
      assert.equal(await buy(2n * DOLLAR), 'balance')
      assert.equal(await buy(DOLLAR), null)
      await expectStatus(204, call(anna, 'DELETE', `caps/${id}`))
      await expectCode('not_found', call(anna, 'DELETE', `caps/${id}`))
      const again = await expectStatus(200, call(anna, 'PUT', 'caps', cap))
      assert.deepEqual([again.used, again.remaining], ['2.00', '0.00'])
      assert.equal(await buy(1n), null)
    })

    it('are seen by those whom they bind, set by admins, and of this workspace', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server } = team
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert', { role: 'member' })
      const set = (scope: string, subject: string, limit = '1') =>
        call(anna, 'PUT', 'caps', { scope, subject, unit: 'month', limit })
      await expectStatus(200, set('workspace', server.workspaceId))
      await expectStatus(200, set('member', 'mem_anna'))
      await expectStatus(200, set('member', 'mem_bert', '0'))
      for (const limit of ['-1', '1e2', '', '12345678901'])
        await expectCode('invalid_request', set('member', 'mem_bert', limit))
      const seen = listOf(await expectStatus(200, call(bert, 'GET', 'caps'))).map(({ subject }) => subject)
      assert.deepEqual(seen.sort(), ['mem_bert', server.workspaceId])
      assert.equal(listOf(await expectStatus(200, call(anna, 'GET', 'caps'))).length, 3)
      const first = await expectStatus(200, call(anna, 'GET', 'caps?limit=2'))
      const rest = await expectStatus(200, call(anna, 'GET', `caps?limit=2&cursor=${first.next_cursor}`))
      assert.deepEqual([listOf(first).length, listOf(rest).length, rest.next_cursor], [2, 1, null])
      const cap = { scope: 'member', subject: 'mem_bert', unit: 'month', limit: '9' }
      await expectCode('permission_denied', call(bert, 'PUT', 'caps', cap))
      await expectCode('not_found', set('key', 'key_none'))
    })
  })
})

describe('reports', () => {
  forEachEngine((engine) => {
    it('show admins what all used, and members what they used themselves', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server, database, nowMs } = team
      await furnishNode(database, nowMs())
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert', { role: 'member' })
      const { plans } = server.control.catalog()
      for (const [member, amount] of [
        ['mem_anna', 2n],
        ['mem_bert', 1n],
      ] as const) {
        const key = await makeKey(team, anna, member)
        await spend(database, plans, { key, product: 'zen', amount: amount * DOLLAR, nowMs: nowMs() })
      }
      const total = async (who: Credentials, query = '') => {
        const { total: sums } = await expectStatus(200, call(who, 'GET', `usage${query}`))
        return (sums as { balance: string }).balance
      }
      assert.deepEqual([await total(anna), await total(bert)], ['3.00', '1.00'])
      assert.equal(await total(bert, '?member=mem_anna'), '0.00')
      assert.equal(await total(anna, '?by=member,model&since=2026-11-01'), '3.00')
      await expectCode('invalid_request', call(anna, 'GET', 'usage?by=colour'))
      await expectCode('invalid_request', call(anna, 'GET', 'usage?colour=red'))
      const all = listOf(await expectStatus(200, call(anna, 'GET', 'requests?limit=1')))
      assert.equal(all.length, 1)
      const theirs = listOf(await expectStatus(200, call(bert, 'GET', 'requests')))
      assert.deepEqual(
        theirs.map(({ member }) => member),
        ['mem_bert'],
      )
      const one = await expectStatus(200, call(bert, 'GET', `requests/${theirs[0]?.id}`))
      assert.equal(one.charged, '1.00')
      const foreign = listOf(await expectStatus(200, call(anna, 'GET', 'requests?member=mem_anna')))
      await expectCode('not_found', call(bert, 'GET', `requests/${foreign[0]?.id}`))
      await expectCode('not_found', call(bert, 'GET', 'requests/req_none'))
      assert.deepEqual(await expectStatus(200, call(bert, 'GET', 'tags')), { data: [] })
    })
  })
})
