/** Whoever makes an account for somebody else's address is out when the owner of the address comes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { finishSetup, makeSetupLink } from '../../src/control/sign-in/setup-link.ts'
import { hashKey } from '../../src/domain/api-key.ts'
import type { MailConfig } from '../../src/domain/sign-in-config.ts'
import type { Database } from '../../src/store/database.ts'
import { insertIdentity } from '../../src/store/identity.ts'
import { loadKeyOwner } from '../../src/store/key.ts'
import { insertPasskey } from '../../src/store/passkey.ts'
import { findPersonByEmail, type Person } from '../../src/store/person.ts'
import { codeIn } from '../sign-in/mail-scene.ts'
import type { Credentials } from '../support/control-server.ts'
import { forEachEngine } from '../support/engines.ts'
import { type Mailbox, startMailbox } from '../support/mailbox.ts'
import { type Answer, expectCode, expectStatus, listOf, listRecords, startTeam, type Team } from './team.ts'

const NOBODY: Credentials = {}
const VICTIM = 'victim@corp.example'
const PASSWORD = 'seven quiet ravens over Ulm'
const NEXT = 'eight loud ravens over Ulm'
const ALL_REMOVED = { password: true, passkeys: 1, identities: 1, keys: 1 }

interface Scene extends Team {
  readonly database: Database
  readonly mailbox: Mailbox
  readonly anna: Credentials
  /** From then on mail leaves. */
  configureMail(): void
}

async function startScene(t: TestContext, database: Database): Promise<Scene> {
  const mailbox = await startMailbox()
  t.after(() => mailbox.close())
  let config: MailConfig | null = null
  const team = await startTeam(t, database, { mail: () => config })
  return {
    ...{ ...team, database, mailbox, anna: await team.server.signIn('anna', { role: 'admin' }) },
    configureMail() {
      config = { url: mailbox.url, from: 'Zendo <zendo@example.com>' }
    },
  }
}

function tokenIn(text: unknown): string {
  const [, token = ''] = /\/console\/\w+#([\w-]{43})/.exec(String(text)) ?? []
  assert.notEqual(token, '', String(text))
  return token
}

/** As a browser sends it that got this answer. */
function credentialsOf({ status, body, headers }: Answer): Credentials {
  assert.equal(status, 201, JSON.stringify(body))
  return { cookie: headers.get('set-cookie')?.split(';')[0] ?? '', 'x-zendo-csrf': String(body.csrf) }
}

async function acceptNew({ call }: Team, token: string): Promise<Credentials> {
  const account = { token, name: 'Not Victor', email: VICTIM, password: PASSWORD }
  return credentialsOf(await call(NOBODY, 'POST', '/api/invites/accept-new', account))
}

interface Hijack {
  readonly session: Credentials
  readonly keyHash: string
}

/** An admin takes the link that it was shown itself, and leaves every way in that there is. */
async function hijack(scene: Scene, invitation: object = { email: VICTIM }): Promise<Hijack> {
  const { call, anna, database } = scene
  const { link, mailed } = await expectStatus(201, call(anna, 'POST', 'invites', invitation))
  assert.equal(mailed, false)
  const session = await acceptNew(scene, tokenIn(link))
  const { key } = await expectStatus(201, call(session, 'POST', 'keys', { name: 'mine' }))
  const { id: personId } = await victim(database)
  await database.write(async (sql) => {
    const passkey = { id: 'pk', personId, name: 'mine', publicKey: 'x', counter: 0, transports: [] }
    await insertPasskey(sql, passkey, 0)
    await insertIdentity(sql, { issuer: 'https://id.example', subject: 'eve', personId }, 0)
  })
  return { session, keyHash: hashKey(String(key)) }
}

async function victim(database: Database): Promise<Person> {
  const person = await findPersonByEmail(database, VICTIM)
  assert.ok(person, 'there is no account')
  return person
}

async function signInByCode({ call, mailbox }: Scene, mails: number): Promise<Answer> {
  const { challenge } = await expectStatus(201, call(NOBODY, 'POST', '/api/sign-in/email', { email: VICTIM }))
  const code = codeIn((await mailbox.mailTo(VICTIM, mails)).text)
  return await call(NOBODY, 'POST', '/api/sign-in/email/verify', { challenge, code })
}

/** Whatever somebody else left there opens nothing any more. */
async function assertOut({ call, database }: Scene, { session, keyHash }: Hijack): Promise<void> {
  await expectCode('sign_in_required', call(session, 'GET', '/api/session'))
  const signIn = { email: VICTIM, password: PASSWORD }
  await expectCode('sign_in_failed', call(NOBODY, 'POST', '/api/sign-in/password', signIn))
  assert.equal((await loadKeyOwner(database, keyHash))?.revoked, true)
  for (const table of ['SELECT id FROM passkey', 'SELECT subject FROM identity']) {
    assert.deepEqual(await database.all(table), [])
  }
}

async function removedAtProof(database: Database): Promise<Record<string, unknown>[]> {
  const rows = await database.all<{ after: string }>(
    "SELECT after FROM audit_log WHERE action = 'person.address_proved' ORDER BY seq",
  )
  return rows.map(({ after }) => JSON.parse(after).removed)
}

describe('an account that somebody else made for an address', () => {
  forEachEngine((engine) => {
    for (const invitation of [{ email: VICTIM }, {}]) {
      const whose = 'email' in invitation ? 'that names it' : 'that names nobody'
      it(`by an invitation ${whose} is the owner's alone once a code was used, who is told`, async (t) => {
        const scene = await startScene(t, await engine.openDatabase(t))
        const { call, database, mailbox, anna } = scene
        const left = await hijack(scene, invitation)
        assert.equal((await victim(database)).emailProvedAtMs, null)
        scene.configureMail()
        const entered = await signInByCode(scene, 1)
        assert.equal(entered.body.earlier_access_removed, true)
        const own = credentialsOf(entered)
        await assertOut(scene, left)
        assert.match((await mailbox.mailTo(VICTIM, 2)).text, /way into it from earlier was removed/)
        assert.deepEqual(await removedAtProof(database), [{ ...ALL_REMOVED, sessions: 1 }])
        assert.deepEqual(
          (await listRecords(database, 'person.address_proved')).map(({ actor_id }) => actor_id),
          [(await victim(database)).id],
        )
        await expectStatus(200, call(own, 'GET', '/api/session'))
        const key = await expectStatus(201, call(own, 'POST', 'keys', { name: 'new' }))
        const again = await signInByCode(scene, 3)
        assert.deepEqual([again.status, again.body.earlier_access_removed], [201, undefined])
        assert.equal((await loadKeyOwner(database, hashKey(String(key.key))))?.revoked, false)
        assert.equal((await removedAtProof(database)).length, 1)
        const seen = listOf(await expectStatus(200, call(anna, 'GET', 'members')))
        const proved = seen.map(({ person }) => person as { email: string; address_proved: boolean } | null)
        assert.equal(proved.find((person) => person?.email === VICTIM)?.address_proved, true)
      })
    }

    it("is the owner's alone once a password was chosen by mail", async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const { call, mailbox, database } = scene
      const left = await hijack(scene)
      scene.configureMail()
      await expectStatus(204, call(NOBODY, 'POST', '/api/sign-in/reset', { email: VICTIM }))
      const token = tokenIn((await mailbox.mailTo(VICTIM)).text)
      await expectStatus(204, call(NOBODY, 'POST', '/api/sign-in/reset/finish', { token, password: NEXT }))
      await assertOut(scene, left)
      const signIn = { email: VICTIM, password: NEXT }
      await expectStatus(201, call(NOBODY, 'POST', '/api/sign-in/password', signIn))
      assert.deepEqual(await removedAtProof(database), [{ ...ALL_REMOVED, sessions: 1 }])
    })

    it('is theirs who accept an invitation that went by mail alone, in their session and no other', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const { call, server, mailbox, database } = scene
      const left = await hijack(scene)
      const operator = await server.signIn('olga', { isOperator: true })
      const lab = await expectStatus(201, call(operator, 'POST', '/api/workspaces', { name: 'lab', admin: 'per_anna' }))
      const signIn = { email: VICTIM, password: PASSWORD }
      const own = credentialsOf(await call(NOBODY, 'POST', '/api/sign-in/password', signIn))
      scene.configureMail()
      await expectStatus(201, call(operator, 'POST', `/api/workspaces/${lab.id}/invites`, { email: VICTIM }))
      const token = tokenIn((await mailbox.mailTo(VICTIM)).text)
      await expectStatus(201, call(own, 'POST', '/api/invites/accept', { token }))
      await expectStatus(200, call(own, 'GET', '/api/session'))
      await assertOut(scene, left)
      assert.notEqual((await victim(database)).emailProvedAtMs, null)
    })

    it('is known as such to whoever looks, and joins by a link that was shown as before', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const { call, server, anna } = scene
      const { session } = await hijack(scene)
      const all = listOf(await expectStatus(200, call(anna, 'GET', 'members')))
      const people = all.flatMap(({ person }) => (person ? [person as { email: string; address_proved: boolean }] : []))
      assert.deepEqual(people.map(({ email, address_proved }) => [email, address_proved]).sort(), [
        ['anna@example.com', true],
        [VICTIM, false],
      ])
      const operator = await server.signIn('olga', { isOperator: true })
      const lab = await expectStatus(201, call(operator, 'POST', '/api/workspaces', { name: 'lab', admin: 'per_anna' }))
      const invites = `/api/workspaces/${lab.id}/invites`
      const preview = async (body: object): Promise<[string, unknown]> => {
        const token = tokenIn((await expectStatus(201, call(operator, 'POST', invites, body))).link)
        return [
          token,
          (await expectStatus(201, call(NOBODY, 'POST', '/api/invites/preview', { token }))).address_proved,
        ]
      }
      assert.equal((await preview({}))[1], null)
      assert.equal((await preview({ email: 'nobody@corp.example' }))[1], null)
      assert.equal((await preview({ email: 'olga@example.com' }))[1], true)
      const [token, isProved] = await preview({ email: VICTIM })
      assert.equal(isProved, false)
      await expectStatus(201, call(session, 'POST', '/api/invites/accept', { token }))
      await expectStatus(200, call(session, 'GET', '/api/session'))
    })

    it('is given the instance to run by nobody where mail leaves', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const { call, server, database } = scene
      await hijack(scene)
      const operator = await server.signIn('olga', { isOperator: true })
      const { id } = await victim(database)
      const promote = (isOperator: boolean): Promise<Answer> =>
        call(operator, 'PATCH', `/api/people/${id}`, { is_operator: isOperator })
      await expectStatus(200, promote(true))
      await expectStatus(200, promote(false))
      scene.configureMail()
      await expectCode('conflict', promote(true))
      credentialsOf(await signInByCode(scene, 1))
      assert.equal((await expectStatus(200, promote(true))).address_proved, true)
    })

    it('and runs the instance is let in by a set-up link, and whoever else had it is out', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const { call, server, database, nowMs } = scene
      const left = await hijack(scene)
      const operator = await server.signIn('olga', { isOperator: true })
      const { id } = await victim(database)
      await expectStatus(200, call(operator, 'PATCH', `/api/people/${id}`, { is_operator: true }))
      const actor = { kind: 'shell', id: null } as const
      const acting = { actor, nowMs: nowMs(), requestId: null, trailKey: server.control.trailKey, randomBytes }
      const { url } = await makeSetupLink(server.control, acting, { email: VICTIM })
      const request = { email: VICTIM, name: 'Victor', password: NEXT, address: '192.0.2.1', oldToken: null }
      await finishSetup(server.control, acting, { ...request, token: tokenIn(url) })
      await assertOut(scene, left)
      await expectStatus(201, call(NOBODY, 'POST', '/api/sign-in/password', { email: VICTIM, password: NEXT }))
    })
  })
})

describe('an account that its owner made', () => {
  forEachEngine((engine) => {
    it('by the link that went to the address alone keeps what it has when a code comes later', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const { call, anna, mailbox, database } = scene
      scene.configureMail()
      const made = await expectStatus(201, call(anna, 'POST', 'invites', { email: VICTIM }))
      assert.deepEqual([made.mailed, made.link], [true, null])
      const own = await acceptNew(scene, tokenIn((await mailbox.mailTo(VICTIM)).text))
      assert.notEqual((await victim(database)).emailProvedAtMs, null)
      const entered = await signInByCode(scene, 2)
      assert.deepEqual([entered.status, entered.body.earlier_access_removed], [201, undefined])
      await expectStatus(200, call(own, 'GET', '/api/session'))
      const signIn = { email: VICTIM, password: PASSWORD }
      await expectStatus(201, call(NOBODY, 'POST', '/api/sign-in/password', signIn))
      assert.deepEqual(await removedAtProof(database), [])
    })
  })
})
