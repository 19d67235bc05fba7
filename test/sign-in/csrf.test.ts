import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../support/engines.ts'
import { type Answer, assertProblem, PASSWORD, startSignInWorld } from './browser.ts'

forEachEngine((engine) => {
  describe('what another site makes a browser send', () => {
    it('changes nothing: forms, plain text, foreign and hidden origins, no token, and that of another session', async (t) => {
      const { browser, addPerson, url } = await startSignInWorld(t, await engine.openDatabase(t))
      await addPerson('paul@example.com')
      await addPerson('mallory@example.com')
      const [paul, mallory] = [browser(), browser()]
      await paul.signIn('paul@example.com')
      await mallory.signIn('mallory@example.com')
      const before = (await paul.ask('GET /api/me')).body
      const rename = (headers: Record<string, string>, body: unknown = { name: 'Owned' }): Promise<Answer> =>
        paul.ask('PATCH /api/me', body, headers)
      const refused: Record<string, [Answer, number]> = {
        'no token': [await rename({ 'x-zendo-csrf': '' }), 403],
        "another session's token": [await rename({ 'x-zendo-csrf': mallory.csrf() }), 403],
        'a token of the right length': [await rename({ 'x-zendo-csrf': 'A'.repeat(43) }), 403],
        'a foreign origin': [await rename({ origin: 'https://evil.example' }), 403],
        'a hidden origin': [await rename({ origin: 'null' }), 403],
        'an origin that begins like ours': [await rename({ origin: `${url}.evil.example` }), 403],
        'our host on another port': [await rename({ origin: 'http://127.0.0.1:1' }), 403],
        'a page of another site': [await rename({ 'sec-fetch-site': 'cross-site' }), 403],
        'a page of a sister domain': [await rename({ 'sec-fetch-site': 'same-site' }), 403],
        'plain text': [await rename({ 'content-type': 'text/plain' }), 400],
        'a form': [
          await rename({ 'content-type': 'application/x-www-form-urlencoded', 'x-zendo-csrf': '' }, 'name=Owned'),
          403,
        ],
        'a form with files': [await rename({ 'content-type': 'multipart/form-data; boundary=x' }, 'x'), 400],
      }
      for (const [what, [answer, status]] of Object.entries(refused)) {
        assert.equal(answer.status, status, `${what}: ${answer.text}`)
        assert.equal(answer.headers.get('access-control-allow-origin'), null)
      }
      assert.deepEqual((await paul.ask('GET /api/me')).body, before)
      const own = await rename({ origin: url, 'sec-fetch-site': 'same-origin' }, { name: 'Paul' })
      assert.deepEqual([own.status, own.body.name], [200, 'Paul'])
    })

    it('cannot sign a browser in or out: no session begins, and the one there is goes on', async (t) => {
      const { browser, addPerson } = await startSignInWorld(t, await engine.openDatabase(t))
      await addPerson('paul@example.com')
      await addPerson('mallory@example.com')
      const paul = browser()
      await paul.signIn('paul@example.com')
      const mallory = { email: 'mallory@example.com', password: PASSWORD }
      for (const headers of [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { 'sec-fetch-site': 'cross-site' },
      ]) {
        const answer = await paul.ask('POST /api/sign-in/password', mallory, headers)
        assertProblem(answer, 403, 'permission_denied')
        assert.equal(answer.headers.get('set-cookie'), null)
      }
      assertProblem(await paul.ask('DELETE /api/session', undefined, { 'x-zendo-csrf': '' }), 403, 'permission_denied')
      assert.equal((await paul.ask('GET /api/session')).body.person.email, 'paul@example.com')
    })

    it('is answered without a permission for other origins, and cannot be framed or guessed at', async (t) => {
      const { browser } = await startSignInWorld(t, await engine.openDatabase(t))
      const answer = await browser().ask('GET /api/sign-in', undefined, { origin: 'https://evil.example' })
      assert.deepEqual(
        [...answer.headers.keys()].filter((name) => name.startsWith('access-control')),
        [],
      )
      assert.match(answer.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
      assert.equal(answer.headers.get('cache-control'), 'no-store')
    })
  })
})
