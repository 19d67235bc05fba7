import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DAY_MS, MINUTE_MS } from '../../src/base/time.ts'
import type { Credentials } from '../support/control-server.ts'
import { forEachEngine } from '../support/engines.ts'
import { startMailbox } from '../support/mailbox.ts'
import { type Answer, expectCode, expectStatus, listOf, startTeam, type Team } from './team.ts'

const NOBODY: Credentials = {}
const PASSWORD = 'seven quiet ravens over Ulm'

async function invite({ call }: Team, who: Credentials, body: object = {}): Promise<{ id: string; token: string }> {
  const { id, link } = await expectStatus(201, call(who, 'POST', 'invites', body))
  return { id: String(id), token: String(link).split('#')[1] ?? '' }
}

function accept({ call }: Team, who: Credentials, token: string): Promise<Answer> {
  return call(who, 'POST', '/api/invites/accept', { token })
}

function acceptNew({ call }: Team, token: string, email = 'dora@example.com'): Promise<Answer> {
  return call(NOBODY, 'POST', '/api/invites/accept-new', { token, name: 'Dora', email, password: PASSWORD })
}

describe('invitations', () => {
  forEachEngine((engine) => {
    it('make one person a member, once, with the role that they name', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server, database } = team
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert')
      const carl = await server.signIn('carl')
      const { id, token } = await invite(team, anna, { role: 'admin' })
      const preview = await expectStatus(201, call(NOBODY, 'POST', '/api/invites/preview', { token }))
      assert.deepEqual([preview.workspace, preview.role, preview.email_hint], [{ name: 'default' }, 'admin', null])
      assert.equal((await expectStatus(201, accept(team, bert, token))).role, 'admin')
      await expectCode('not_found', accept(team, carl, token))
      await expectCode('not_found', call(NOBODY, 'POST', '/api/invites/preview', { token }))
      await expectStatus(200, call(bert, 'GET', 'members'))
      const [row] = listOf(await expectStatus(200, call(anna, 'GET', 'invites')))
      assert.deepEqual([row?.id, row?.state], [id, 'accepted'])
      const stored = JSON.stringify(await database.all('SELECT * FROM invite'), (_, value) =>
        typeof value === 'bigint' ? String(value) : value,
      )
      assert.ok(!stored.includes(token))
      const log = JSON.stringify(await database.all('SELECT before, after FROM audit_log'))
      assert.ok(!log.includes(token))
    })

    it('are used by one of a hundred who come at once', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { server, database } = team
      const anna = await server.signIn('anna', { role: 'admin' })
      const people = await Promise.all(Array.from({ length: 100 }, (_, i) => server.signIn(`guest${i}`)))
      const { token } = await invite(team, anna)
      const answers = await Promise.all(people.map((who) => accept(team, who, token)))
      assert.equal(answers.filter(({ status }) => status === 201).length, 1)
      assert.equal(answers.filter(({ body }) => body.code === 'not_found').length, 99)
      const members = await database.all("SELECT id FROM member WHERE person_id LIKE 'per_guest%'")
      assert.equal(members.length, 1)
    })

    it('for an address are for nobody else, and the wrong one does not use them up', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server } = team
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert')
      const carl = await server.signIn('carl')
      const { token } = await invite(team, anna, { email: 'Bert@Example.com' })
      const preview = await expectStatus(201, call(NOBODY, 'POST', '/api/invites/preview', { token }))
      assert.equal(preview.email_hint, 'b…@example.com')
      await expectCode('permission_denied', accept(team, carl, token))
      await expectCode('permission_denied', acceptNew(team, token))
      await expectCode('conflict', call(anna, 'POST', 'invites', { email: 'bert@example.com' }))
      await expectStatus(201, accept(team, bert, token))
      await expectCode('conflict', call(anna, 'POST', 'invites', { email: 'bert@example.com' }))
    })

    it('are dead when they are a week old, revoked, renewed, or whoever sent them may no longer', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server, pass } = team
      const anna = await server.signIn('anna', { role: 'admin' })
      const eve = await server.signIn('eve', { role: 'admin' })
      const bert = await server.signIn('bert')
      const revoked = await invite(team, anna)
      await expectStatus(204, call(anna, 'DELETE', `invites/${revoked.id}`))
      await expectCode('not_found', accept(team, bert, revoked.token))
      await expectCode('conflict', call(anna, 'POST', `invites/${revoked.id}/renew`))
      const renewed = await invite(team, anna)
      await expectCode('rate_limited', call(anna, 'POST', `invites/${renewed.id}/renew`))
      pass(MINUTE_MS)
      const again = await expectStatus(201, call(anna, 'POST', `invites/${renewed.id}/renew`))
      await expectCode('not_found', accept(team, bert, renewed.token))
      const ofRemoved = await invite(team, eve, { role: 'admin' })
      const ofDemoted = await invite(team, eve, { role: 'admin' })
      await expectStatus(200, call(anna, 'PATCH', 'members/mem_eve', { role: 'member' }))
      await expectCode('not_found', accept(team, bert, ofDemoted.token))
      await expectStatus(204, call(anna, 'DELETE', 'members/mem_eve'))
      await expectCode('not_found', accept(team, eve, ofRemoved.token))
      const old = await invite(team, anna)
      pass(6 * DAY_MS + 23 * 3_600_000)
      await expectStatus(201, call(NOBODY, 'POST', '/api/invites/preview', { token: old.token }))
      pass(3_600_000)
      await expectCode('not_found', call(NOBODY, 'POST', '/api/invites/preview', { token: old.token }))
      await expectCode('not_found', call(NOBODY, 'POST', '/api/invites/preview', { token: 'A'.repeat(43) }))
      const late = String(again.link).split('#')[1] ?? ''
      await expectCode('not_found', call(NOBODY, 'POST', '/api/invites/preview', { token: late }))
    })

    it('of an operator are good where it is a plain member or none, until it is no operator or disabled', async (t) => {
      const database = await engine.openDatabase(t)
      const team = await startTeam(t, database)
      const { call, server } = team
      const plain = await server.signIn('olga', { isOperator: true, role: 'member' })
      const none = await server.signIn('omar', { isOperator: true })
      const preview = async (who: Credentials): Promise<() => Promise<Answer>> => {
        const { token } = await invite(team, who)
        return () => call(NOBODY, 'POST', '/api/invites/preview', { token })
      }
      const looks = [await preview(plain), await preview(none)]
      for (const look of looks) await expectStatus(201, look())
      await expectStatus(201, accept(team, await server.signIn('bert'), (await invite(team, plain)).token))
      await database.run('UPDATE person SET disabled_at = 1')
      for (const look of looks) await expectCode('not_found', look())
      await database.run('UPDATE person SET disabled_at = NULL')
      for (const look of looks) await expectStatus(201, look())
      await database.run('UPDATE person SET is_operator = 0')
      for (const look of looks) await expectCode('not_found', look())
    })

    it('make an account for who has none, and sign it in; never a second for one address', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server, database } = team
      const anna = await server.signIn('anna', { role: 'admin' })
      const { token } = await invite(team, anna, { email: 'dora@example.com' })
      const weak = { token, name: 'Dora', email: 'dora@example.com', password: 'short' }
      await expectCode('invalid_request', call(NOBODY, 'POST', '/api/invites/accept-new', weak))
      const { status, body, headers } = await acceptNew(team, token)
      assert.equal(status, 201, JSON.stringify(body))
      const cookie = headers.get('set-cookie')?.split(';')[0] ?? ''
      const own = listOf(await expectStatus(200, call({ cookie }, 'GET', 'members')))
      assert.deepEqual(
        own.map(({ name, role }) => [name, role]),
        [['Dora', 'member']],
      )
      await expectCode('not_found', acceptNew(team, token))
      const open = await invite(team, anna)
      await expectCode('conflict', acceptNew(team, open.token, 'anna@example.com'))
      await expectStatus(201, acceptNew(team, open.token, 'emil@example.com'))
      const people = await database.all<{ email: string }>('SELECT email FROM person ORDER BY email')
      assert.deepEqual(
        people.map(({ email }) => email),
        ['anna@example.com', 'dora@example.com', 'emil@example.com'],
      )
    })

    it('bring somebody back as the member it was, with its caps but without its keys', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server, database } = team
      const anna = await server.signIn('anna', { role: 'admin' })
      const bert = await server.signIn('bert', { role: 'member' })
      await expectStatus(201, call(bert, 'POST', 'keys', { name: 'mine' }))
      await expectStatus(
        200,
        call(anna, 'PUT', 'caps', { scope: 'member', subject: 'mem_bert', unit: 'day', limit: '1' }),
      )
      await expectStatus(204, call(anna, 'DELETE', 'members/mem_bert'))
      const { token } = await invite(team, anna)
      assert.equal((await expectStatus(201, accept(team, bert, token))).member, 'mem_bert')
      const member = await expectStatus(200, call(anna, 'GET', 'members/mem_bert'))
      assert.deepEqual([member.keys, (member.caps as object[]).length], [0, 1])
      const keys = await database.all<{ revoked_at: bigint | null }>(
        "SELECT revoked_at FROM api_key WHERE name = 'mine'",
      )
      assert.deepEqual(
        keys.map(({ revoked_at }) => revoked_at === null),
        [false],
      )
    })

    it('are mailed to their address where mail leaves, and shown to nobody else', async (t) => {
      const mailbox = await startMailbox()
      t.after(() => mailbox.close())
      const mail = { url: mailbox.url, from: 'Zendo <zendo@example.com>' }
      const { call, server, pass } = await startTeam(t, await engine.openDatabase(t), { mail: () => mail })
      const anna = await server.signIn('anna', { role: 'admin' })
      const made = await expectStatus(201, call(anna, 'POST', 'invites', { email: 'dora@example.com' }))
      assert.deepEqual([made.mailed, made.link], [true, null])
      const { text } = await mailbox.mailTo('dora@example.com')
      assert.match(text, /console\/invite#[\w-]{43}\n/)
      assert.ok(text.includes('anna'), text)
      pass(MINUTE_MS)
      const renewed = await expectStatus(201, call(anna, 'POST', `invites/${made.id}/renew`))
      assert.deepEqual([renewed.mailed, renewed.link], [true, null])
      await mailbox.mailTo('dora@example.com', 2)
      const open = await expectStatus(201, call(anna, 'POST', 'invites', {}))
      assert.deepEqual([open.mailed, typeof open.link], [false, 'string'])
      assert.equal(mailbox.mails.length, 2)
    })

    it('are told once: a call that is repeated by its key makes no second, and shows no link', async (t) => {
      const { call, server } = await startTeam(t, await engine.openDatabase(t))
      const anna = await server.signIn('anna', { role: 'admin' })
      const make = () => call(anna, 'POST', 'invites', {}, { 'idempotency-key': 'one' })
      const [first, second] = [await expectStatus(201, make()), await expectStatus(201, make())]
      assert.deepEqual([first.id, second.link], [second.id, null])
      assert.equal(listOf(await expectStatus(200, call(anna, 'GET', 'invites'))).length, 1)
    })

    it('are bounded for each workspace', async (t) => {
      const team = await startTeam(t, await engine.openDatabase(t))
      const { call, server } = team
      const anna = await server.signIn('anna', { role: 'admin' })
      for (let i = 0; i < 200; i++) await invite(team, anna)
      await expectCode('conflict', call(anna, 'POST', 'invites', {}))
      const [first] = listOf(await expectStatus(200, call(anna, 'GET', 'invites?limit=1')))
      await expectStatus(204, call(anna, 'DELETE', `invites/${first?.id}`))
      await expectCode('rate_limited', call(anna, 'POST', 'invites', {}))
    })
  })
})
