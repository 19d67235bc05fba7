/**
 * What a hostile provider, a hostile page or a hostile person can send through a browser. Each is refused, and each has
 * a control: the same way with nothing wrong signs somebody in.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { newId } from '../../src/base/ids.ts'
import type { Database } from '../../src/store/database.ts'
import { insertPerson } from '../../src/store/person.ts'
import { forEachEngine } from '../support/engines.ts'
import {
  type HostileIdentityProvider,
  startHostileProvider,
  type Tampering,
} from '../support/hostile-identity-provider.ts'
import { assertEntered, assertRefused, type IdentityWorld, startIdentityWorld } from './identity-world.ts'

interface Scene extends IdentityWorld {
  readonly hostile: HostileIdentityProvider
  /** Another provider of the same server, an honest one. */
  readonly other: HostileIdentityProvider
}

let serial = 0

function newAccount(more: object = {}): Record<string, unknown> {
  const sub = `subject-${++serial}`
  return { sub, email: `${sub}@acme.example`, email_verified: true, name: `Person ${serial}`, ...more }
}

async function startScene(t: TestContext, database: Database): Promise<Scene> {
  const world = await startIdentityWorld(t, database)
  const [hostile, other] = [await startHostileProvider(t), await startHostileProvider(t)]
  const scene = { ...world, hostile, other }
  reconfigure(scene)
  hostile.account = newAccount()
  other.account = newAccount()
  return scene
}

/** Also makes what was discovered before be forgotten. */
function reconfigure({ configure, hostile, other }: Pick<Scene, 'configure' | 'hostile' | 'other'>): void {
  const entry = ({ issuer, clientId, clientSecret }: HostileIdentityProvider): object => ({
    ...{ issuer, clientId, clientSecret, provisions: true },
  })
  configure({ providers: { hostile: entry(hostile), other: entry(other) } })
}

async function countSessions(database: Database): Promise<number> {
  const row = await database.get<{ count: bigint }>('SELECT COUNT(*) AS count FROM session')
  return Number(row?.count)
}

const otherKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const seconds = (): number => Math.floor(Date.now() / 1000)

/** What the provider does wrong, whoever comes. */
const TOKENS: readonly (readonly [name: string, tampering: Tampering])[] = [
  ['an ID token without the nonce', { claims: ({ nonce: _, ...claims }) => claims }],
  ['an ID token with another nonce', { claims: (claims) => ({ ...claims, nonce: 'another' }) }],
  ['an ID token for another audience', { claims: (claims) => ({ ...claims, aud: 'somebody-else' }) }],
  [
    'an ID token for several audiences, authorised for another',
    { claims: (claims) => ({ ...claims, aud: ['zendo', 'somebody-else'], azp: 'somebody-else' }) },
  ],
  ['an ID token that is over', { claims: (claims) => ({ ...claims, exp: seconds() - 120 }) }],
  ['an ID token of another issuer', { claims: (claims) => ({ ...claims, iss: 'https://accounts.google.com' }) }],
  ['an ID token without a subject', { claims: ({ sub: _, ...claims }) => claims }],
  ['no ID token', { tokens: ({ id_token: _, ...answer }) => answer }],
  [
    'an ID token without a signature (alg none)',
    { idToken: (claims, { jwt }) => jwt({ alg: 'none' }, claims, () => Buffer.alloc(0)) },
  ],
  [
    'an ID token without a signature, which the provider announces',
    {
      metadata: (document) => ({ ...document, id_token_signing_alg_values_supported: ['none', 'RS256'] }),
      idToken: (claims, { jwt }) => jwt({ alg: 'none' }, claims, () => Buffer.alloc(0)),
    },
  ],
  [
    'an ID token signed with the secret of the client (HS256)',
    {
      metadata: (document) => ({ ...document, id_token_signing_alg_values_supported: ['HS256', 'RS256'] }),
      idToken: (claims, { jwt, hs256, clientSecret }) => jwt({ alg: 'HS256' }, claims, hs256(clientSecret)),
    },
  ],
  [
    'an ID token signed with the public key as a secret (HS256)',
    {
      metadata: (document) => ({ ...document, id_token_signing_alg_values_supported: ['HS256', 'RS256'] }),
      idToken: (claims, { jwt, hs256, publicKeyPem }) => jwt({ alg: 'HS256' }, claims, hs256(publicKeyPem)),
    },
  ],
  [
    'an ID token signed with a key that was not published',
    { idToken: (claims, { jwt, rs256 }) => jwt({ alg: 'RS256', kid: 'the published key' }, claims, rs256(otherKey)) },
  ],
  [
    'an ID token that was changed after it was signed',
    {
      idToken: (claims, { jwt, rs256 }) => {
        const [head, , signature] = jwt({ alg: 'RS256', kid: 'the published key' }, claims, rs256()).split('.')
        const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'subject-of-another' })).toString('base64url')
        return `${head}.${changed}.${signature}`
      },
    },
  ],
  [
    'the issuer of another provider in its answer (mix-up)',
    { callback: (query) => query.set('iss', 'https://a.example') },
  ],
  ['no issuer in its answer, though it promises one', { callback: (query) => query.delete('iss') }],
  ['no state', { callback: (query) => query.delete('state') }],
  ['another state', { callback: (query) => query.set('state', 'A'.repeat(43)) }],
  ['a refusal', { callback: (query) => query.set('error', 'access_denied') }],
  [
    'other methods of PKCE than S256',
    { metadata: (document) => ({ ...document, code_challenge_methods_supported: ['plain'] }) },
  ],
  ['another issuer in its metadata', { metadata: (document) => ({ ...document, issuer: 'https://a.example' }) }],
  [
    'an address for tokens in the clear on another machine',
    { metadata: (document) => ({ ...document, token_endpoint: 'http://192.0.2.1/token' }) },
  ],
  [
    'somebody else in its answer about the user',
    {
      claims: ({ email: _, ...claims }) => claims,
      userinfo: (claims) => ({ ...claims, sub: 'subject-of-another' }),
    },
  ],
]

forEachEngine((engine) => {
  describe('a provider that answers with', () => {
    for (const [name, tampering] of TOKENS) {
      it(`${name} signs nobody in`, async (t) => {
        const database = await engine.openDatabase(t)
        const scene = await startScene(t, database)
        assertEntered(await scene.browser().signIn('hostile'))
        const before = await countSessions(database)
        scene.hostile.tampering = tampering
        reconfigure(scene)
        const browser = scene.browser()
        const landing = await browser.signIn('hostile').catch(() => browser.open(`${scene.url}/api/sign-in/hostile`))
        assert.equal(landing.body.code, 'sign_in_failed', JSON.stringify(landing))
        assert.equal(await browser.isSignedIn(), false)
        assert.equal(await countSessions(database), before)
        scene.hostile.tampering = {}
        reconfigure(scene)
        assertEntered(await scene.browser().signIn('hostile'))
      })
    }

    it('a redirect for tokens gets no secret passed on', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      scene.hostile.tampering = { redirectTokensTo: `${scene.other.issuer}/token` }
      assertRefused(await scene.browser().signIn('hostile'), 'provider_refused')
      assert.equal(scene.other.tokenRequests(), 0)
      scene.hostile.tampering = {}
      assertEntered(await scene.browser().signIn('hostile'))
    })
  })

  describe('a way to the provider and back', () => {
    it('ends in the browser that set out, not in that of a victim (login CSRF)', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const [attacker, victim] = [scene.browser(), scene.browser()]
      const callback = await attacker.goUntilCallback(`${scene.url}/api/sign-in/hostile`)
      assertRefused(await victim.open(callback), 'round_trip')
      // Also of one that is on a way of its own.
      await victim.goUntilCallback(`${scene.url}/api/sign-in/hostile`)
      assertRefused(await victim.open(callback), 'round_trip')
      assert.equal(await victim.isSignedIn(), false)
      assertEntered(await attacker.open(callback))
    })

    it('ends once: neither its address nor its code serve again', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const browser = scene.browser()
      const first = await browser.goUntilCallback(`${scene.url}/api/sign-in/hostile`)
      const cookie = (await browser.open(`${scene.url}/api/sign-in`)).setCookies
      assert.deepEqual(cookie, [])
      assertEntered(await browser.open(first))
      assertRefused(await browser.open(first), 'round_trip')
      const second = new URL(await browser.goUntilCallback(`${scene.url}/api/sign-in/hostile`))
      second.searchParams.set('code', new URL(first).searchParams.get('code') ?? '')
      assertRefused(await browser.open(second.href), 'provider_refused')
    })

    it('ends once, also when its address is opened twenty times at once', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const browser = scene.browser()
      const callback = await browser.goUntilCallback(`${scene.url}/api/sign-in/hostile`)
      const landings = await Promise.all(Array.from({ length: 20 }, () => browser.open(callback)))
      assert.equal(landings.filter(({ status }) => status === 302).length, 1)
      assert.equal(scene.hostile.tokenRequests(), 1)
    })

    it('takes no code that was meant for another browser, even of a provider that looks at nothing', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      scene.hostile.tampering = { ignoresPkce: true }
      const [victim, attacker] = [scene.browser(), scene.browser()]
      const stolen = new URL(await victim.goUntilCallback(`${scene.url}/api/sign-in/hostile`)).searchParams.get('code')
      const own = new URL(await attacker.goUntilCallback(`${scene.url}/api/sign-in/hostile`))
      own.searchParams.set('code', stolen ?? '')
      assertRefused(await attacker.open(own.href), 'provider_refused')
      assert.equal(scene.hostile.tokenRequests(), 1)
      assertEntered(await scene.browser().signIn('hostile'))
    })

    it('ends at the provider where it began', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const browser = scene.browser()
      const callback = await browser.goUntilCallback(`${scene.url}/api/sign-in/hostile`)
      assertRefused(await browser.open(callback.replace('/hostile/', '/other/')), 'round_trip')
      assert.equal(scene.other.tokenRequests(), 0)
      assertEntered(await browser.signIn('other'))
    })

    it('takes ten minutes at most', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const browser = scene.browser()
      const callback = await browser.goUntilCallback(`${scene.url}/api/sign-in/hostile`)
      scene.clock.aheadMs = 10 * 60_000
      assertRefused(await browser.open(callback), 'round_trip')
      const next = await browser.goUntilCallback(`${scene.url}/api/sign-in/hostile`)
      scene.clock.aheadMs += 9 * 60_000
      assertEntered(await browser.open(next))
    })

    it('always asks for PKCE by S256, with a state and a nonce of its own, and keeps no secret in the clear', async (t) => {
      const database = await engine.openDatabase(t)
      const scene = await startScene(t, database)
      for (let i = 0; i < 3; i++) assertEntered(await scene.browser().signIn('hostile'))
      const { departures } = scene.hostile
      for (const asked of departures) {
        assert.equal(asked.get('code_challenge_method'), 'S256')
        for (const name of ['state', 'nonce', 'code_challenge']) assert.match(asked.get(name) ?? '', /^[\w-]{43}$/)
      }
      for (const name of ['state', 'nonce', 'code_challenge']) {
        assert.equal(new Set(departures.map((asked) => asked.get(name))).size, 3)
      }
      const rows = JSON.stringify(await database.all('SELECT hash, payload FROM challenge'))
      for (const asked of departures) {
        for (const name of ['state', 'nonce']) assert.equal(rows.includes(asked.get(name) ?? '?'), false)
      }
      assert.equal(rows.includes('/console'), false)
    })

    it('binds the browser by a cookie that scripts and other hosts do not see', async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      const { setCookies } = await scene.browser().open(`${scene.url}/api/sign-in/hostile`)
      assert.match(setCookies[0] ?? '', /^zendo_round_trip=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=600$/)
    })
  })

  describe('the page to go to afterwards', () => {
    const FOREIGN = [
      ...['https://evil.example/console', '//evil.example/console', '/\\evil.example/console', '\\\\evil.example'],
      ...['/console/../../evil', '/console/../api/session', '/consolevil', '/', 'console', 'javascript:alert(1)'],
      ...[
        '/console\r\nlocation: https://evil.example',
        '/console/\u0000',
        '/console@evil.example',
        '/%2f/evil.example',
      ],
      ...['http:/console', 'http:console', '/console/%2e%2e/%2e%2e/api', ' /console', '/\t/evil.example', ''],
    ]
    it(`is one of the console, whatever is asked for (${FOREIGN.length} other ways to write one)`, async (t) => {
      const scene = await startScene(t, await engine.openDatabase(t))
      for (const path of FOREIGN) {
        const query = new URLSearchParams({ return_to: path })
        const refused = await scene.browser().open(`${scene.url}/api/sign-in/hostile?${query}`)
        assert.deepEqual([path, refused.status, refused.body.param], [path, 400, 'return_to'])
      }
      assert.equal(scene.hostile.departures.length, 0)
      const landing = await scene.browser().signIn('hostile', '/console/keys?new=1#name')
      assert.equal(landing.location, `${scene.url}/console/keys?new=1#name`)
    })
  })

  describe('an e-mail address', () => {
    async function addPerson(database: Database, email: string, password: string | null): Promise<string> {
      const id = newId('per', Date.now())
      await database.write((sql) =>
        insertPerson(sql, { id, email, name: 'Anna', isOperator: true, password }, Date.now()),
      )
      return id
    }

    async function whose(scene: Scene, account: Record<string, unknown>): Promise<unknown> {
      scene.hostile.account = account
      const browser = scene.browser()
      assertEntered(await browser.signIn('hostile'))
      return (await browser.ask('GET /api/session')).body.person.id
    }

    it('that is not verified finds nobody, and makes nobody', async (t) => {
      const database = await engine.openDatabase(t)
      const scene = await startScene(t, database)
      const id = await addPerson(database, 'anna@acme.example', null)
      for (const verified of [false, undefined, 'true', 1, null]) {
        for (const email of ['anna@acme.example', 'nobody@acme.example']) {
          scene.hostile.account = newAccount({ email, email_verified: verified })
          assertRefused(await scene.browser().signIn('hostile'), 'unverified_email')
        }
      }
      assert.equal((await database.all('SELECT id FROM person')).length, 1)
      assert.equal(await whose(scene, newAccount({ email: 'Anna@ACME.example' })), id)
    })

    it('is not verified by one answer and told by another', async (t) => {
      const database = await engine.openDatabase(t)
      const scene = await startScene(t, database)
      const id = await addPerson(database, 'anna@acme.example', null)
      scene.hostile.account = newAccount({ email: 'anna@acme.example' })
      // The token tells the address; that it is verified stands elsewhere, of another one.
      scene.hostile.tampering = {
        claims: ({ email_verified: _, ...claims }) => claims,
        userinfo: (claims) => ({ ...claims, email: 'mallory@evil.example' }),
      }
      const browser = scene.browser()
      assertEntered(await browser.signIn('hostile'))
      const { person } = (await browser.ask('GET /api/session')).body
      assert.deepEqual([person.email, person.id === id], ['mallory@evil.example', false])
    })

    it('is no way into an account that has a password, a passkey or an identity', async (t) => {
      const database = await engine.openDatabase(t)
      const scene = await startScene(t, database)
      await addPerson(database, 'password@acme.example', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA')
      const passkey = await addPerson(database, 'passkey@acme.example', null)
      await database.run(
        "INSERT INTO passkey (id, person_id, name, public_key, counter, transports, created_at) VALUES ('a', ?, 'b', 'c', 0, '[]', 0)",
        passkey,
      )
      await addPerson(database, 'identity@acme.example', null)
      await whose(scene, newAccount({ email: 'identity@acme.example' }))
      for (const way of ['password', 'passkey', 'identity']) {
        scene.hostile.account = newAccount({ email: `${way}@acme.example` })
        assertRefused(await scene.browser().signIn('hostile'), 'email_in_use')
      }
      const failures = await database.all("SELECT id FROM audit_log WHERE action = 'sign_in.failed'")
      assert.equal(failures.length, 3)
      await addPerson(database, 'none@acme.example', null)
      await whose(scene, newAccount({ email: 'none@acme.example' }))
    })

    it('that goes to another subject takes no account with it, and the first one stays', async (t) => {
      const database = await engine.openDatabase(t)
      const scene = await startScene(t, database)
      const first = newAccount({ email: 'anna@acme.example' })
      const id = await whose(scene, first)
      scene.hostile.account = newAccount({ email: 'anna@acme.example' })
      assertRefused(await scene.browser().signIn('hostile'), 'email_in_use')
      assert.equal(await whose(scene, { ...first, email: 'changed@acme.example' }), id)
    })

    it('of the same subject at another issuer is somebody else', async (t) => {
      const database = await engine.openDatabase(t)
      const scene = await startScene(t, database)
      const account = newAccount({ email: 'anna@acme.example' })
      await whose(scene, account)
      scene.other.account = account
      assertRefused(await scene.browser().signIn('other'), 'email_in_use')
      scene.other.account = { ...account, email: 'other@acme.example' }
      assertEntered(await scene.browser().signIn('other'))
    })

    it('that only looks like another is another, or none', async (t) => {
      const database = await engine.openDatabase(t)
      const scene = await startScene(t, database)
      const id = await addPerson(database, 'kim@acme.example', null)
      for (const email of [
        '\u212Aim@acme.example',
        'k\u0131m@acme.example',
        'kim@acme.example\u0000',
        'kim@acme.example ',
      ]) {
        scene.hostile.account = newAccount({ email })
        assertRefused(await scene.browser().signIn('hostile'), 'unverified_email')
      }
      assert.equal(await whose(scene, newAccount({ email: 'KIM@acme.example' })), id)
    })
  })
})
