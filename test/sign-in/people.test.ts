import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { disablePerson, updatePerson } from '../../src/control/sign-in/people.ts'
import { hashKey } from '../../src/domain/api-key.ts'
import { loadKeyOwner } from '../../src/store/key.ts'
import { forEachEngine } from '../support/engines.ts'
import { actingAtShell, assertProblem, auditLog, startSignInWorld } from './browser.ts'

forEachEngine((engine) => {
  describe('people', () => {
    it('are seen and changed by operators alone; a key of an operator is not enough', async (t) => {
      const { browser, addPerson, firstKey, workspaceId, control } = await startSignInWorld(
        t,
        await engine.openDatabase(t),
      )
      const olgaId = await addPerson('olga@example.com', { isOperator: true })
      const id = await addPerson('paul@example.com')
      await control.database.write((sql) =>
        sql.run('UPDATE member SET person_id = ? WHERE workspace_id = ?', olgaId, workspaceId),
      )
      const paul = browser()
      await paul.signIn('paul@example.com')
      const questions: readonly [string, unknown?][] = [
        ['GET /api/people'],
        [`GET /api/people/${id}`],
        [`PATCH /api/people/${id}`, { is_operator: true }],
        [`POST /api/people/${id}/disable`],
        [`POST /api/people/${id}/enable`],
      ]
      for (const [question, body] of questions) {
        assertProblem(await paul.ask(question, body), 403, 'permission_denied')
        assertProblem(await browser().ask(question, body), 401, 'sign_in_required')
        const byKey = await browser().ask(question, body, { authorization: `Bearer ${firstKey}` })
        assertProblem(byKey, 403, 'permission_denied')
      }
      assert.equal((await paul.ask('GET /api/me')).body.is_operator, false)
    })

    it('come in pages, without what is secret', async (t) => {
      const { browser, addPerson, clock } = await startSignInWorld(t, await engine.openDatabase(t))
      for (const name of ['a', 'b', 'c', 'd', 'e']) {
        await addPerson(`${name}@example.com`, { isOperator: name === 'a' })
        clock.nowMs += 1
      }
      const olga = browser()
      await olga.signIn('a@example.com')
      const seen: string[] = []
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page = await olga.ask(`GET /api/people?limit=2${cursor && `&cursor=${cursor}`}`)
        assert.equal(page.text.includes('argon2'), false)
        seen.push(...page.body.data.map(({ email }: { email: string }) => email[0] ?? ''))
        cursor = page.body.next_cursor
      }
      assert.deepEqual(seen, ['a', 'b', 'c', 'd', 'e'])
      assertProblem(await olga.ask('GET /api/people/per_missing'), 404, 'not_found')
    })

    it('who are shut out are out at once: sessions end and keys are orphaned; let in again, sessions stay over', async (t) => {
      const database = await engine.openDatabase(t)
      const { browser, addPerson, firstKey, workspaceId } = await startSignInWorld(t, database)
      await addPerson('olga@example.com', { isOperator: true })
      const id = await addPerson('paul@example.com')
      await database.write((sql) => sql.run('UPDATE member SET person_id = ? WHERE workspace_id = ?', id, workspaceId))
      const [olga, paul] = [browser(), browser()]
      await olga.signIn('olga@example.com')
      await paul.signIn('paul@example.com')
      const isOrphaned = async () => (await loadKeyOwner(database, hashKey(firstKey)))?.isOrphaned
      assert.equal(await isOrphaned(), false)
      const disabled = await olga.ask(`POST /api/people/${id}/disable`)
      assert.equal(typeof disabled.body.disabled_at, 'string')
      assert.equal((await paul.ask('GET /api/session')).status, 401)
      assertProblem(await paul.signIn('paul@example.com'), 401, 'sign_in_failed')
      assert.equal(await isOrphaned(), true)
      assert.equal((await olga.ask(`POST /api/people/${id}/enable`)).body.disabled_at, null)
      assert.equal((await paul.ask('GET /api/session')).status, 401)
      assert.equal(await isOrphaned(), false)
      assert.equal((await paul.signIn('paul@example.com')).status, 201)
      const actions = (await auditLog(database)).filter(({ target }) => target === id).map(({ action }) => action)
      assert.deepEqual(
        actions.filter((action) => action.startsWith('person.')),
        ['person.disable', 'person.enable'],
      )
    })

    it('name themselves, and nothing else of themselves', async (t) => {
      const { browser, addPerson } = await startSignInWorld(t, await engine.openDatabase(t))
      await addPerson('paul@example.com')
      const paul = browser()
      await paul.signIn('paul@example.com')
      assert.equal((await paul.ask('PATCH /api/me', { name: 'Paul' })).body.name, 'Paul')
      for (const more of [
        { is_operator: true },
        { email: 'x@example.com' },
        { disabled_at: null },
        { password: 'x' },
      ]) {
        assertProblem(await paul.ask('PATCH /api/me', { name: 'Paul', ...more }), 400, 'invalid_request')
      }
    })
  })

  describe('the last operator', () => {
    it('can neither be shut out nor become like others', async (t) => {
      const { browser, addPerson } = await startSignInWorld(t, await engine.openDatabase(t))
      const id = await addPerson('olga@example.com', { isOperator: true })
      const outId = await addPerson('out@example.com', { isOperator: true })
      const olga = browser()
      await olga.signIn('olga@example.com')
      assert.equal((await olga.ask(`POST /api/people/${outId}/disable`)).status, 201)
      assertProblem(await olga.ask(`POST /api/people/${id}/disable`), 409, 'conflict')
      assertProblem(await olga.ask(`PATCH /api/people/${id}`, { is_operator: false }), 409, 'conflict')
      assert.equal((await olga.ask(`PATCH /api/people/${id}`, { name: 'Olga' })).body.is_operator, true)
    })

    it('stays when all operators are shut out or demoted at the same moment, by two processes', async (t) => {
      const databases = await engine.openDatabases(t, 2)
      const [one] = databases
      assert.ok(one)
      const { control, addPerson, clock } = await startSignInWorld(t, one)
      const ids: string[] = []
      for (let count = 0; count < 6; count++) {
        ids.push(await addPerson(`o${count}@example.com`, { isOperator: true, password: null }))
        clock.nowMs += 1
      }
      const acting = actingAtShell(control, clock.nowMs)
      const tries = await Promise.allSettled(
        ids.map((id, index) => {
          const database = databases[index % 2] ?? one
          return index % 3 === 0
            ? updatePerson(database, acting, id, { isOperator: false })
            : disablePerson(database, acting, id)
        }),
      )
      assert.equal(tries.filter(({ status }) => status === 'rejected').length, 1)
      const left = await one.all('SELECT id FROM person WHERE is_operator = 1 AND disabled_at IS NULL')
      assert.equal(left.length, 1)
    })
  })
})
