import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../src/base/time.ts'
import { IDLE_MS, RECENT_MS, SESSION_MS } from '../../src/control/sign-in/session.ts'
import { describeWithPostgres, forEachEngine } from '../support/engines.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { prepareInstance } from '../support/instance.ts'
import { until } from '../support/until.ts'
import { assertProblem, auditLog, type Browser, openBrowser, PASSWORD, startSignInWorld } from './browser.ts'

const WHO = 'paul@example.com'

forEachEngine((engine) => {
  async function startWorld(t: TestContext) {
    const database = await engine.openDatabase(t)
    const world = await startSignInWorld(t, database)
    return { ...world, database, personId: await world.addPerson(WHO) }
  }

  describe('the cookie of a session', () => {
    it('of an https address is for this host alone, out of reach of scripts, and not sent along by other sites', async (t) => {
      const world = await startSignInWorld(t, await engine.openDatabase(t), {
        publicUrl: () => 'https://zendo.example',
      })
      await world.addPerson(WHO)
      const answer = await world.browser().signIn(WHO)
      const [set = '', ...others] = answer.headers.getSetCookie()
      assert.deepEqual(others, [])
      assert.match(set, /^__Host-zendo_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure$/)
      const cookie = set.split(';')[0] ?? ''
      const ask = (value: string) => world.browser().ask('GET /api/session', undefined, { cookie: value })
      assert.equal((await ask(cookie)).status, 200)
      // What plain HTTP or a sister domain may have planted.
      assert.equal((await ask(cookie.replace('__Host-', ''))).status, 401)
      assert.equal((await ask(`${cookie}; ${cookie}`)).status, 401)
    })

    it('stands in no answer but the one that sets it', async (t) => {
      const { browser } = await startWorld(t)
      const paul = browser()
      const texts = [await paul.signIn(WHO), await paul.ask('GET /api/session'), await paul.ask('GET /api/sessions')]
      const token = paul.token() ?? '?'
      for (const { text } of texts) assert.equal(text.includes(token), false)
    })
  })

  describe('signing in', () => {
    it('never goes on with a session that somebody brought along: a fixed one stays worthless', async (t) => {
      const { url, browser } = await startWorld(t)
      const fixed = 'A'.repeat(43)
      const victim = openBrowser(url, { token: fixed })
      assert.equal((await victim.signIn(WHO)).status, 201)
      assert.notEqual(victim.token(), fixed)
      const attacker = openBrowser(url, { token: fixed })
      assert.equal((await attacker.ask('GET /api/session')).status, 401)
      assert.equal((await browser().ask('GET /api/session')).status, 401)
    })

    it('makes a new session each time, and ends the one that the browser had, whoever was signed in', async (t) => {
      const { url, browser, addPerson } = await startWorld(t)
      await addPerson('quinn@example.com')
      const shared = browser()
      const tokens: string[] = []
      for (const email of [WHO, WHO, 'quinn@example.com']) {
        await shared.signIn(email)
        tokens.push(shared.token() ?? '?')
      }
      assert.equal(new Set(tokens).size, 3)
      const states = []
      for (const token of tokens) states.push((await openBrowser(url, { token }).ask('GET /api/session')).status)
      assert.deepEqual(states, [401, 401, 200])
    })

    it('that fails leaves the session that there is', async (t) => {
      const { browser } = await startWorld(t)
      const paul = browser()
      await paul.signIn(WHO)
      assertProblem(await paul.signIn(WHO, 'eleven loud magpies'), 401, 'sign_in_failed')
      assert.equal((await paul.ask('GET /api/session')).status, 200)
    })

    it('in ever more browsers ends the oldest session', async (t) => {
      const { browser, clock } = await startWorld(t)
      const oldest = browser()
      await oldest.signIn(WHO)
      const signInElsewhere = async (): Promise<void> => {
        clock.nowMs += MINUTE_MS
        assert.equal((await browser().signIn(WHO)).status, 201)
      }
      for (let more = 0; more < 49; more++) await signInElsewhere()
      assert.equal((await oldest.ask('GET /api/session')).status, 200)
      await signInElsewhere()
      assert.equal((await oldest.ask('GET /api/session')).status, 401)
    })
  })

  describe('a session', () => {
    it('ends when nobody used it for a week, however young it is', async (t) => {
      const { browser, clock } = await startWorld(t)
      const paul = browser()
      await paul.signIn(WHO)
      clock.nowMs += IDLE_MS - 1
      assert.equal((await paul.ask('GET /api/session')).status, 200)
      clock.nowMs += IDLE_MS
      assertProblem(await paul.ask('GET /api/session'), 401, 'sign_in_required')
      const again = browser()
      await again.signIn(WHO)
      assert.equal((await again.ask('GET /api/sessions')).body.data.length, 1)
    })

    it('ends after thirty days, however busy it is and however often its person proves who it is', async (t) => {
      const { browser, clock } = await startWorld(t)
      const paul = browser()
      await paul.signIn(WHO)
      const endMs = clock.nowMs + SESSION_MS
      while (clock.nowMs + DAY_MS < endMs) {
        clock.nowMs += DAY_MS
        assert.equal((await paul.ask('POST /api/session/prove', { password: PASSWORD })).status, 201)
      }
      clock.nowMs = endMs - 1
      assert.equal((await paul.ask('GET /api/session')).status, 200)
      clock.nowMs = endMs
      assertProblem(await paul.ask('GET /api/session'), 401, 'sign_in_required')
    })

    it('is over with signing out, and the browser forgets it', async (t) => {
      const { url, browser } = await startWorld(t)
      const paul = browser()
      await paul.signIn(WHO)
      const token = paul.token() ?? '?'
      const answer = await paul.ask('DELETE /api/session')
      assert.equal(answer.status, 204)
      assert.match(answer.headers.get('set-cookie') ?? '', /zendo_session=; .*Max-Age=0/)
      assert.equal((await openBrowser(url, { token }).ask('GET /api/session')).status, 401)
    })

    it('proved anew has another token and another word for writes; the old ones open nothing', async (t) => {
      const { url, browser, clock, database } = await startWorld(t)
      const paul = browser()
      const { body: before } = await paul.signIn(WHO)
      const old = { token: paul.token() ?? '?', csrf: paul.csrf() }
      clock.nowMs += HOUR_MS
      const { body: after } = await paul.ask('POST /api/session/prove', { password: PASSWORD })
      assert.deepEqual([after.session.id, after.session.expires_at], [before.session.id, before.session.expires_at])
      assert.equal(Date.parse(after.session.authenticated_at) - Date.parse(before.session.authenticated_at), HOUR_MS)
      assert.notEqual(paul.token(), old.token)
      assert.equal((await openBrowser(url, { token: old.token }).ask('GET /api/session')).status, 401)
      const stale = await paul.ask('PATCH /api/me', { name: 'Paul' }, { 'x-zendo-csrf': old.csrf })
      assertProblem(stale, 403, 'permission_denied')
      assert.equal((await paul.ask('PATCH /api/me', { name: 'Paul' })).status, 200)
      assert.ok((await auditLog(database)).some(({ action }) => action === 'session.prove'))
    })

    it('that was not proved of late does nothing sensitive until it is', async (t) => {
      const { browser, clock, addPerson, personId } = await startWorld(t)
      await addPerson('olga@example.com', { isOperator: true })
      const olga = browser()
      await olga.signIn('olga@example.com')
      clock.nowMs += RECENT_MS
      const disable = `POST /api/people/${personId}/disable`
      const refused = await olga.ask(disable)
      assertProblem(refused, 403, 'permission_denied')
      assert.equal(refused.body.metadata.reason, 'sign_in_again')
      await olga.ask('POST /api/session/prove', { password: PASSWORD })
      assert.equal((await olga.ask(disable)).status, 201)
    })

    it('is listed to its person alone, who may end any of them', async (t) => {
      const { browser, addPerson, clock } = await startWorld(t)
      await addPerson('quinn@example.com')
      const [here, there, quinn] = [browser(), browser(), browser()]
      await there.signIn(WHO)
      clock.nowMs += 1
      await here.signIn(WHO)
      await quinn.signIn('quinn@example.com')
      const list = async (who: Browser) => (await who.ask('GET /api/sessions')).body.data
      const [first, second, ...others] = await list(here)
      assert.deepEqual([first.is_current, second.is_current, others], [true, false, []])
      const end = `DELETE /api/sessions/${second.id}`
      const foreign = await quinn.ask(end)
      const missing = await quinn.ask('DELETE /api/sessions/ses_missing')
      assertProblem(foreign, 404, 'not_found')
      assert.equal(foreign.body.detail, missing.body.detail)
      assert.equal((await there.ask('GET /api/session')).status, 200)
      assert.equal((await here.ask(end)).status, 204)
      assert.equal((await there.ask('GET /api/session')).status, 401)
      await there.signIn(WHO)
      assert.deepEqual((await here.ask('POST /api/sessions/end-others')).body, { ended: 1 })
      assert.equal((await there.ask('GET /api/session')).status, 401)
      assert.equal((await list(here)).length, 1)
      assert.equal((await quinn.ask('GET /api/session')).status, 200)
    })

    it('follows what its person may, from one request to the next', async (t) => {
      const { browser, database, addPerson } = await startWorld(t)
      const id = await addPerson('olga@example.com', { isOperator: true })
      const olga = browser()
      await olga.signIn('olga@example.com')
      assert.equal((await olga.ask('GET /api/people')).status, 200)
      await database.write((sql) => sql.run('UPDATE person SET is_operator = 0 WHERE id = ?', id))
      assertProblem(await olga.ask('GET /api/people'), 403, 'permission_denied')
    })

    it('that was not seen for a while is seen again with its next request', async (t) => {
      const { browser, clock } = await startWorld(t)
      const paul = browser()
      await paul.signIn(WHO)
      clock.nowMs += 10 * MINUTE_MS
      await paul.ask('GET /api/session')
      const [own] = (await paul.ask('GET /api/sessions')).body.data
      assert.equal(Date.parse(own.seen_at), clock.nowMs)
    })
  })
})

/** Makes the operator of the link that it printed, and signs in. */
async function setUp(gateway: Gateway): Promise<Browser> {
  const [, token] = /setup#([\w-]{43})/.exec(gateway.output()) ?? []
  const olga = openBrowser(gateway.baseUrl)
  const answer = await olga.ask('POST /api/setup', {
    ...{ token, email: 'olga@example.com', name: 'Olga', password: PASSWORD },
  })
  assert.equal(answer.status, 201)
  return olga
}

describeWithPostgres('sessions of two gateways on one database', (cluster) => {
  it('that was ended in one is dead in the other with the next request', { timeout: 60_000 }, async (t) => {
    const env = { DATABASE_URL: await cluster().createDatabase(), ZENDO_MASTER_KEY: 'm'.repeat(40) }
    const one = await startGateway({ config: {}, env })
    t.after(() => one.remove())
    const here = await setUp(one)
    const other = await startSecond(t, env)
    for (const way of ['DELETE /api/session', 'POST /api/sessions/end-others'] as const) {
      const there = openBrowser(other())
      assert.equal((await there.signIn('olga@example.com')).status, 201)
      const copy = openBrowser(one.baseUrl, { token: there.token() ?? '' })
      assert.equal((await copy.ask('GET /api/session')).status, 200)
      const ended = way === 'DELETE /api/session' ? await copy.ask(way) : await here.ask(way)
      assert.ok(ended.status < 300, ended.text)
      assert.equal((await there.ask('GET /api/session')).status, 401)
    }
  })
})

/** On books that are there already: it prints no key, for which the other helper would wait. */
async function startSecond(t: TestContext, env: Readonly<Record<string, string>>): Promise<() => string> {
  const instance = await prepareInstance({ config: {}, env })
  t.after(() => instance.remove())
  await instance.start()
  return instance.baseUrl
}

describe('sessions of two processes on one file', () => {
  it('that was ended is dead in both', { timeout: 60_000 }, async (t) => {
    const gateway = await startGateway({ config: {}, env: { ZENDO_WORKERS: '2' } })
    t.after(() => gateway.remove())
    const olga = await setUp(gateway)
    const token = olga.token() ?? ''
    const ask = async (): Promise<string> => {
      const headers = { cookie: `zendo_session=${token}`, connection: 'close' }
      return String((await fetch(`${gateway.baseUrl}/api/session`, { headers })).status)
    }
    await until('both processes serve', async () => (await ask()) === '200')
    assert.equal((await olga.ask('DELETE /api/session')).status, 204)
    const states = await Promise.all(Array.from({ length: 20 }, ask))
    assert.deepEqual(new Set(states), new Set(['401']))
  })
})
