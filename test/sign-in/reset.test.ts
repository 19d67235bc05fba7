/** A new password by mail: one use, half an hour, every session over; and nobody learns who has an account. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { AppError } from '../../src/base/errors.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import { changePassword, signInWithPassword } from '../../src/control/sign-in/account.ts'
import { hashPassword } from '../../src/control/sign-in/password.ts'
import { askForReset, finishReset, MAX_LINKS, RESET_MS } from '../../src/control/sign-in/password-reset.ts'
import { DEFAULT_SIGN_IN } from '../../src/domain/sign-in-config.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { type Mailbox, startMailbox } from '../support/mailbox.ts'
import { ADDRESS, actingAt, addAccount, makeControl, NOW_MS } from './control-scene.ts'
import { type Answer, addPerson, ask, credentialsOf, everyRow, PUBLIC_URL, startScene } from './mail-scene.ts'

const OLD = 'the password of before'
const NEXT = 'quite another password'

function tokenIn(text: string): string {
  const token = /^https:\/\/zendo\.example\/console\/reset#([\w-]{43})$/m.exec(text)?.[1]
  assert.ok(token, text)
  return token
}

describe('a new password by mail', () => {
  it('is set once by the link; every session ends, the owner is told, and the token stands nowhere', async (t) => {
    const { gateway, mailbox } = await startScene(t)
    const url = gateway.baseUrl
    const { email } = addPerson(gateway, { password: await hashPassword(OLD, randomBytes) })
    const signIn = (password: string): Promise<Answer> => ask(url, 'POST', '/api/sign-in/password', { email, password })
    const session = credentialsOf(await signIn(OLD))
    const asked = await ask(url, 'POST', '/api/sign-in/reset', { email })
    assert.deepEqual([asked.status, asked.text], [204, ''])
    const { text } = await mailbox.mailTo(email)
    const token = tokenIn(text)
    assert.ok(!everyRow(gateway).includes(token))

    const finish = (password: string, headers = {}): Promise<Answer> =>
      ask(url, 'POST', '/api/sign-in/reset/finish', { token, password }, headers)
    const foreign = await finish(NEXT, { origin: 'https://evil.example' })
    assert.deepEqual([foreign.status, foreign.body.code], [403, 'permission_denied'])
    const weak = await finish('short')
    assert.deepEqual([weak.status, weak.body.param], [400, 'password'], 'the link stays good')
    assert.equal((await ask(url, 'GET', '/api/session', undefined, session)).status, 200)
    const done = await finish(NEXT, { origin: PUBLIC_URL })
    assert.deepEqual([done.status, done.setCookie], [204, null])
    assert.equal((await ask(url, 'GET', '/api/session', undefined, session)).status, 401)
    assert.match((await mailbox.mailTo(email, 2)).text, /password .* was changed/)
    assert.doesNotMatch((await mailbox.mailTo(email, 2)).text, /quite another/)
    assert.equal((await signIn(OLD)).status, 401)
    assert.equal((await signIn(NEXT)).status, 201)
    const again = await finish('yet another password')
    assert.deepEqual([again.status, again.body.code], [401, 'sign_in_failed'])
    const changed = { current: NEXT, password: 'one more good password' }
    const mine = credentialsOf(await signIn(NEXT))
    assert.equal((await ask(url, 'POST', '/api/sign-in/password/change', changed, mine)).status, 201)
    assert.match((await mailbox.mailTo(email, 3)).text, /password .* was changed/)
    const rows = everyRow(gateway)
    assert.match(rows, /password\.reset/)
    for (const secret of [token, NEXT]) {
      assert.ok(!rows.includes(secret), 'a row holds it')
      assert.ok(!gateway.output().includes(secret), 'a log line holds it')
    }
  })

  it('is asked for alike by everybody, and a link goes to active accounts with a password alone', async (t) => {
    const { gateway, mailbox } = await startScene(t)
    const password = await hashPassword(OLD, randomBytes)
    const known = addPerson(gateway, { password }).email
    const emails = [
      'nobody@example.com',
      addPerson(gateway).email,
      addPerson(gateway, { password, isDisabled: true }).email,
      known,
    ]
    for (const email of emails) {
      const { status, text, setCookie } = await ask(gateway.baseUrl, 'POST', '/api/sign-in/reset', { email })
      assert.deepEqual([status, text, setCookie], [204, '', null], email)
    }
    await mailbox.mailTo(known)
    assert.deepEqual(mailbox.named, [known])
  })
})

interface Local {
  readonly controls: readonly ControlPlane[]
  readonly mailbox: Mailbox
  moveTo(nowMs: number): void
}

async function openLocal(t: TestContext, engine: TestEngine, more: Partial<ControlPlane> = {}): Promise<Local> {
  const mailbox = await startMailbox()
  t.after(() => mailbox.close())
  let nowMs = NOW_MS
  const controls = (await engine.openDatabases(t, 2)).map((database) =>
    makeControl({ database, clock: () => nowMs, mailbox, more }),
  )
  const [control] = controls as [ControlPlane]
  const id = await addAccount(control.database, 'ann@example.com')
  await control.database.run('UPDATE person SET password = ? WHERE id = ?', await hashPassword(OLD, randomBytes), id)
  return {
    controls,
    mailbox,
    moveTo(toMs) {
      nowMs = toMs
    },
  }
}

async function sendLink(control: ControlPlane, mailbox: Mailbox, count: number): Promise<string> {
  await askForReset(control, { email: 'ann@example.com', address: ADDRESS })
  return tokenIn((await mailbox.mailTo('ann@example.com', count)).text)
}

function outcomeOf(control: ControlPlane, token: string): Promise<string> {
  return finishReset(control, actingAt(control.clock()), { token, password: NEXT, address: ADDRESS }).then(
    () => 'changed',
    (error: unknown) => (error instanceof AppError ? error.code : Promise.reject(error)),
  )
}

forEachEngine((engine) => {
  it('links are good for half an hour, and until one of them is used', async (t) => {
    const { controls, mailbox, moveTo } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    const late = await sendLink(control, mailbox, 1)
    moveTo(NOW_MS + RESET_MS)
    assert.equal(await outcomeOf(control, late), 'sign_in_failed')
    const older = await sendLink(control, mailbox, 2)
    const newer = await sendLink(control, mailbox, 3)
    moveTo(NOW_MS + 2 * RESET_MS - 1)
    assert.equal(await outcomeOf(control, older), 'changed')
    assert.equal(await outcomeOf(control, newer), 'sign_in_failed')
  })

  it('whatever strangers ask for, from wherever: the owner gets a link, and can use it where others are kept waiting', async (t) => {
    const { controls, mailbox, moveTo } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    const email = 'ann@example.com'
    const mine = await sendLink(control, mailbox, 1)
    for (let n = 0; n < 100; n++) await askForReset(control, { email, address: `198.51.100.${n}` })
    await mailbox.mailTo(email, MAX_LINKS)
    await askForReset(control, { email: 'bea@example.com', address: ADDRESS })
    assert.equal(mailbox.mails.length, 2, 'nobody fills a mailbox')
    const asking = Array.from({ length: 60 }, () => askForReset(control, { email, address: ADDRESS }))
    const asked = await Promise.allSettled(asking)
    assert.ok(asked.some(({ status }) => status === 'rejected'))
    assert.equal(await outcomeOf(control, 'A'.repeat(43)), 'rate_limited')
    assert.equal(await outcomeOf(control, mine), 'changed')
    moveTo(NOW_MS + RESET_MS / 2)
    await askForReset(control, { email, address: '203.0.113.1' })
    assert.equal(await outcomeOf(control, tokenIn((await mailbox.mailTo(email, MAX_LINKS + 2)).text)), 'changed')
  })

  it('a right link takes back what asking for it has counted', async (t) => {
    const { controls, mailbox, moveTo } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    for (let n = 0; n < 60; n++) {
      moveTo(NOW_MS + n)
      assert.equal(await outcomeOf(control, await sendLink(control, mailbox, 2 * n + 1)), 'changed', `${n}`)
      await mailbox.mailTo('ann@example.com', 2 * n + 2)
    }
  })

  it('a password that was changed ends the links that are open', async (t) => {
    const { controls, mailbox } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    const token = await sendLink(control, mailbox, 1)
    const signIn = { email: 'ann@example.com', password: OLD, address: ADDRESS, oldToken: null }
    const session = await signInWithPassword(control, actingAt(NOW_MS), signIn)
    const own = { personId: session.personId, sessionId: session.id, authenticatedAtMs: NOW_MS }
    const change = { own, current: OLD, next: 'one more good password', address: ADDRESS }
    await changePassword(control, actingAt(NOW_MS), change)
    assert.equal(await outcomeOf(control, token), 'sign_in_failed')
  })

  it('two links that are used at once in two processes set one password, and neither waits for the other', async (t) => {
    const { controls, mailbox } = await openLocal(t, engine)
    const [first, second] = controls as [ControlPlane, ControlPlane]
    const tokens = [await sendLink(first, mailbox, 1), await sendLink(second, mailbox, 2)] as const
    const outcomes = await Promise.all([outcomeOf(first, tokens[0]), outcomeOf(second, tokens[1])])
    assert.deepEqual(outcomes.toSorted(), ['changed', 'sign_in_failed'])
  })

  it('of those who use a link at once in two processes one sets the password', async (t) => {
    const { controls, mailbox } = await openLocal(t, engine)
    const [first, second] = controls as [ControlPlane, ControlPlane]
    const token = await sendLink(first, mailbox, 1)
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, (_, i) => outcomeOf(i % 2 === 0 ? first : second, token)),
    )
    assert.deepEqual(outcomes.toSorted(), ['changed', ...Array<string>(5).fill('sign_in_failed')])
  })

  it('where nobody but operators uses a password, nobody else gets one', async (t) => {
    const signIn = (): typeof DEFAULT_SIGN_IN => ({ ...DEFAULT_SIGN_IN, password: false })
    const { controls, mailbox } = await openLocal(t, engine, { signIn })
    const [control] = controls as [ControlPlane]
    await askForReset(control, { email: 'ann@example.com', address: ADDRESS })
    await control.database.run('UPDATE person SET is_operator = 1')
    const token = await sendLink(control, mailbox, 1)
    assert.equal(mailbox.mails.length, 1)
    await control.database.run('UPDATE person SET is_operator = 0')
    assert.equal(await outcomeOf(control, token), 'sign_in_failed')
    await control.database.run('UPDATE person SET is_operator = 1')
    assert.equal(await outcomeOf(control, token), 'changed')
  })
})
