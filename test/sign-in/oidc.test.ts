/** Signing in at a real OpenID Connect provider. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { newId } from '../../src/base/ids.ts'
import { linkToPerson } from '../../src/control/sign-in/identity.ts'
import type { Database } from '../../src/store/database.ts'
import { insertIdentity } from '../../src/store/identity.ts'
import { insertPerson } from '../../src/store/person.ts'
import { forEachEngine } from '../support/engines.ts'
import {
  type IdentityProviderOptions,
  startIdentityProvider,
  type TestIdentityProvider,
} from '../support/identity-provider.ts'
import { assertEntered, assertRefused, type IdentityWorld, startIdentityWorld } from './identity-world.ts'

interface Scene extends IdentityWorld {
  readonly acme: TestIdentityProvider
  setUp(more?: object, signIn?: object): void
}

async function startScene(
  t: TestContext,
  database: Database,
  more: Partial<IdentityProviderOptions> = {},
): Promise<Scene> {
  const world = await startIdentityWorld(t, database)
  const acme = await startIdentityProvider(t, { redirectUri: `${world.url}/api/sign-in/acme/callback`, ...more })
  const { issuer, clientId, clientSecret } = acme
  const setUp: Scene['setUp'] = (provider = {}, signIn = {}) =>
    world.configure({
      ...signIn,
      providers: { acme: { name: 'Acme', issuer, clientId, clientSecret, provisions: true, ...provider } },
    })
  setUp()
  addAccount(acme, 'anna')
  return { ...world, acme, setUp }
}

function addAccount(acme: TestIdentityProvider, id: string, more: object = {}): void {
  acme.accounts.set(id, { email: `${id}@acme.example`, email_verified: true, name: `${id} of Acme`, ...more })
}

function addPerson(
  database: Database,
  email: string,
  { password = null, isProved = true }: { readonly password?: string | null; readonly isProved?: boolean } = {},
): Promise<string> {
  const id = newId('per', Date.now())
  return database.write(async (sql) => {
    await insertPerson(sql, { id, email, name: 'Anna', isOperator: false, password, isProved }, Date.now())
    return id
  })
}

forEachEngine((engine) => {
  describe('a provider of identities', () => {
    it('signs in whoever it provisions, and knows them again', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, url } = await startScene(t, database)
      const first = browser('anna')
      assertEntered(await first.signIn('acme', '/console/keys'), '/console/keys')
      const { person, session, memberships } = (await first.open(`${url}/api/session`)).body
      assert.deepEqual(
        [person.email, person.name, person.is_operator, session.method, memberships],
        ['anna@acme.example', 'anna of Acme', false, 'oidc', []],
      )
      const second = browser('anna')
      assertEntered(await second.signIn('acme'))
      assert.equal((await second.open(`${url}/api/session`)).body.person.id, person.id)
      const entries = await database.all<{ action: string }>('SELECT action FROM audit_log ORDER BY seq')
      assert.deepEqual(
        entries.map(({ action }) => action),
        ['instance.set_up', 'person.create', 'identity.link', 'sign_in.succeeded', 'sign_in.succeeded'],
      )
    })

    it('whose claims stand in its ID token does as well', async (t) => {
      const { browser } = await startScene(t, await engine.openDatabase(t), { claimsInToken: true })
      assertEntered(await browser('anna').signIn('acme'))
    })

    it('may sign with another key from one sign-in to the next', async (t) => {
      const { browser, acme } = await startScene(t, await engine.openDatabase(t))
      for (let rotation = 0; rotation < 3; rotation++) {
        assertEntered(await browser('anna').signIn('acme'))
        acme.rotateKey()
      }
      assertEntered(await browser('anna').signIn('acme'))
    })

    it('always begins another session, and ends the one that the browser had', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser } = await startScene(t, database)
      const anna = browser('anna')
      for (let times = 0; times < 3; times++) assertEntered(await anna.signIn('acme'))
      const open = await database.all('SELECT id FROM session WHERE ended_at IS NULL')
      const all = await database.all('SELECT DISTINCT hash FROM session')
      assert.deepEqual([open.length, all.length], [1, 3])
    })

    it('signs in a hundred people, without a licence and however many there are', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, acme } = await startScene(t, database)
      const names = Array.from({ length: 100 }, (_, index) => `person${index}`)
      for (const name of names) addAccount(acme, name)
      const waiting = [...names]
      const work = async (): Promise<void> => {
        for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
          assertEntered(await browser(name).signIn('acme'))
        }
      }
      await Promise.all([work(), work(), work(), work()])
      const people = await database.all('SELECT DISTINCT person_id FROM session WHERE ended_at IS NULL')
      assert.equal(people.length, 100)
    })

    it('makes one account of a first sign-in in ten browsers at once', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser } = await startScene(t, database)
      const landings = await Promise.all(Array.from({ length: 10 }, () => browser('anna').signIn('acme')))
      for (const landing of landings) assertEntered(landing)
      assert.equal((await database.all('SELECT id FROM person')).length, 1)
    })

    it('that is away is told apart from one that refuses, and others still sign in', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, url, setUp } = await startScene(t, database)
      setUp({ issuer: 'http://127.0.0.1:9' })
      const landing = await browser().open(`${url}/api/sign-in/acme`)
      assert.equal(landing.status, 503)
      assertRefused(landing, 'provider_unreachable', 'upstream_unavailable')
      assert.equal((await browser().open(`${url}/api/sign-in/nobody`)).status, 404)
      setUp()
      assertEntered(await browser('anna').signIn('acme'))
    })

    it('tells people who were refused by a page of the console, and programs by a problem', async (t) => {
      const { browser, url, setUp } = await startScene(t, await engine.openDatabase(t))
      setUp({ provisions: false })
      const headers = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
      const anna = browser('anna')
      const told = await anna.open(await anna.goUntilCallback(`${url}/api/sign-in/acme`), { headers })
      assert.deepEqual(
        [told.status, told.location, await anna.isSignedIn()],
        [302, `${url}/console/sign-in?refused=no_account&provider=acme`, false],
      )
      assertRefused(await anna.signIn('acme'), 'no_account')
      assert.equal((await anna.open(`${url}/api/sign-in/nobody`, { headers })).status, 404)
    })

    it('that is no longer configured ends what was begun there', async (t) => {
      const { browser, url, configure, setUp } = await startScene(t, await engine.openDatabase(t))
      const anna = browser('anna')
      const callback = await anna.goUntilCallback(`${url}/api/sign-in/acme`)
      configure({ providers: {} })
      assert.equal((await anna.open(callback)).status, 404)
      setUp({ issuer: 'http://127.0.0.1:9' })
      assertRefused(await anna.open(callback), 'round_trip')
    })
  })

  describe('who may come', () => {
    it('is who has an account, where nothing provisions', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, setUp, workspaceId } = await startScene(t, database)
      setUp({ provisions: false })
      assertRefused(await browser('anna').signIn('acme'), 'no_account')
      assert.equal((await database.all('SELECT id FROM person')).length, 0)
      await database.run(
        'INSERT INTO invite (id, workspace_id, hash, email, role, invited_by, created_at, expires_at)' +
          " VALUES ('inv_1', ?, 'h', 'anna@acme.example', 'member', 'x', 0, ?)",
        ...[workspaceId, Date.now() + 60_000],
      )
      const anna = browser('anna')
      assertEntered(await anna.signIn('acme'))
      assert.deepEqual((await anna.ask('GET /api/session')).body.memberships, [], 'the invitation waits for its link')
    })

    it('is anybody, where registration is open', async (t) => {
      const { browser, setUp } = await startScene(t, await engine.openDatabase(t))
      setUp({ provisions: false }, { registration: 'open' })
      assertEntered(await browser('anna').signIn('acme'))
    })

    it('is who was invited before that is over, and nobody whose invitation was', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, setUp, workspaceId } = await startScene(t, database)
      setUp({ provisions: false })
      const invite = (id: string, fields: string, value: number): Promise<number> =>
        database.run(
          `INSERT INTO invite (id, workspace_id, hash, email, role, invited_by, created_at, ${fields})` +
            " VALUES (?, ?, ?, 'anna@acme.example', 'member', 'x', 0, ?)",
          ...[id, workspaceId, id, value],
        )
      await invite('inv_old', 'expires_at', Date.now() - 1)
      assertRefused(await browser('anna').signIn('acme'), 'no_account')
      await invite('inv_new', 'expires_at', Date.now() + 60_000)
      await database.run("UPDATE invite SET revoked_at = 1 WHERE id = 'inv_new'")
      assertRefused(await browser('anna').signIn('acme'), 'no_account')
      await database.run("UPDATE invite SET revoked_at = NULL WHERE id = 'inv_new'")
      assertEntered(await browser('anna').signIn('acme'))
    })

    it('is whose verified address is of the domains, each time', async (t) => {
      const { browser, setUp, acme } = await startScene(t, await engine.openDatabase(t))
      setUp({ domains: ['acme.example'] })
      addAccount(acme, 'eve', { email: 'eve@evil.example' })
      addAccount(acme, 'sub', { email: 'sub@mail.acme.example' })
      addAccount(acme, 'quoted', { email: 'x@acme.example@evil.example' })
      assertRefused(await browser('eve').signIn('acme'), 'domain')
      assertRefused(await browser('sub').signIn('acme'), 'domain')
      assertRefused(await browser('quoted').signIn('acme'), 'unverified_email')
      assertEntered(await browser('anna').signIn('acme'))
      addAccount(acme, 'anna', { email: 'anna@elsewhere.example' })
      assertRefused(await browser('anna').signIn('acme'), 'domain')
      addAccount(acme, 'anna', { email_verified: false })
      assertRefused(await browser('anna').signIn('acme'), 'unverified_email')
    })

    it('is, at Google, whose organisation says so: an address there anybody can have', async (t) => {
      const database = await engine.openDatabase(t)
      const world = await startIdentityWorld(t, database)
      const google = await startIdentityProvider(t, {
        ...{ redirectUri: `${world.url}/api/sign-in/google/callback`, claimsInToken: true },
      })
      const { issuer, clientId, clientSecret } = google
      world.configure({
        providers: {
          google: { issuer, clientId, clientSecret, provisions: true, domains: ['acme.example', 'gmail.com'] },
        },
      })
      addAccount(google, 'private')
      assertRefused(await world.browser('private').signIn('google'), 'domain')
      addAccount(google, 'other', { hd: 'evil.example' })
      assertRefused(await world.browser('other').signIn('google'), 'domain')
      addAccount(google, 'member', { hd: 'acme.example' })
      assertEntered(await world.browser('member').signIn('google'))
      addAccount(google, 'mail', { email: 'mail@gmail.com' })
      assertEntered(await world.browser('mail').signIn('google'))
    })

    it('is nobody who was disabled', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser } = await startScene(t, database)
      assertEntered(await browser('anna').signIn('acme'))
      await database.run('UPDATE person SET disabled_at = 1')
      assertRefused(await browser('anna').signIn('acme'), 'disabled')
      await database.run('UPDATE person SET disabled_at = NULL')
      assertEntered(await browser('anna').signIn('acme'))
    })
  })

  describe('linking', () => {
    it('takes somebody who is signed in here and there, and then both ways lead to one account', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, signIn } = await startScene(t, database)
      const own = browser('anna')
      own.adopt(await signIn('olga', { isOperator: true }))
      const { body } = await own.ask('POST /api/me/identities/acme', { return_to: '/console/me' })
      assert.match(body.location, /code_challenge=/)
      assertEntered(await own.open(await own.goUntilCallback(body.location)), '/console/me')
      const { data } = (await own.ask('GET /api/me/identities')).body
      assert.deepEqual(
        data.map(({ provider }: { provider: string }) => provider),
        ['acme'],
      )
      const elsewhere = browser('anna')
      assertEntered(await elsewhere.signIn('acme'))
      assert.equal((await elsewhere.ask('GET /api/session')).body.person.id, 'per_olga')
    })

    it('ends in the session where it began: another that the browser is in by then gets nothing', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, signIn } = await startScene(t, database)
      const own = browser('anna')
      own.adopt(await signIn('olga'))
      const { body } = await own.ask('POST /api/me/identities/acme', {})
      const callback = await own.goUntilCallback(body.location)
      own.adopt(await signIn('otto'))
      assertRefused(await own.open(callback), 'round_trip')
      assert.deepEqual(await database.all('SELECT issuer FROM identity'), [])
    })

    it('wants a proof of identity of the last 15 minutes', async (t) => {
      const { browser, signIn, clock } = await startScene(t, await engine.openDatabase(t))
      const own = browser('anna')
      own.adopt(await signIn('olga'))
      clock.aheadMs = 15 * 60_000
      assertRefused(await own.ask('POST /api/me/identities/acme', {}), 'sign_in_again', 'permission_denied')
    })

    it('takes no identity that is somebody else’s, nor a second one of the same provider', async (t) => {
      const { browser, signIn, acme } = await startScene(t, await engine.openDatabase(t))
      assertEntered(await browser('anna').signIn('acme'))
      const own = browser('anna')
      own.adopt(await signIn('olga'))
      const first = (await own.ask('POST /api/me/identities/acme', {})).body.location
      assertRefused(await own.open(await own.goUntilCallback(first)), 'linked_elsewhere')
      addAccount(acme, 'one')
      addAccount(acme, 'two')
      const credentials = await signIn('otto')
      for (const account of ['one', 'two']) {
        const otto = browser(account)
        otto.adopt(credentials)
        const { location } = (await otto.ask('POST /api/me/identities/acme', {})).body
        const landing = await otto.open(await otto.goUntilCallback(location))
        if (account === 'one') assertEntered(landing)
        else assertRefused(landing, 'already_linked')
      }
    })

    it('is undone, but never with the last way in', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser } = await startScene(t, database)
      const anna = browser('anna')
      assertEntered(await anna.signIn('acme'))
      assert.equal((await anna.ask('DELETE /api/me/identities/acme')).body.code, 'conflict')
      await database.run("UPDATE person SET password = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA'")
      assert.equal((await anna.ask('DELETE /api/me/identities/acme')).status, 204)
      assert.equal((await anna.ask('DELETE /api/me/identities/acme')).status, 404)
      assertRefused(await browser('anna').signIn('acme'), 'email_in_use')
    })

    it('is refused when the session in which it began was ended while the provider was asked', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, control } = await startScene(t, database)
      assertEntered(await browser('anna').signIn('acme'))
      const [session] = await database.all<{ id: string; person_id: string }>('SELECT id, person_id FROM session')
      const [provider] = control.signIn().providers
      assert.ok(session && provider)
      const identity = {
        ...{ issuer: 'https://elsewhere.example', subject: 'anna', email: null, isEmailVerified: false },
        ...{ name: null, hostedDomain: null, groups: null },
      }
      const arrival = { provider: { ...provider, issuer: identity.issuer }, identity, oldToken: null }
      const acting = {
        actor: { kind: 'person', id: session.person_id },
        ...{ nowMs: Date.now(), requestId: null, trailKey: 'x', randomBytes },
      } as const
      const link = (): Promise<void> =>
        linkToPerson(control, acting, { arrival, personId: session.person_id, sessionId: session.id })
      await database.run('UPDATE session SET ended_at = 1')
      await assert.rejects(link, { code: 'sign_in_required' })
      await database.run('UPDATE session SET ended_at = NULL')
      await link()
    })

    it('by its verified address takes over an account that nobody has proved, and whoever had it is out', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, acme, url } = await startScene(t, database)
      const password = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA'
      const id = await addPerson(database, 'anna@acme.example', { password, isProved: false })
      await database.write((sql) =>
        insertIdentity(sql, { issuer: 'https://id.example', subject: 'eve', personId: id }, 0),
      )
      addAccount(acme, 'anna', { email_verified: false })
      assertRefused(await browser('anna').signIn('acme'), 'unverified_email')
      addAccount(acme, 'anna')
      await database.run('UPDATE person SET is_operator = 1')
      assertRefused(await browser('anna').signIn('acme'), 'email_in_use')
      await database.run('UPDATE person SET is_operator = 0')
      const anna = browser('anna')
      assertEntered(await anna.signIn('acme'))
      assert.equal((await anna.open(`${url}/api/session`)).body.person.id, id)
      const [person] = await database.all<{ password: string | null; email_proved_at: bigint | null }>(
        'SELECT password, email_proved_at FROM person',
      )
      assert.equal(person?.password, null)
      assert.notEqual(person?.email_proved_at, null)
      const identities = await database.all<{ issuer: string }>('SELECT issuer FROM identity')
      assert.deepEqual(
        identities.map(({ issuer }) => issuer),
        [acme.issuer],
      )
      await database.run('UPDATE person SET password = ?', password)
      assertEntered(await browser('anna').signIn('acme'))
      const [kept] = await database.all<{ password: string | null }>('SELECT password FROM person')
      assert.equal(kept?.password, password, 'once')
    })

    it('by address alone takes an account that nobody could sign in to', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, setUp } = await startScene(t, database)
      setUp({ provisions: false })
      const id = await addPerson(database, 'anna@acme.example')
      const anna = browser('anna')
      assertEntered(await anna.signIn('acme'))
      assert.equal((await anna.ask('GET /api/session')).body.person.id, id)
    })
  })
})
