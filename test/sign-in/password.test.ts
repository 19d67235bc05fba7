import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { HOUR_MS } from '../../src/base/time.ts'
import { checkNewPassword, hashPassword, verifyPassword } from '../../src/control/sign-in/password.ts'
import { DEFAULT_SIGN_IN } from '../../src/domain/sign-in-config.ts'
import { forEachEngine } from '../support/engines.ts'
import { assertProblem, auditLog, dump, PASSWORD, startSignInWorld, withoutRequestId } from './browser.ts'

const OTHER = 'eleven loud magpies'

describe('a password', () => {
  it('is stored as Argon2id in the PHC format, with another salt each time', async () => {
    const stored = await hashPassword(PASSWORD, randomBytes)
    assert.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
    assert.notEqual(stored, await hashPassword(PASSWORD, randomBytes))
    assert.equal(await verifyPassword(PASSWORD, stored), true)
    assert.equal(await verifyPassword(`${PASSWORD} `, stored), false)
  })

  it('is the same however a keyboard composes its letters', async () => {
    const stored = await hashPassword('größere Äpfel', randomBytes)
    assert.equal(await verifyPassword('größere Äpfel'.normalize('NFD'), stored), true)
  })

  it('of nobody is never right', async () => {
    assert.equal(await verifyPassword('', null), false)
  })

  it('has 12 to 256 characters of any kind, and is neither known to all nor to whoever knows the person', () => {
    const olga = { email: 'olga.petrova@example.com', name: 'Olga Petrova-Smith' }
    for (const good of ['a b c d e f g', '🦦🦦🦦🦦🦦🦦🦦🦦🦦🦦🦦🐟', 'x'.repeat(255).concat('y'), 'all lower case']) {
      checkNewPassword(good, olga)
    }
    const bad = [
      'eleven char',
      '🦦'.repeat(11),
      `${'x'.repeat(256)}y`,
      'aaaaaaaaaaaaaa',
      'PasswordPassword',
      'qwertyuiop123',
    ]
    for (const password of [...bad, 'Olga.Petrova@example.com', 'olga.petrova', 'olga petrova-smith']) {
      assert.throws(() => checkNewPassword(password, olga), { code: 'invalid_request', param: 'password' }, password)
    }
  })

  it('that is checked when too many are waiting is refused for a moment, and nothing is lost', async () => {
    const stored = await hashPassword(PASSWORD, randomBytes)
    const tries = await Promise.allSettled(Array.from({ length: 80 }, () => verifyPassword(PASSWORD, stored)))
    const refused = tries.flatMap((tried) => (tried.status === 'rejected' ? [tried.reason.code] : []))
    assert.deepEqual(new Set(refused), new Set(['overloaded']))
    assert.ok(tries.length - refused.length >= 64)
    assert.equal(await verifyPassword(PASSWORD, stored), true)
  })
})

forEachEngine((engine) => {
  describe('signing in by password', () => {
    it('answers alike for a wrong password, nobody, somebody without one, and somebody who was shut out', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, addPerson } = await startSignInWorld(t, database)
      await addPerson('known@example.com')
      await addPerson('without@example.com', { password: null })
      const outId = await addPerson('out@example.com')
      await database.write((sql) => sql.run('UPDATE person SET disabled_at = 1 WHERE id = ?', outId))
      const answers = [
        await browser().signIn('known@example.com', OTHER),
        await browser().signIn('unknown@example.com'),
        await browser().signIn('without@example.com'),
        await browser().signIn('out@example.com'),
      ]
      for (const answer of answers) assertProblem(answer, 401, 'sign_in_failed')
      assert.equal(new Set(answers.map(withoutRequestId)).size, 1)
      const names = answers.map(({ headers }) => [...headers.keys()].sort().join())
      assert.equal(new Set(names).size, 1)
      assert.equal((await browser().signIn('KNOWN@example.com')).status, 201)
    })

    it('is for operators alone where it is switched off, and says to others what it says to everybody', async (t) => {
      const signIn = () => ({ ...DEFAULT_SIGN_IN, password: false })
      const { browser, addPerson } = await startSignInWorld(t, await engine.openDatabase(t), { signIn })
      await addPerson('paul@example.com')
      await addPerson('olga@example.com', { isOperator: true })
      const paul = await browser().signIn('paul@example.com')
      assertProblem(paul, 401, 'sign_in_failed')
      assert.equal(withoutRequestId(paul), withoutRequestId(await browser().signIn('nobody@example.com')))
      assert.equal((await browser().signIn('olga@example.com')).status, 201)
      assert.equal((await browser().ask('GET /api/sign-in')).body.password, false)
    })

    it('is on record, and so are failures of those who exist; addresses of others are not', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, addPerson } = await startSignInWorld(t, database)
      const id = await addPerson('paul@example.com')
      await browser().signIn('nobody@example.com')
      await browser().signIn('paul@example.com', OTHER)
      await browser().signIn('paul@example.com', OTHER)
      await browser().signIn('paul@example.com')
      assert.deepEqual(
        (await auditLog(database)).slice(1).map(({ action, actorKind, target }) => [action, actorKind, target]),
        [
          ['sign_in.failed', 'system', id],
          ['sign_in.succeeded', 'person', id],
        ],
      )
      const stored = await dump(database)
      for (const secret of [PASSWORD, OTHER, 'nobody@example.com']) assert.equal(stored.includes(secret), false, secret)
    })

    it('tells which ways there are, and nothing of who exists', async (t) => {
      const { browser, addPerson } = await startSignInWorld(t, await engine.openDatabase(t))
      const empty = await browser().ask('GET /api/sign-in')
      await addPerson('paul@example.com', { isOperator: true })
      assert.deepEqual((await browser().ask('GET /api/sign-in')).body, empty.body)
      assert.deepEqual(empty.body, {
        ...{ password: true, email_code: false, passkey: false, registration: 'invite', providers: [] },
      })
    })
  })

  describe('changing a password', () => {
    it('wants the current one, ends every other session, and gives this one another token', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, addPerson } = await startSignInWorld(t, database)
      await addPerson('paul@example.com')
      const [here, there] = [browser(), browser()]
      await here.signIn('paul@example.com')
      await there.signIn('paul@example.com')
      const change = 'POST /api/sign-in/password/change'
      assertProblem(await here.ask(change, { password: OTHER }), 401, 'sign_in_failed')
      assertProblem(await here.ask(change, { current: OTHER, password: OTHER }), 401, 'sign_in_failed')
      assertProblem(await here.ask(change, { current: PASSWORD, password: 'short' }), 400, 'invalid_request')
      const before = here.token()
      assert.equal((await here.ask(change, { current: PASSWORD, password: OTHER })).status, 201)
      assert.notEqual(here.token(), before)
      assert.equal((await here.ask('GET /api/session')).status, 200)
      assert.equal((await there.ask('GET /api/session')).status, 401)
      assertProblem(await browser().signIn('paul@example.com'), 401, 'sign_in_failed')
      assert.equal((await browser().signIn('paul@example.com', OTHER)).status, 201)
      assert.ok((await auditLog(database)).some(({ action }) => action === 'password.change'))
      const stored = await dump(database)
      for (const secret of [PASSWORD, OTHER, 'short']) assert.equal(stored.includes(secret), false)
    })

    it('a first one wants a recent proof of identity instead', async (t) => {
      const world = await startSignInWorld(t, await engine.openDatabase(t))
      const { cookie = '', ...rest } = await world.signIn('paul')
      const change = (password: string) =>
        world.browser().ask('POST /api/sign-in/password/change', { password }, { cookie, ...rest })
      world.clock.nowMs += 15 * 60_000
      assertProblem(await change(OTHER), 403, 'permission_denied')
      world.clock.nowMs -= 1
      assert.equal((await change(OTHER)).status, 201)
      assert.equal((await world.browser().signIn('paul@example.com', OTHER)).status, 201)
    })

    it('by two at once leaves one of the two passwords, and whoever gave it signed in', async (t) => {
      const { browser, addPerson } = await startSignInWorld(t, await engine.openDatabase(t))
      await addPerson('paul@example.com')
      const browsers = [browser(), browser()]
      for (const one of browsers) await one.signIn('paul@example.com')
      const next = [OTHER, 'twelve slim badgers']
      const answers = await Promise.all(
        browsers.map((one, index) =>
          one.ask('POST /api/sign-in/password/change', { current: PASSWORD, password: next[index] }),
        ),
      )
      assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 401])
      const winner = answers.findIndex(({ status }) => status === 201)
      assert.equal((await browser().signIn('paul@example.com', next[winner])).status, 201)
    })
  })
})

forEachEngine((engine) => {
  it('the time that a refusal takes does not tell who exists', { timeout: 120_000 }, async (t) => {
    const { browser, addPerson, clock } = await startSignInWorld(t, await engine.openDatabase(t))
    await addPerson('known@example.com')
    const one = browser()
    const times = { known: [] as number[], nobody: [] as number[] }
    for (let round = 0; round < 40; round++) {
      clock.nowMs += HOUR_MS
      for (const who of round % 2 === 0 ? (['known', 'nobody'] as const) : (['nobody', 'known'] as const)) {
        const from = performance.now()
        assertProblem(await one.signIn(`${who}@example.com`, OTHER), 401, 'sign_in_failed')
        times[who].push(performance.now() - from)
      }
    }
    const [known, nobody] = [median(times.known), median(times.nobody)]
    const difference = Math.abs(known - nobody).toFixed(1)
    t.diagnostic(`medians of 40: known ${known.toFixed(1)} ms, nobody ${nobody.toFixed(1)} ms, apart ${difference} ms`)
    // Without the work that a hash makes, a refusal takes a small part of the time.
    assert.ok(nobody > known / 2 && known > nobody / 2, `known ${known} ms, nobody ${nobody} ms`)
  })
})

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
}
