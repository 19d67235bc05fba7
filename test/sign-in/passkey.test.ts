/** Passkeys: real registrations and assertions get in, and everything that is not quite one stays out. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { AppError } from '../../src/base/errors.ts'
import type { CreationOptions, RequestOptions } from '../../src/contract/passkeys.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import { addPasskey, deletePasskey } from '../../src/control/sign-in/own-passkeys.ts'
import {
  arePasskeysPossible,
  PASSKEY_CHALLENGE_MS,
  passkeyId,
  signInWithPasskey,
  startAdding,
  startUsing,
} from '../../src/control/sign-in/passkey.ts'
import { startSession } from '../../src/control/sign-in/session.ts'
import { type Authenticator, type Lies, makeAuthenticator } from '../support/authenticator.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { openSyncSql } from '../support/sync-sql.ts'
import { ADDRESS, actingAt, addAccount, makeControl, NOW_MS } from './control-scene.ts'
import {
  type Answer,
  addPerson,
  ask,
  credentialsOf,
  everyRow,
  type Headers,
  type MailScene,
  PUBLIC_URL,
  signInByMail,
  startScene,
  type TestPerson,
} from './mail-scene.ts'

interface Holder {
  readonly person: TestPerson
  readonly session: Headers
  readonly authenticator: Authenticator
  /** Names the passkey in paths. */
  readonly passkey: string
}

/** Somebody new who is signed in and has a passkey. */
async function addHolder(scene: MailScene, options: { readonly counts?: boolean } = {}): Promise<Holder> {
  const person = addPerson(scene.gateway)
  const session = await signInByMail(scene, person)
  const authenticator = makeAuthenticator({ origin: PUBLIC_URL, ...options })
  const added = await register(scene, session, authenticator)
  assert.equal(added.status, 201, added.text)
  return { person, session, authenticator, passkey: String(added.body.id) }
}

async function creationOptions({ gateway }: MailScene, session: Headers): Promise<CreationOptions> {
  const { status, body, text } = await ask(gateway.baseUrl, 'POST', '/api/me/passkeys/options', undefined, session)
  assert.equal(status, 201, text)
  return body.options as CreationOptions
}

async function register(
  scene: MailScene,
  session: Headers,
  authenticator: Authenticator,
  lies?: Lies,
): Promise<Answer> {
  const credential = authenticator.create(await creationOptions(scene, session), lies)
  return await ask(scene.gateway.baseUrl, 'POST', '/api/me/passkeys', { name: 'Laptop', credential }, session)
}

async function requestOptions({ gateway }: MailScene): Promise<RequestOptions> {
  const { status, body, text } = await ask(gateway.baseUrl, 'POST', '/api/sign-in/passkey/options')
  assert.equal(status, 201, text)
  return body.options as RequestOptions
}

async function signIn(scene: MailScene, authenticator: Authenticator, lies?: Lies): Promise<Answer> {
  const credential = authenticator.get(await requestOptions(scene), lies)
  return await ask(scene.gateway.baseUrl, 'POST', '/api/sign-in/passkey', { credential })
}

function assertRefused({ status, body, setCookie, text }: Answer, what: string): void {
  assert.deepEqual([status, body.code, setCookie], [401, 'sign_in_failed', null], `${what}: ${text}`)
}

describe('a passkey', () => {
  it('is added, signs in without a name, is renamed and removed; on record and told by mail', async (t) => {
    const scene = await startScene(t)
    const { gateway, mailbox } = scene
    const { person, session, authenticator, passkey } = await addHolder(scene)
    assert.match((await mailbox.mailTo(person.email, 2)).text, /A passkey was added .* zendo\.example:\n\n {4}Laptop/)
    const entered = await signIn(scene, authenticator)
    assert.match(entered.setCookie ?? '', /^__Host-zendo_session=/)
    assert.deepEqual(
      [(entered.body.person as { id: string }).id, (entered.body.session as { method: string }).method],
      [person.id, 'passkey'],
    )
    const mine = credentialsOf(entered)
    const url = gateway.baseUrl
    const renamed = await ask(url, 'PATCH', `/api/me/passkeys/${passkey}`, { name: 'Old laptop' }, mine)
    assert.equal(renamed.body.name, 'Old laptop')
    const listed = await ask(url, 'GET', '/api/me/passkeys', undefined, session)
    const [row] = listed.body.data as { credential_id: string; last_used_at: string | null }[]
    assert.equal(row?.credential_id, authenticator.credentialId)
    assert.notEqual(row?.last_used_at, null)
    assert.equal((await ask(url, 'DELETE', `/api/me/passkeys/${passkey}`, undefined, mine)).status, 204)
    assert.match((await mailbox.mailTo(person.email, 3)).text, /removed/)
    assertRefused(await signIn(scene, authenticator), 'a removed one')
    const rows = everyRow(gateway)
    for (const action of ['passkey.add', 'passkey.rename', 'passkey.delete']) assert.ok(rows.includes(action), action)
  })

  it('signs in again and again when its authenticator does not count', async (t) => {
    const scene = await startScene(t)
    const { authenticator } = await addHolder(scene, { counts: false })
    for (let i = 0; i < 3; i++) assert.equal((await signIn(scene, authenticator)).status, 201)
  })

  it('is taken for this origin, this site, this challenge and this person alone', async (t) => {
    const scene = await startScene(t)
    const { gateway } = scene
    const ann = await addHolder(scene)
    const bob = await addHolder(scene)
    const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const lies: Readonly<Record<string, Lies>> = {
      'another origin': { origin: 'https://evil.example' },
      'a subdomain': { origin: 'https://console.zendo.example' },
      'another port': { origin: 'https://zendo.example:8443' },
      'plain http': { origin: 'http://zendo.example' },
      'another relying party': { rpId: 'evil.example' },
      'a parent domain': { rpId: 'example' },
      'an own challenge': { challenge: Buffer.alloc(32, 1).toString('base64url') },
      'no user verification': { isUserVerified: false },
      'no user presence': { isUserPresent: false },
      'a registration': { type: 'webauthn.create' },
      'a frame of another origin': { crossOrigin: true },
      'the signature of another key': { key: otherKey },
      "another person's passkey": { credentialId: bob.authenticator.credentialId },
      "another person's handle": { userHandle: Buffer.from(bob.person.id).toString('base64url') },
      'no handle': { userHandle: null },
      'an unknown passkey': { credentialId: Buffer.alloc(32, 2).toString('base64url') },
    }
    for (const [what, lie] of Object.entries(lies)) {
      assertRefused(await signIn(scene, ann.authenticator, lie), what)
    }
    assert.equal((await signIn(scene, ann.authenticator)).status, 201, 'the control')

    const options = await requestOptions(scene)
    const credential = ann.authenticator.get(options)
    const send = (): Promise<Answer> => ask(gateway.baseUrl, 'POST', '/api/sign-in/passkey', { credential })
    assert.equal((await send()).status, 201, 'the control')
    assertRefused(await send(), 'a replayed assertion')
    const later = ann.authenticator.get(options)
    assertRefused(await ask(gateway.baseUrl, 'POST', '/api/sign-in/passkey', { credential: later }), 'a used challenge')
  })

  it('uses up its challenge with a wrong answer too', async (t) => {
    const scene = await startScene(t)
    const { authenticator } = await addHolder(scene)
    const options = await requestOptions(scene)
    const post = (lies?: Lies): Promise<Answer> =>
      ask(scene.gateway.baseUrl, 'POST', '/api/sign-in/passkey', { credential: authenticator.get(options, lies) })
    assertRefused(await post({ origin: 'https://evil.example' }), 'another origin')
    assertRefused(await post(), 'the right answer to a challenge that was answered')
  })

  it('that counts backwards is refused, and that is on record', async (t) => {
    const scene = await startScene(t)
    const { authenticator, person } = await addHolder(scene)
    assert.equal((await signIn(scene, authenticator, { counter: 100 })).status, 201)
    for (const counter of [100, 99, 1, 0]) {
      assertRefused(await signIn(scene, authenticator, { counter }), `a counter of ${counter} after 100`)
    }
    const sql = openSyncSql(scene.gateway)
    t.after(() => sql.close())
    const rows = sql.all<{ after: string }>(
      "SELECT after FROM audit_log WHERE action = 'sign_in.failed' AND target = ?",
      person.id,
    )
    assert.equal(rows.filter(({ after }) => after.includes('counter went back')).length, 4)
    assert.equal((await signIn(scene, authenticator, { counter: 101 })).status, 201, 'the control')
  })

  it('is added only as it must be', async (t) => {
    const scene = await startScene(t)
    const ann = await addHolder(scene)
    const bob = addPerson(scene.gateway)
    const bobs = await signInByMail(scene, bob)
    const lies: Readonly<Record<string, Lies>> = {
      'another origin': { origin: 'https://evil.example' },
      'another relying party': { rpId: 'evil.example' },
      'no user verification': { isUserVerified: false },
      'an own challenge': { challenge: Buffer.alloc(32, 1).toString('base64url') },
      'an assertion': { type: 'webauthn.get' },
      'a frame of another origin': { crossOrigin: true },
      'an id that is not the signed one': { credentialId: ann.authenticator.credentialId },
      'the word of its maker': { attestation: 'maker' },
    }
    for (const [what, lie] of Object.entries(lies)) {
      assertRefused(await register(scene, bobs, makeAuthenticator({ origin: PUBLIC_URL }), lie), what)
    }
    const twice = await register(scene, bobs, ann.authenticator)
    assert.deepEqual([twice.status, twice.body.code], [409, 'conflict'], "another person's passkey")
    const options = await creationOptions(scene, bobs)
    const mine = makeAuthenticator({ origin: PUBLIC_URL })
    const credential = mine.create(options)
    const post = (session: Headers): Promise<Answer> =>
      ask(scene.gateway.baseUrl, 'POST', '/api/me/passkeys', { name: 'x', credential }, session)
    assertRefused(await post(ann.session), "another person's challenge")
    assertRefused(await post(bobs), 'a challenge that was answered, by whomever')
    const selfSigned = makeAuthenticator({ origin: PUBLIC_URL })
    const own = await register(scene, bobs, selfSigned, { attestation: 'self' })
    assert.equal(own.status, 201, `the control, and a statement signed by the passkey itself: ${own.text}`)
    const long = makeAuthenticator({ origin: PUBLIC_URL, credentialIdBytes: 1000 })
    const added = await register(scene, bobs, long)
    assert.equal(added.status, 201, added.text)
    const path = `/api/me/passkeys/${String(added.body.id)}`
    assert.equal((await ask(scene.gateway.baseUrl, 'DELETE', path, undefined, bobs)).status, 204)
  })

  it("is nobody else's to see, name or remove", async (t) => {
    const scene = await startScene(t)
    const ann = await addHolder(scene)
    const bob = await addHolder(scene)
    const url = scene.gateway.baseUrl
    const path = `/api/me/passkeys/${ann.passkey}`
    const renamed = await ask(url, 'PATCH', path, { name: 'mine' }, bob.session)
    const unknown = await ask(url, 'PATCH', '/api/me/passkeys/none', { name: 'mine' }, bob.session)
    assert.deepEqual([renamed.status, renamed.body.detail], [404, unknown.body.detail])
    assert.equal((await ask(url, 'DELETE', path, undefined, bob.session)).status, 404)
    const listed = await ask(url, 'GET', '/api/me/passkeys', undefined, bob.session)
    assert.equal((listed.body.data as unknown[]).length, 1)
    assert.equal((await signIn(scene, ann.authenticator)).status, 201)
  })

  it('is added and removed only soon after a proof of identity, which a passkey can be', async (t) => {
    const scene = await startScene(t)
    const { gateway } = scene
    const { session, authenticator, passkey, person } = await addHolder(scene)
    const bob = await addHolder(scene)
    const sql = openSyncSql(gateway, { readOnly: false })
    t.after(() => sql.close())
    const makeOld = (): void => sql.run('UPDATE session SET authenticated_at = authenticated_at - 900000')
    makeOld()
    const url = gateway.baseUrl
    const late = await ask(url, 'POST', '/api/me/passkeys/options', undefined, session)
    assert.deepEqual([late.status, (late.body.metadata as { reason: string }).reason], [403, 'sign_in_again'])
    assert.equal((await ask(url, 'DELETE', `/api/me/passkeys/${passkey}`, undefined, session)).status, 403)

    const prove = async (who: Authenticator, by: Headers, options?: RequestOptions): Promise<Answer> => {
      const started = await ask(url, 'POST', '/api/session/prove/passkey/options', undefined, by)
      const credential = who.get(options ?? (started.body.options as RequestOptions))
      return await ask(url, 'POST', '/api/session/prove/passkey', { credential }, by)
    }
    assertRefused(await prove(bob.authenticator, session), "another person's passkey")
    assertRefused(await prove(authenticator, session, await requestOptions(scene)), 'a challenge for signing in')
    const foreign = await ask(url, 'POST', '/api/session/prove/passkey/options', undefined, bob.session)
    assertRefused(
      await prove(authenticator, session, foreign.body.options as RequestOptions),
      "another person's challenge",
    )
    const elsewhere = credentialsOf(await signIn(scene, authenticator))
    const other = await ask(url, 'POST', '/api/session/prove/passkey/options', undefined, elsewhere)
    assertRefused(
      await prove(authenticator, session, other.body.options as RequestOptions),
      "a challenge of one's own other session",
    )
    const mine = await ask(url, 'POST', '/api/session/prove/passkey/options', undefined, session)
    const asSignIn = authenticator.get(mine.body.options as RequestOptions)
    assertRefused(await ask(url, 'POST', '/api/sign-in/passkey', { credential: asSignIn }), 'a challenge for proving')

    const proved = await prove(authenticator, session)
    const renewed = credentialsOf(proved)
    assert.notEqual(renewed.cookie, session.cookie)
    assert.equal((await ask(url, 'GET', '/api/session', undefined, session)).status, 401, 'the token before is over')
    assert.equal((await ask(url, 'POST', '/api/me/passkeys/options', undefined, renewed)).status, 201)
    assert.equal((proved.body.person as { id: string }).id, person.id)
  })

  it('does not sign in a person who was disabled', async (t) => {
    const scene = await startScene(t)
    const { authenticator, person } = await addHolder(scene)
    const sql = openSyncSql(scene.gateway, { readOnly: false })
    t.after(() => sql.close())
    sql.run('UPDATE person SET disabled_at = 1 WHERE id = ?', person.id)
    assertRefused(await signIn(scene, authenticator), 'a disabled person')
  })

  it('is offered where browsers have them: under a name, with https or on the own machine', () => {
    for (const url of ['https://zendo.example', 'http://localhost:7070', 'http://zendo.localhost:7070']) {
      assert.ok(arePasskeysPossible(url), url)
    }
    for (const url of ['http://127.0.0.1:7070', 'https://192.0.2.1', 'https://[2001:db8::1]', 'http://zendo.example']) {
      assert.ok(!arePasskeysPossible(url), url)
    }
  })
})

interface LocalHolder {
  readonly controls: readonly ControlPlane[]
  readonly authenticator: Authenticator
  moveTo(nowMs: number): void
}

async function openLocal(t: TestContext, engine: TestEngine): Promise<LocalHolder> {
  let nowMs = NOW_MS
  const controls = (await engine.openDatabases(t, 2)).map((database) =>
    makeControl({ database, clock: () => nowMs, mailbox: null }),
  )
  const [control] = controls as [ControlPlane]
  const personId = await addAccount(control.database, 'ann@example.com')
  const { id } = await control.database.write((sql) =>
    startSession(sql, { personId, method: 'email' }, actingAt(nowMs)),
  )
  const own = { personId, sessionId: id, authenticatedAtMs: nowMs }
  const authenticator = makeAuthenticator({ origin: PUBLIC_URL })
  const credential = authenticator.create(await startAdding(control, own))
  await addPasskey(control, actingAt(nowMs), { own, credential, name: 'Laptop' })
  return {
    controls,
    authenticator,
    moveTo(toMs) {
      nowMs = toMs
    },
  }
}

function outcomeOf(control: ControlPlane, credential: ReturnType<Authenticator['get']>): Promise<string> {
  const entered = signInWithPasskey(control, actingAt(control.clock()), {
    credential,
    address: ADDRESS,
    oldToken: null,
  })
  return entered.then(
    () => 'signed in',
    (error: unknown) => (error instanceof AppError ? error.code : Promise.reject(error)),
  )
}

forEachEngine((engine) => {
  it('an assertion that comes to two processes at once signs in once', async (t) => {
    const { controls, authenticator } = await openLocal(t, engine)
    const [first, second] = controls as [ControlPlane, ControlPlane]
    const credential = authenticator.get(await startUsing(first, null))
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, i) => outcomeOf(i % 2 === 0 ? first : second, credential)),
    )
    assert.deepEqual(outcomes.toSorted(), [...Array<string>(9).fill('sign_in_failed'), 'signed in'])
  })

  it('of assertions with one counter, for a challenge each, one signs in', async (t) => {
    const { controls, authenticator } = await openLocal(t, engine)
    const [first, second] = controls as [ControlPlane, ControlPlane]
    const credentials = []
    for (let i = 0; i < 10; i++) credentials.push(authenticator.get(await startUsing(first, null), { counter: 50 }))
    const outcomes = await Promise.all(
      credentials.map((credential, i) => outcomeOf(i % 2 === 0 ? first : second, credential)),
    )
    assert.deepEqual(outcomes.toSorted(), [...Array<string>(9).fill('sign_in_failed'), 'signed in'])
  })

  it('a challenge is good for five minutes', async (t) => {
    const { controls, authenticator, moveTo } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    const late = await startUsing(control, null)
    moveTo(NOW_MS + PASSKEY_CHALLENGE_MS)
    assert.equal(await outcomeOf(control, authenticator.get(late)), 'sign_in_failed')
    const inTime = await startUsing(control, null)
    moveTo(NOW_MS + 2 * PASSKEY_CHALLENGE_MS - 1)
    assert.equal(await outcomeOf(control, authenticator.get(inTime)), 'signed in')
  })

  it('the only way to sign in is not removed', async (t) => {
    const { controls } = await openLocal(t, engine)
    const [control] = controls as [ControlPlane]
    await assertLastStays(control)
  })
})

async function assertLastStays(control: ControlPlane): Promise<void> {
  const [row] = await control.database.all<{ id: string; person_id: string }>('SELECT id, person_id FROM passkey')
  assert.ok(row)
  const own = { personId: row.person_id, sessionId: 'ses_x', authenticatedAtMs: NOW_MS }
  const remove = (): Promise<void> => deletePasskey(control, actingAt(NOW_MS), { own, id: passkeyId(row.id) })
  await assert.rejects(remove(), (error) => error instanceof AppError && error.code === 'conflict')
  await control.database.run("UPDATE person SET password = '$argon2id$'")
  await remove()
  assert.deepEqual(await control.database.all('SELECT id FROM passkey'), [])
}
