/** Codes by e-mail: one use, ten minutes, five tries, the newest alone; and nobody learns who has an account. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { AppError } from '../../src/base/errors.ts'
import { DAY_MS, SECOND_MS } from '../../src/base/time.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import { askForCode, CODE_MS, MAX_CODE_TRIES, signInWithCode } from '../../src/control/sign-in/email-code.ts'
import type { StartedSession } from '../../src/control/sign-in/session.ts'
import { DEFAULT_SIGN_IN } from '../../src/domain/sign-in-config.ts'
import type { Database } from '../../src/store/database.ts'
import { describeWithPostgres, forEachEngine, type TestEngine } from '../support/engines.ts'
import { prepareInstance, startInstance } from '../support/instance.ts'
import { type Mailbox, startMailbox } from '../support/mailbox.ts'
import { openSyncSql } from '../support/sync-sql.ts'
import { ADDRESS, actingAt, addAccount, makeControl, NOW_MS } from './control-scene.ts'
import { addPerson, ask, codeIn, credentialsOf, everyRow, PUBLIC_URL, sceneConfig, startScene } from './mail-scene.ts'

/** Whoever guesses has one of so many. */
const CODES = 2 ** 40
const WRONG = '00000000'

interface Local {
  readonly controls: readonly ControlPlane[]
  readonly mailbox: Mailbox
  moveTo(nowMs: number): void
}

async function openLocal(
  t: TestContext,
  engine: TestEngine,
  count = 1,
  more: Partial<ControlPlane> = {},
): Promise<Local> {
  const mailbox = await startMailbox()
  t.after(() => mailbox.close())
  let nowMs = NOW_MS
  const databases = await engine.openDatabases(t, count)
  return {
    controls: databases.map((database) => makeControl({ database, clock: () => nowMs, mailbox, more })),
    mailbox,
    moveTo(toMs) {
      nowMs = toMs
    },
  }
}

function enter(
  control: ControlPlane,
  answer: { readonly challenge: string; readonly code: string },
  address = ADDRESS,
): Promise<StartedSession> {
  return signInWithCode(control, actingAt(control.clock()), { ...answer, address, oldToken: null })
}

function codeOf(error: unknown): string {
  assert.ok(error instanceof AppError, String(error))
  return error.code
}

const outcome = (work: Promise<unknown>): Promise<string> => work.then(() => 'signed in', codeOf)

describe('a code by e-mail', () => {
  it('signs in once, and stands nowhere but in the mail', async (t) => {
    const { gateway, mailbox } = await startScene(t)
    const { email, id } = addPerson(gateway)
    const url = gateway.baseUrl
    const asked = await ask(url, 'POST', '/api/sign-in/email', { email: email.toUpperCase() })
    assert.equal(asked.status, 201, asked.text)
    const { text, headers, raw } = await mailbox.mailTo(email)
    const answer = { challenge: asked.body.challenge, code: codeIn(text).replace('-', ' ').toLowerCase() }
    assert.doesNotMatch(raw, new RegExp(String(answer.challenge)))
    assert.doesNotMatch(headers.subject ?? '', /[0-9A-Z]{4}-[0-9A-Z]{4}/)
    const entered = await ask(url, 'POST', '/api/sign-in/email/verify', answer, { origin: PUBLIC_URL })
    assert.match(
      entered.setCookie ?? '',
      /^__Host-zendo_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+; Secure$/,
    )
    const session = await ask(url, 'GET', '/api/session', undefined, credentialsOf(entered))
    assert.deepEqual([session.status, (session.body.person as { id: string }).id], [200, id])
    const again = await ask(url, 'POST', '/api/sign-in/email/verify', answer)
    assert.deepEqual([again.status, again.body.code, again.setCookie], [401, 'sign_in_failed', null])
    const rows = everyRow(gateway)
    assert.match(rows, /sign_in\.succeeded/)
    for (const secret of [codeIn(text), codeIn(text).replace('-', ''), String(answer.challenge), answer.code]) {
      assert.ok(!rows.includes(secret), 'a row holds what only the mail may')
      assert.ok(!gateway.output().includes(secret), 'a log line holds what only the mail may')
    }
  })

  it('is asked for alike whether or not there is an account, and a mail goes to accounts alone', async (t) => {
    const { gateway, mailbox } = await startScene(t)
    const url = gateway.baseUrl
    const known = addPerson(gateway).email
    const disabled = addPerson(gateway, { isDisabled: true }).email
    const shapes: string[] = []
    for (const email of ['nobody@example.com', disabled, known]) {
      const { status, body, setCookie } = await ask(url, 'POST', '/api/sign-in/email', { email })
      shapes.push(JSON.stringify([status, Object.keys(body), String(body.challenge).length, setCookie]))
      const guess = { challenge: body.challenge, code: WRONG }
      const { status: refused, body: problem } = await ask(url, 'POST', '/api/sign-in/email/verify', guess)
      shapes.push(JSON.stringify([refused, problem.code, problem.detail]))
    }
    assert.deepEqual(shapes, [...shapes.slice(4), ...shapes.slice(4), ...shapes.slice(4)])
    await mailbox.mailTo(known)
    assert.deepEqual(mailbox.named, [known])
  })

  it('takes as long for an address without an account', async (t) => {
    const { gateway } = await startScene(t, { config: { server: { trustedProxies: ['127.0.0.1'] } } })
    const times: Record<'known' | 'unknown', number[]> = { known: [], unknown: [] }
    for (let i = 0; i < 60; i++) {
      const emails = { known: addPerson(gateway).email, unknown: `nobody${i}@example.com` }
      for (const kind of ['known', 'unknown'] as const) {
        const beganMs = performance.now()
        const headers = { 'x-forwarded-for': `10.0.${i}.1` }
        const { status } = await ask(gateway.baseUrl, 'POST', '/api/sign-in/email', { email: emails[kind] }, headers)
        times[kind].push(performance.now() - beganMs)
        assert.equal(status, 201)
      }
    }
    const [known, unknown] = [median(times.known), median(times.unknown)]
    t.diagnostic(`median of 60: ${known.toFixed(2)} ms with an account, ${unknown.toFixed(2)} ms without`)
    // Loose, for machines that do much else meanwhile; a look-up or a mail in the request's path is more than this.
    assert.ok(Math.abs(known - unknown) < 25, `${known} ms, ${unknown} ms`)
  })

  it('is nothing that a gateway without mail offers', async (t) => {
    const { gateway } = await startScene(t, { config: { mail: undefined } })
    const { email } = addPerson(gateway)
    for (const [path, body] of [
      ['/api/sign-in/email', { email }],
      ['/api/sign-in/email/verify', { challenge: 'x', code: WRONG }],
      ['/api/sign-in/reset', { email }],
      ['/api/sign-in/reset/finish', { token: 'x', password: 'a long enough password' }],
    ] as const) {
      const { status, body: problem } = await ask(gateway.baseUrl, 'POST', path, body)
      assert.deepEqual([status, problem.code], [404, 'not_found'], path)
    }
  })
})

forEachEngine((engine) => {
  it('a code is good for ten minutes', async (t) => {
    const { controls, mailbox, moveTo } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    await addAccount(control.database, 'ann@example.com')
    const late = await askForCode(control, { email: 'ann@example.com', address: ADDRESS })
    const lateCode = codeIn((await mailbox.mailTo('ann@example.com')).text)
    moveTo(NOW_MS + CODE_MS)
    assert.equal(await outcome(enter(control, { ...late, code: lateCode })), 'sign_in_failed')
    const inTime = await askForCode(control, { email: 'ann@example.com', address: ADDRESS })
    const code = codeIn((await mailbox.mailTo('ann@example.com', 2)).text)
    moveTo(NOW_MS + 2 * CODE_MS - 1)
    assert.equal(await outcome(enter(control, { ...inTime, code })), 'signed in')
  })

  it('a wrong code is refused without waiting for the record of it', { timeout: 20_000 }, async (t) => {
    const { controls, mailbox } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    await addAccount(control.database, 'ann@example.com')
    const asked = await askForCode(control, { email: 'ann@example.com', address: ADDRESS })
    await mailbox.mailTo('ann@example.com')
    let writes = 0
    const write: Database['write'] = (...work) =>
      // The count of the attempt and that of the code; whatever comes after them never ends.
      ++writes <= 2 ? control.database.write(...work) : new Promise(() => undefined)
    const database = { ...control.database, write }
    assert.equal(await outcome(enter({ ...control, database }, { ...asked, code: WRONG })), 'sign_in_failed')
  })

  it('only the newest code is good, and only where it was asked for', async (t) => {
    const { controls, mailbox } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    await addAccount(control.database, 'ann@example.com')
    const older = await askForCode(control, { email: 'ann@example.com', address: ADDRESS })
    const olderCode = codeIn((await mailbox.mailTo('ann@example.com')).text)
    const newer = await askForCode(control, { email: 'ann@example.com', address: ADDRESS })
    const newerCode = codeIn((await mailbox.mailTo('ann@example.com', 2)).text)
    assert.equal(await outcome(enter(control, { ...older, code: olderCode })), 'sign_in_failed')
    assert.equal(await outcome(enter(control, { ...older, code: newerCode })), 'sign_in_failed')
    assert.equal(await outcome(enter(control, { ...newer, code: newerCode })), 'signed in')
  })

  it(`of 20 guesses at once in two processes ${MAX_CODE_TRIES} are looked at, and the right code is not taken afterwards`, async (t) => {
    const { controls, mailbox } = await openLocal(t, engine, 2)
    const [first, second] = controls as [ControlPlane, ControlPlane]
    await addAccount(first.database, 'ann@example.com')
    const asked = await askForCode(first, { email: 'ann@example.com', address: ADDRESS })
    const code = codeIn((await mailbox.mailTo('ann@example.com')).text)
    const guesses = Array.from({ length: 20 }, (_, i) =>
      // With a secret of its own for each, the throttle sees 20 accounts: here the tries of the code alone hold.
      outcome(enter({ ...(i % 2 === 0 ? first : second), secret: `secret ${i}` }, { ...asked, code: WRONG })),
    )
    assert.deepEqual(new Set(await Promise.all(guesses)), new Set(['sign_in_failed']))
    const [row] = await first.database.all<{ tries: bigint }>('SELECT tries FROM challenge')
    assert.equal(Number(row?.tries), MAX_CODE_TRIES)
    assert.equal(await outcome(enter(second, { ...asked, code })), 'sign_in_failed')
  })

  it('of 20 right answers at once in two processes one signs in', async (t) => {
    const { controls, mailbox } = await openLocal(t, engine, 2)
    const [first, second] = controls as [ControlPlane, ControlPlane]
    await addAccount(first.database, 'ann@example.com')
    const asked = await askForCode(first, { email: 'ann@example.com', address: ADDRESS })
    const code = codeIn((await mailbox.mailTo('ann@example.com')).text)
    const answers = Array.from({ length: 20 }, (_, i) =>
      outcome(enter(i % 2 === 0 ? first : second, { ...asked, code })),
    )
    assert.equal((await Promise.all(answers)).filter((word) => word === 'signed in').length, 1)
    const [row] = await first.database.all<{ count: bigint }>('SELECT COUNT(*) AS count FROM session')
    assert.equal(row?.count, 1n)
  })

  it('a day of guessing finds a code with a chance of 1e-5 at most', async (t) => {
    const { controls, moveTo } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    await addAccount(control.database, 'ann@example.com')
    let [nowMs, attempts, guesses, tries] = [NOW_MS, 0, 0, MAX_CODE_TRIES]
    let challenge = ''
    let expiresAtMs = 0
    // As fast as it is let, from another address each time, with every try of every code.
    while (nowMs < NOW_MS + DAY_MS && attempts < 2000) {
      const address = `10.${attempts >> 8}.${attempts & 255}.1`
      try {
        if (tries < MAX_CODE_TRIES && expiresAtMs > nowMs) {
          await enter(control, { challenge, code: WRONG }, address)
        } else {
          const asked = await askForCode(control, { email: 'ann@example.com', address })
          challenge = asked.challenge
          expiresAtMs = asked.expiresAtMs
          tries = 0
          attempts++
        }
      } catch (error) {
        assert.ok(error instanceof AppError)
        if (error.code === 'rate_limited') {
          nowMs += (error.retryAfterSeconds ?? 0) * SECOND_MS
          moveTo(nowMs)
          continue
        }
        assert.equal(error.code, 'sign_in_failed')
        guesses++
        tries++
        attempts++
      }
    }
    const chance = guesses / CODES
    t.diagnostic(`${attempts} attempts, of them ${guesses} guesses: a chance of ${chance.toExponential(1)} a day`)
    assert.ok(guesses > 0)
    assert.ok(attempts < 200, `${attempts} attempts a day`)
    // Even were each attempt a guess, and each code only eight digits.
    assert.ok(chance <= 1e-5 && attempts / 1e8 <= 1e-5)
  })

  it('sixty people of one office sign in at the same moment without waiting', async (t) => {
    const { controls, mailbox } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    for (let i = 0; i < 60; i++) {
      const email = `ann${i}@example.com`
      await addAccount(control.database, email)
      const asked = await askForCode(control, { email, address: ADDRESS })
      const code = codeIn((await mailbox.mailTo(email)).text)
      assert.equal(await outcome(enter(control, { ...asked, code })), 'signed in', email)
    }
  })

  it('where anybody may make an account, an unknown address gets one by its code, and nowhere else', async (t) => {
    const email = 'new@example.com'
    const invite = await openLocal(t, engine)
    const [closed] = invite.controls as [ControlPlane]
    const unheard = await askForCode(closed, { email, address: ADDRESS })
    assert.equal(await outcome(enter(closed, { ...unheard, code: WRONG })), 'sign_in_failed')
    assert.deepEqual(await closed.database.all('SELECT id FROM person'), [])
    assert.deepEqual(invite.mailbox.named, [])

    const signIn = (): typeof DEFAULT_SIGN_IN => ({ ...DEFAULT_SIGN_IN, registration: 'open' })
    const open = await openLocal(t, engine, 1, { signIn })
    const [control] = open.controls as [ControlPlane]
    const asked = await askForCode(control, { email, address: ADDRESS })
    const code = codeIn((await open.mailbox.mailTo(email)).text)
    assert.equal(await outcome(enter(control, { ...asked, code })), 'signed in')
    const people = await control.database.all('SELECT email, name, is_operator AS operator FROM person')
    assert.deepEqual(
      people.map((row) => ({ ...(row as object) })),
      [{ email, name: 'new', operator: 0n }],
    )
    const actions = await control.database.all<{ action: string }>('SELECT action FROM audit_log ORDER BY seq')
    assert.deepEqual(
      actions.map(({ action }) => action),
      ['person.register', 'sign_in.succeeded'],
    )
  })
})

describeWithPostgres('two gateways on one PostgreSQL', (server) => {
  it('count the guesses of one code together', async (t) => {
    const mailbox = await startMailbox()
    t.after(() => mailbox.close())
    const url = await server().createDatabase()
    const env = {
      ...{ DATABASE_URL: url, ZENDO_MASTER_KEY: 'm'.repeat(40), TEST_SMTP_URL: mailbox.url },
      ZENDO_PUBLIC_URL: PUBLIC_URL,
    }
    const first = await startInstance({ config: sceneConfig({}), env })
    t.after(() => first.remove())
    const second = await startSecond(t, env)
    const { email } = addPerson({ url })
    const asked = await ask(first.baseUrl(), 'POST', '/api/sign-in/email', { email })
    const code = codeIn((await mailbox.mailTo(email)).text)
    const guess = (base: string, text: string): ReturnType<typeof ask> =>
      ask(base, 'POST', '/api/sign-in/email/verify', { challenge: asked.body.challenge, code: text })
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => guess(i % 2 === 0 ? first.baseUrl() : second.baseUrl(), WRONG)),
    )
    const looked = answers.filter(({ status }) => status === 401).length
    assert.ok(looked <= MAX_CODE_TRIES, `${looked} of 20 were looked at`)
    assert.equal(looked + answers.filter(({ status }) => status === 429).length, 20)
    const right = await Promise.all([guess(first.baseUrl(), code), guess(second.baseUrl(), code)])
    for (const { status, setCookie } of right) assert.deepEqual([[401, 429].includes(status), setCookie], [true, null])
    const sql = openSyncSql({ url })
    t.after(() => sql.close())
    assert.deepEqual(sql.all('SELECT id FROM session'), [])
  })
})

async function startSecond(t: TestContext, env: Readonly<Record<string, string>>): Promise<{ baseUrl(): string }> {
  const instance = await prepareInstance({ config: sceneConfig({}), env })
  t.after(() => instance.remove())
  await instance.start()
  return instance
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
