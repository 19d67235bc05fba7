/** Signing in at GitHub, as far as a server on loopback can play it. */
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import type { Database } from '../../src/store/database.ts'
import { forEachEngine } from '../support/engines.ts'
import { assertEntered, assertRefused, type IdentityWorld, startIdentityWorld } from './identity-world.ts'

interface Address {
  readonly email: string
  readonly primary: boolean
  readonly verified: boolean
}

interface FakeGithub {
  readonly issuer: string
  user: { id: unknown; login: string; name: string | null }
  emails: readonly Address[]
  /** The scopes and methods that browsers came with. */
  readonly asked: URLSearchParams[]
}

const ANNA: Address = { email: 'anna@acme.example', primary: true, verified: true }
const CLIENT = { clientId: 'Iv1.abc', clientSecret: 'the-secret-of-the-app' }

/** Takes codes once, with the verifier that fits, from the app alone; its refusals come with status 200, as there. */
async function startGithub(t: TestContext): Promise<FakeGithub> {
  const codes = new Map<string, string>()
  const tokens = new Set<string>()
  const github: FakeGithub & { issuer: string } = {
    ...{ issuer: '', user: { id: 4711, login: 'anna', name: 'Anna' }, emails: [ANNA], asked: [] },
  }
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', github.issuer)
    const answer = (body: unknown, status = 200): unknown =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (url.pathname === '/login/oauth/authorize') {
      github.asked.push(url.searchParams)
      const code = randomUUID()
      codes.set(code, url.searchParams.get('code_challenge') ?? '')
      const query = new URLSearchParams({ code, state: url.searchParams.get('state') ?? '' })
      return response.writeHead(302, { location: `${url.searchParams.get('redirect_uri')}?${query}` }).end()
    }
    if (url.pathname === '/login/oauth/access_token') {
      const form = new URLSearchParams(await text(request))
      const challenge = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url')
      const isRight =
        codes.get(form.get('code') ?? '') === challenge && form.get('client_secret') === CLIENT.clientSecret
      codes.delete(form.get('code') ?? '')
      if (!isRight) return answer({ error: 'bad_verification_code' })
      const token = `gho_${randomUUID()}`
      tokens.add(token)
      return answer({ access_token: token, token_type: 'bearer', scope: 'read:user,user:email' })
    }
    if (!tokens.has((request.headers.authorization ?? '').replace('Bearer ', ''))) return answer({}, 401)
    if (url.pathname === '/api/v3/user') return answer({ ...github.user, plan: { name: 'pro' } })
    if (url.pathname === '/api/v3/user/emails') return answer(github.emails)
    return answer({}, 404)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  github.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return github
}

async function startScene(
  t: TestContext,
  database: Database,
): Promise<IdentityWorld & { readonly github: FakeGithub }> {
  const world = await startIdentityWorld(t, database)
  const github = await startGithub(t)
  world.configure({ providers: { github: { ...CLIENT, issuer: github.issuer, provisions: true } } })
  return { ...world, github }
}

forEachEngine((engine) => {
  describe('GitHub', () => {
    it('signs in whoever its API says it is, with PKCE and the least that it may be asked for', async (t) => {
      const { browser, github } = await startScene(t, await engine.openDatabase(t))
      const anna = browser()
      assertEntered(await anna.signIn('github'))
      const { person, session } = (await anna.ask('GET /api/session')).body
      assert.deepEqual([person.email, person.name, session.method], ['anna@acme.example', 'Anna', 'oidc'])
      const [asked] = github.asked
      assert.deepEqual(
        [asked?.get('scope'), asked?.get('code_challenge_method'), asked?.get('response_type')],
        ['read:user user:email', 'S256', 'code'],
      )
    })

    it('knows people by the id of their account: a name given up is taken by somebody else', async (t) => {
      const { browser, github } = await startScene(t, await engine.openDatabase(t))
      const first = browser()
      assertEntered(await first.signIn('github'))
      github.user = { id: 4711, login: 'anna-new', name: null }
      github.emails = [{ ...ANNA, email: 'new@acme.example' }]
      const same = browser()
      assertEntered(await same.signIn('github'))
      github.user = { id: 4712, login: 'anna', name: 'Anna' }
      github.emails = [ANNA]
      assertRefused(await browser().signIn('github'), 'email_in_use')
      const id = async (of: typeof first): Promise<string> => (await of.ask('GET /api/session')).body.person.id
      assert.equal(await id(first), await id(same))
    })

    it('vouches for the primary address alone, and only once it is verified', async (t) => {
      const { browser, github } = await startScene(t, await engine.openDatabase(t))
      for (const emails of [
        [],
        [{ ...ANNA, verified: false }],
        [{ ...ANNA, primary: false }],
        [
          { ...ANNA, primary: false },
          { email: 'eve@evil.example', primary: true, verified: false },
        ],
      ]) {
        github.emails = emails
        assertRefused(await browser().signIn('github'), 'unverified_email')
      }
      github.emails = [{ email: 'eve@evil.example', primary: false, verified: true }, ANNA]
      const anna = browser()
      assertEntered(await anna.signIn('github'))
      assert.equal((await anna.ask('GET /api/session')).body.person.email, 'anna@acme.example')
    })

    it('takes a code once, and only from the browser and the way that it was given for', async (t) => {
      const { browser, url } = await startScene(t, await engine.openDatabase(t))
      const [victim, attacker] = [browser(), browser()]
      const callback = await victim.goUntilCallback(`${url}/api/sign-in/github`)
      assertRefused(await attacker.open(callback), 'round_trip')
      const own = new URL(await attacker.goUntilCallback(`${url}/api/sign-in/github`))
      own.searchParams.set('code', new URL(callback).searchParams.get('code') ?? '')
      assertRefused(await attacker.open(own.href), 'provider_refused')
      assertRefused(await victim.open(callback), 'provider_refused')
      assertRefused(await victim.open(callback), 'round_trip')
      assertEntered(await victim.signIn('github'))
    })

    it('whose API says nothing that can be understood signs nobody in', async (t) => {
      const { browser, github } = await startScene(t, await engine.openDatabase(t))
      for (const id of ['4711', 0, null, 1.5, undefined]) {
        github.user = { id, login: 'anna', name: null }
        assertRefused(await browser().signIn('github'), 'provider_refused')
      }
      github.user = { id: 1, login: 'anna', name: null }
      assertEntered(await browser().signIn('github'))
    })
  })
})
