import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { finishSetup, makeFirstSetupLink, makeSetupLink, SETUP_LINK_MS } from '../../src/control/sign-in/setup-link.ts'
import { hashKey } from '../../src/domain/api-key.ts'
import { loadKeyOwner } from '../../src/store/key.ts'
import { forEachEngine } from '../support/engines.ts'
import { startGateway } from '../support/gateway.ts'
import { prepareInstance } from '../support/instance.ts'
import { until } from '../support/until.ts'
import { actingAtShell, assertProblem, auditLog, dump, openBrowser, PASSWORD, startSignInWorld } from './browser.ts'

const OPERATOR = { email: 'Olga@Example.com', name: 'Olga', password: PASSWORD }

function tokenOf(link: { readonly url: string } | null): string {
  const [, token = ''] = /\/console\/setup#([\w-]{43})$/.exec(link?.url ?? '') ?? []
  assert.notEqual(token, '', 'there is no link')
  return token
}

forEachEngine((engine) => {
  describe('set-up link', () => {
    it('makes the first operator, who owns the first workspace and its key, and signs in', async (t) => {
      const database = await engine.openDatabase(t)
      const { control, browser, firstKey } = await startSignInWorld(t, database)
      const token = tokenOf(await makeFirstSetupLink(control))
      const olga = browser()
      const answer = await olga.ask('POST /api/setup', { token, ...OPERATOR })
      assert.equal(answer.status, 201)
      assert.deepEqual(
        [answer.body.person.email, answer.body.person.is_operator, answer.body.session.method],
        ['olga@example.com', true, 'setup'],
      )
      assert.deepEqual(
        answer.body.memberships.map(({ role }: { role: string }) => role),
        ['admin'],
      )
      assert.equal((await olga.ask('GET /api/session')).status, 200)
      const owner = await loadKeyOwner(database, hashKey(firstKey))
      assert.deepEqual([owner?.personId, owner?.isOperator], [answer.body.person.id, true])
      assert.equal((await browser().signIn('olga@example.com')).status, 201)
      assert.deepEqual(
        (await auditLog(database)).slice(1).map(({ action, actorId }) => [action, actorId]),
        ['setup.finish', 'sign_in.succeeded', 'sign_in.succeeded'].map((action) => [action, answer.body.person.id]),
      )
      const stored = await dump(database)
      for (const secret of [token, PASSWORD, olga.token() ?? '?']) assert.equal(stored.includes(secret), false)
    })

    for (const kind of ['printed by a start', 'made at the shell'] as const) {
      it(`${kind} is used once, however many come with it at once and to whichever process`, async (t) => {
        const [one, other] = await engine.openDatabases(t, 2)
        assert.ok(one && other)
        const { control, clock } = await startSignInWorld(t, one)
        const acting = actingAtShell(control, clock.nowMs)
        const isFirst = kind === 'printed by a start'
        const link = isFirst ? makeFirstSetupLink(control) : makeSetupLink(control, acting, { email: null })
        const token = tokenOf(await link)
        const tries = await Promise.allSettled(
          Array.from({ length: 20 }, (_, index) =>
            finishSetup({ ...control, database: index % 2 === 0 ? one : other }, acting, {
              ...{ token, name: 'Olga', email: `o${index}@example.com`, password: PASSWORD },
              ...{ address: '127.0.0.1', oldToken: null },
            }),
          ),
        )
        const refused = tries.flatMap((tried) => (tried.status === 'rejected' ? [tried.reason.code] : []))
        assert.deepEqual(refused, Array(19).fill('sign_in_failed'))
        assert.equal((await one.all('SELECT id FROM person')).length, 1)
      })
    }

    it('of two links that starts have printed, the later one works', async (t) => {
      const { control, browser } = await startSignInWorld(t, await engine.openDatabase(t))
      const older = tokenOf(await makeFirstSetupLink(control))
      const newer = tokenOf(await makeFirstSetupLink(control))
      assertProblem(await browser().ask('POST /api/setup', { token: older, ...OPERATOR }), 401, 'sign_in_failed')
      assert.equal((await browser().ask('POST /api/setup', { token: newer, ...OPERATOR })).status, 201)
      assert.equal(await makeFirstSetupLink(control), null)
    })

    it('of two starts at the same moment, one link works', async (t) => {
      const [one, other] = await engine.openDatabases(t, 2)
      assert.ok(one && other)
      const { control, browser } = await startSignInWorld(t, one)
      const links = await Promise.all([one, other].map((database) => makeFirstSetupLink({ ...control, database })))
      const open = await one.all('SELECT hash FROM challenge WHERE used_at IS NULL')
      assert.equal(open.length, 1)
      const tries = []
      for (const link of links) {
        tries.push(await browser().ask('POST /api/setup', { token: tokenOf(link), ...OPERATOR }))
      }
      assert.deepEqual(tries.map(({ status }) => status).sort(), [201, 401])
    })

    it('is worth nothing after a day, nor once there is an operator by other means', async (t) => {
      const { control, browser, clock, addPerson } = await startSignInWorld(t, await engine.openDatabase(t))
      const token = tokenOf(await makeFirstSetupLink(control))
      clock.nowMs += SETUP_LINK_MS
      assertProblem(await browser().ask('POST /api/setup', { token, ...OPERATOR }), 401, 'sign_in_failed')
      const fresh = tokenOf(await makeFirstSetupLink(control))
      await addPerson('first@example.com', { isOperator: true })
      assertProblem(await browser().ask('POST /api/setup', { token: fresh, ...OPERATOR }), 401, 'sign_in_failed')
    })

    it('is not used up by a password that is refused', async (t) => {
      const { control, browser } = await startSignInWorld(t, await engine.openDatabase(t))
      const token = tokenOf(await makeFirstSetupLink(control))
      const weak = await browser().ask('POST /api/setup', { token, ...OPERATOR, password: 'short' })
      assertProblem(weak, 400, 'invalid_request')
      assert.equal((await browser().ask('POST /api/setup', { token, ...OPERATOR })).status, 201)
    })

    it('does not tell whether a password would do to whoever has no link', async (t) => {
      const { browser } = await startSignInWorld(t, await engine.openDatabase(t))
      const token = 'x'.repeat(43)
      const answer = await browser().ask('POST /api/setup', { token, ...OPERATOR, password: 'short' })
      assertProblem(answer, 401, 'sign_in_failed')
    })

    it('never takes over an account that exists', async (t) => {
      const { control, browser, addPerson } = await startSignInWorld(t, await engine.openDatabase(t))
      await addPerson('olga@example.com')
      const token = tokenOf(await makeFirstSetupLink(control))
      const answer = await browser().ask('POST /api/setup', { token, ...OPERATOR, password: 'another long password' })
      assertProblem(answer, 409, 'conflict')
      assert.equal((await browser().signIn('olga@example.com')).status, 201)
    })

    it('made at the shell lets an operator in again, ends its sessions, and is on record', async (t) => {
      const database = await engine.openDatabase(t)
      const { control, browser, clock, addPerson } = await startSignInWorld(t, database)
      const id = await addPerson('olga@example.com', { isOperator: true })
      const thief = browser()
      await thief.signIn('olga@example.com')
      const acting = actingAtShell(control, clock.nowMs)
      const token = tokenOf(await makeSetupLink(control, acting, { email: 'Olga@example.com' }))
      const renewed = { token, ...OPERATOR, password: 'nine slow herons' }
      assertProblem(
        await browser().ask('POST /api/setup', { ...renewed, email: 'thief@example.com' }),
        400,
        'invalid_request',
      )
      assert.equal((await browser().ask('POST /api/setup', renewed)).status, 201)
      assert.equal((await thief.ask('GET /api/session')).status, 401)
      assertProblem(await browser().signIn('olga@example.com'), 401, 'sign_in_failed')
      assert.equal((await browser().signIn('olga@example.com', 'nine slow herons')).status, 201)
      const made = (await auditLog(database)).find(({ action }) => action === 'setup_link.make')
      assert.deepEqual([made?.actorKind, made?.target], ['shell', id])
    })

    it('made at the shell makes one more operator; for others than operators there is none', async (t) => {
      const { control, browser, clock, addPerson } = await startSignInWorld(t, await engine.openDatabase(t))
      await addPerson('olga@example.com', { isOperator: true })
      await addPerson('paul@example.com')
      const acting = actingAtShell(control, clock.nowMs)
      for (const email of ['paul@example.com', 'nobody@example.com']) {
        await assert.rejects(makeSetupLink(control, acting, { email }), { code: 'not_found' })
      }
      const token = tokenOf(await makeSetupLink(control, acting, { email: null }))
      const second = { token, ...OPERATOR, email: 'second@example.com' }
      assert.equal((await browser().ask('POST /api/setup', second)).body.person.is_operator, true)
    })
  })
})

describe('start', () => {
  it('prints a link that works while there is no operator, and none afterwards', { timeout: 60_000 }, async (t) => {
    const instance = await prepareInstance({ config: {} })
    t.after(() => instance.remove())
    const links = (): string[] => [...instance.output().matchAll(/console\/setup#([\w-]{43})/g)].map((m) => m[1] ?? '')
    for (let start = 1; start <= 2; start++) {
      await instance.start()
      await until('the link is printed', () => links().length === start)
      if (start === 1) await instance.kill()
    }
    const [older = '', newer = ''] = links()
    const ask = (token: string) => openBrowser(instance.baseUrl()).ask('POST /api/setup', { token, ...OPERATOR })
    assertProblem(await ask(older), 401, 'sign_in_failed')
    assert.equal((await ask(newer)).status, 201)
    await instance.kill()
    await instance.start()
    assert.equal(links().length, 2)
    const printed = instance.output()
    for (const secret of [PASSWORD, 'olga@example.com']) assert.equal(printed.includes(secret), false)
  })

  it('prints one link however many processes serve', { timeout: 60_000 }, async (t) => {
    const gateway = await startGateway({ config: {}, env: { ZENDO_WORKERS: '3' } })
    t.after(() => gateway.remove())
    const tokens = [...gateway.output().matchAll(/console\/setup#([\w-]{43})/g)]
    assert.equal(tokens.length, 1)
    const token = tokens[0]?.[1]
    assert.equal((await openBrowser(gateway.baseUrl).ask('POST /api/setup', { token, ...OPERATOR })).status, 201)
  })
})
