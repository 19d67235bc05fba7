import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AppError } from '../../src/base/errors.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/base/time.ts'
import { forgetSignIns } from '../../src/control/sign-in/housekeeping.ts'
import { type AttemptBy, beginAttempt, passAttempt } from '../../src/control/sign-in/throttle.ts'
import type { Database } from '../../src/store/database.ts'
import { forEachEngine } from '../support/engines.ts'
import { assertProblem, NOON_MS, startSignInWorld, withoutRequestId } from './browser.ts'

const OTHER = 'eleven loud magpies'
const PAUL: AttemptBy = { way: 'password', account: 'paul@example.com', address: '192.0.2.1' }

interface Guessing {
  nowMs: number
  /** Null when it may be judged; else how many seconds to wait. */
  guess(by?: Partial<AttemptBy>): Promise<number | null>
  /** A guess that is right. */
  succeed(by?: Partial<AttemptBy>): Promise<number | null>
}

function guessing(...databases: readonly Database[]): Guessing {
  let turn = 0
  const run: Guessing = {
    nowMs: NOON_MS,
    guess: (by = {}) => attempt(by, false),
    succeed: (by = {}) => attempt(by, true),
  }
  async function attempt(by: Partial<AttemptBy>, isRight: boolean): Promise<number | null> {
    const database = databases[turn++ % databases.length] as Database
    const control = { database, clock: () => run.nowMs, secret: 'secret' }
    try {
      const begun = await beginAttempt(control, { ...PAUL, ...by })
      if (isRight) await database.write((sql) => passAttempt(sql, begun, run.nowMs))
      return null
    } catch (error) {
      const { code, retryAfterSeconds } = error as AppError
      assert.equal(code, 'rate_limited')
      return retryAfterSeconds ?? 0
    }
  }
  return run
}

/** Guesses as fast as it is let, from an address of its own each time; how many were judged. */
async function guessFor(run: Guessing, spanMs: number): Promise<number> {
  const endMs = run.nowMs + spanMs
  let judged = 0
  for (let serial = 0; run.nowMs < endMs; serial++) {
    const waitSeconds = await run.guess({ address: `198.51.${serial >> 8}.${serial & 255}` })
    if (waitSeconds === null) judged++
    else run.nowMs += waitSeconds * SECOND_MS
  }
  return judged
}

forEachEngine((engine) => {
  describe('guessing at one account', () => {
    it('after five failures waits a second, then twice as long each time, up to a quarter of an hour', async (t) => {
      const run = guessing(await engine.openDatabase(t))
      for (let failure = 1; failure <= 5; failure++) assert.equal(await run.guess(), null)
      const waits: number[] = []
      while (waits.length < 13) {
        const seconds = await run.guess()
        assert.ok(seconds !== null)
        waits.push(seconds)
        run.nowMs += seconds * SECOND_MS - 1
        assert.equal(await run.guess(), 1, 'a moment too early')
        run.nowMs += 1
        assert.equal(await run.guess(), null)
      }
      assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900])
    })

    it('from everywhere at once and by two processes gets five guesses, not twenty', async (t) => {
      const run = guessing(...(await engine.openDatabases(t, 2)))
      const tries = await Promise.all(
        Array.from({ length: 20 }, (_, index) => run.guess({ address: `192.0.2.${index}` })),
      )
      assert.equal(tries.filter((wait) => wait === null).length, 5)
    })

    it('gets few guesses in an hour, and few in a day, from however many addresses', async (t) => {
      const run = guessing(await engine.openDatabase(t))
      const inHour = await guessFor(run, HOUR_MS)
      const inDay = inHour + (await guessFor(run, DAY_MS - HOUR_MS))
      t.diagnostic(`${inHour} guesses in the first hour, ${inDay} in a day`)
      // Five at once, ten while the waits grow, and then four an hour.
      assert.ok(inHour <= 18, `${inHour} in an hour`)
      assert.ok(inDay <= 18 + 23 * 4 + 1, `${inDay} in a day`)
    })

    it('is the same for accounts that do not exist, and each has its own count', async (t) => {
      const run = guessing(await engine.openDatabase(t))
      for (let failure = 1; failure <= 5; failure++) await run.guess()
      assert.equal(await run.guess(), 1)
      assert.equal(await run.guess({ account: 'quinn@example.com' }), null)
      assert.equal(await run.guess({ way: 'email_code' }), null)
    })

    it('does not shut out its owner, who comes from where it has signed in of late', async (t) => {
      const run = guessing(await engine.openDatabase(t))
      const home = { address: '203.0.113.7' }
      assert.equal(await run.succeed(home), null)
      await guessFor(run, HOUR_MS)
      assert.equal(await run.guess(), null)
      assert.equal(await run.guess(), 15 * 60)
      assert.equal(await run.succeed(home), null)
      // Whoever guesses from there is slowed down like anybody.
      for (let failure = 1; failure <= 5; failure++) assert.equal(await run.guess(home), null)
      assert.equal(await run.guess(home), 1)
      run.nowMs += 31 * DAY_MS
      await guessFor(run, HOUR_MS)
      assert.equal(await run.guess(), null)
      assert.equal(await run.guess(home), 15 * 60)
    })

    it('that is right begins the count anew', async (t) => {
      const run = guessing(await engine.openDatabase(t))
      for (let round = 1; round <= 3; round++) {
        for (let failure = 1; failure <= 4; failure++) assert.equal(await run.guess(), null)
        assert.equal(await run.succeed(), null)
      }
    })
  })

  describe('guessing from one address', () => {
    const next = (serial: number): Partial<AttemptBy> => ({ account: `p${serial}@example.com` })

    it('at ever other accounts is slowed down as well, later than at one', async (t) => {
      const run = guessing(await engine.openDatabase(t))
      for (let serial = 0; serial < 50; serial++) assert.equal(await run.guess(next(serial)), null)
      assert.equal(await run.guess(next(50)), 1)
      assert.equal(await run.guess({ ...next(51), address: '192.0.2.2' }), null)
    })

    it('an office that signs in all day is not', async (t) => {
      const run = guessing(await engine.openDatabase(t))
      for (let serial = 0; serial < 300; serial++) {
        if (serial % 3 === 0) assert.equal(await run.guess(next(serial)), null)
        assert.equal(await run.succeed(next(serial)), null, `person ${serial}`)
        run.nowMs += 30 * SECOND_MS
      }
    })

    it('the addresses of one IPv6 customer count as one', async (t) => {
      const run = guessing(await engine.openDatabase(t))
      for (let serial = 0; serial < 50; serial++) {
        await run.guess({ ...next(serial), address: `2001:db8:1:2::${serial.toString(16)}` })
      }
      assert.equal(await run.guess({ ...next(50), address: '2001:db8:1:2:ffff::1' }), 1)
    })
  })

  describe('over HTTP', () => {
    it('says when to come back, alike for who exists and who does not', async (t) => {
      const { browser, addPerson, clock } = await startSignInWorld(t, await engine.openDatabase(t))
      await addPerson('paul@example.com')
      const refusals = []
      for (const email of ['paul@example.com', 'nobody@example.com']) {
        for (let failure = 1; failure <= 5; failure++) await browser().signIn(email, OTHER)
        refusals.push(await browser().signIn(email))
      }
      for (const refusal of refusals) {
        assertProblem(refusal, 429, 'rate_limited')
        assert.equal(refusal.headers.get('retry-after'), '1')
      }
      assert.equal(new Set(refusals.map(withoutRequestId)).size, 1)
      clock.nowMs += SECOND_MS
      assert.equal((await browser().signIn('paul@example.com')).status, 201)
    })

    it('a session that was stolen cannot be used to guess the password', async (t) => {
      const { browser, addPerson } = await startSignInWorld(t, await engine.openDatabase(t))
      await addPerson('paul@example.com')
      const thief = browser()
      await thief.signIn('paul@example.com')
      const answers = []
      for (let guess = 0; guess < 3; guess++) {
        answers.push(await thief.ask('POST /api/session/prove', { password: OTHER }))
        answers.push(
          await thief.ask('POST /api/sign-in/password/change', { current: OTHER, password: 'twelve slim badgers' }),
        )
      }
      assert.deepEqual(
        answers.map(({ status }) => status),
        [401, 401, 401, 401, 401, 429],
      )
    })
  })

  it('what is over is forgotten: counts of failures, challenges, sessions that ended', async (t) => {
    const database = await engine.openDatabase(t)
    const { browser, addPerson, clock } = await startSignInWorld(t, database)
    await addPerson('paul@example.com')
    await browser().signIn('nobody@example.com')
    const [gone, here] = [browser(), browser()]
    await gone.signIn('paul@example.com')
    await gone.ask('DELETE /api/session')
    const count = async (table: 'throttle' | 'session'): Promise<number> => {
      const { length } = await database.all(
        table === 'throttle' ? 'SELECT subject FROM throttle' : 'SELECT id FROM session',
      )
      return length
    }
    assert.deepEqual([await count('throttle'), await count('session')], [3, 1])
    clock.nowMs += 2 * DAY_MS + MINUTE_MS
    await forgetSignIns(database, clock.nowMs)
    // The place from which Paul signed in stays known; his ended session is still there to be looked at.
    assert.deepEqual([await count('throttle'), await count('session')], [1, 1])
    clock.nowMs += 30 * DAY_MS
    await here.signIn('paul@example.com')
    await forgetSignIns(database, clock.nowMs)
    assert.equal(await count('session'), 1)
    assert.equal((await here.ask('GET /api/session')).status, 200)
  })
})
