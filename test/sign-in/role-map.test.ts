/** What the groups of a provider give, and take back, at every sign-in. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import type { Acting } from '../../src/control/acting.ts'
import { updateMember } from '../../src/control/member.ts'
import { createWorkspace } from '../../src/control/workspace-settings.ts'
import { formatKey, hashKey } from '../../src/domain/api-key.ts'
import type { Database } from '../../src/store/database.ts'
import { loadKeyOwner } from '../../src/store/key.ts'
import { forEachEngine } from '../support/engines.ts'
import { startIdentityProvider } from '../support/identity-provider.ts'
import { assertEntered, type IdentityBrowser, type IdentityWorld, startIdentityWorld } from './identity-world.ts'

interface Scene extends IdentityWorld {
  readonly database: Database
  readonly alpha: string
  /** Signs in with these groups; resolves with what the person then is. */
  arrive(account: string, groups: unknown): Promise<Standing>
  configure(roles: Readonly<Record<string, unknown>> | object): void
}

interface Standing {
  readonly browser: IdentityBrowser
  readonly personId: string
  readonly isOperator: boolean
  /** The role in each workspace, by its name. */
  readonly roles: Readonly<Record<string, string>>
}

const ROLES = {
  operators: ['ops'],
  workspaces: { default: { admins: ['leads'], members: ['staff'] }, alpha: { members: ['alpha'] } },
}

function acting(): Acting {
  return { actor: { kind: 'shell', id: null }, nowMs: Date.now(), requestId: null, trailKey: 'x', randomBytes }
}

async function startScene(t: TestContext, database: Database): Promise<Scene> {
  const world = await startIdentityWorld(t, database)
  const acme = await startIdentityProvider(t, { redirectUri: `${world.url}/api/sign-in/acme/callback` })
  const { issuer, clientId, clientSecret } = acme
  const alpha = await createWorkspace(database, acting(), { name: 'alpha', adminId: null })
  await world.signIn('local', { isOperator: true, role: 'admin' })
  const configure = (roles: object): void =>
    world.configure({
      providers: {
        acme: { issuer, clientId, clientSecret, provisions: true, scopes: ['openid', 'email', 'groups'], roles },
      },
    })
  configure(ROLES)
  return {
    ...world,
    ...{ database, configure, alpha: alpha.id },
    async arrive(account, groups) {
      const email = `${account}@acme.example`
      acme.accounts.set(account, {
        email,
        email_verified: true,
        name: account,
        ...(groups !== undefined && { groups }),
      })
      const browser = world.browser(account)
      assertEntered(await browser.signIn('acme'))
      const { person, memberships } = (await browser.ask('GET /api/session')).body
      type Membership = { workspace: { name: string }; role: string }
      const roles = memberships.map(({ workspace, role }: Membership) => [workspace.name, role])
      return { browser, personId: person.id, isOperator: person.is_operator, roles: Object.fromEntries(roles) }
    },
  }
}

/** A key of the person's member of the first workspace. */
async function makeKey({ database, workspaceId }: Scene, personId: string): Promise<string> {
  const key = formatKey(randomBytes(20))
  const member = await database.get<{ id: string }>(
    'SELECT id FROM member WHERE person_id = ? AND workspace_id = ?',
    ...[personId, workspaceId],
  )
  await database.run(
    "INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, created_at) VALUES (?, ?, ?, 'k', ?, 'k', 0)",
    ...[`key_${personId}`, workspaceId, member?.id ?? null, hashKey(key)],
  )
  return key
}

async function recorded(database: Database): Promise<string[]> {
  const entries = await database.all<{ action: string }>(
    "SELECT action FROM audit_log WHERE action LIKE 'member.%' OR action = 'person.update' ORDER BY seq",
  )
  return entries.map(({ action }) => action)
}

forEachEngine((engine) => {
  describe('the role map', () => {
    it('gives what the groups say, changes and takes it back, each on record', async (t) => {
      const database = await engine.openDatabase(t)
      const { arrive } = await startScene(t, database)
      assert.deepEqual((await arrive('anna', ['staff', 'unknown'])).roles, { default: 'member' })
      assert.deepEqual((await arrive('anna', ['leads', 'staff', 'alpha'])).roles, { default: 'admin', alpha: 'member' })
      assert.deepEqual((await arrive('anna', ['staff'])).roles, { default: 'member' })
      assert.deepEqual((await arrive('anna', ['staff'])).roles, { default: 'member' })
      assert.deepEqual((await arrive('anna', [])).roles, {})
      assert.deepEqual((await arrive('anna', ['alpha'])).roles, { alpha: 'member' })
      assert.deepEqual(await recorded(database), [
        ...['member.create', 'member.update', 'member.create', 'member.update', 'member.remove'],
        ...['member.remove', 'member.create'],
      ])
    })

    it('takes all that it gave from somebody whose groups are gone: keys are dead, the next request is refused', async (t) => {
      const database = await engine.openDatabase(t)
      const scene = await startScene(t, database)
      const { personId, browser, isOperator } = await scene.arrive('anna', ['leads', 'ops'])
      assert.equal(isOperator, true)
      const key = await makeKey(scene, personId)
      assert.equal((await loadKeyOwner(database, hashKey(key)))?.revoked, false)
      assert.equal((await browser.ask('GET /api/people')).status, 200)
      const gone = await scene.arrive('anna', undefined)
      assert.deepEqual([gone.isOperator, gone.roles], [false, {}])
      const owner = await loadKeyOwner(database, hashKey(key))
      assert.ok(owner === undefined || owner.revoked || owner.isOrphaned)
      for (const old of [browser, gone.browser]) assert.equal((await old.ask('GET /api/people')).status, 403)
      assert.equal((await browser.ask(`GET /api/workspaces/${scene.workspaceId}`)).status, 404)
      const back = await scene.arrive('anna', ['staff'])
      assert.deepEqual(back.roles, { default: 'member' })
      const again = await loadKeyOwner(database, hashKey(key))
      assert.ok(again === undefined || again.revoked, 'a key of before is not alive again')
    })

    it('follows what it says by then: what is no longer in it is taken back', async (t) => {
      const { arrive, configure } = await startScene(t, await engine.openDatabase(t))
      assert.deepEqual((await arrive('anna', ['staff', 'alpha'])).roles, { default: 'member', alpha: 'member' })
      configure({ workspaces: { alpha: { admins: ['alpha'] } } })
      assert.deepEqual((await arrive('anna', ['staff', 'alpha'])).roles, { alpha: 'admin' })
    })

    it('leaves alone what somebody gave by hand, and those who get in without it', async (t) => {
      const database = await engine.openDatabase(t)
      const { arrive, workspaceId, alpha } = await startScene(t, database)
      const { personId } = await arrive('anna', [])
      await database.run('UPDATE person SET is_operator = 1 WHERE id = ?', personId)
      const insert =
        "INSERT INTO member (id, workspace_id, person_id, name, role, created_at) VALUES (?, ?, ?, 'anna', ?, 0)"
      await database.run(insert, 'mem_a', workspaceId, personId, 'admin')
      await database.run(insert, 'mem_b', alpha, personId, 'member')
      const { roles, isOperator } = await arrive('anna', ['staff'])
      assert.deepEqual([roles, isOperator], [{ default: 'admin', alpha: 'member' }, true])
      assert.deepEqual((await arrive('anna', [])).roles, { default: 'admin', alpha: 'member' })
    })

    it('that raised a member who was there before gives its role back when the groups go, with its keys', async (t) => {
      const database = await engine.openDatabase(t)
      const scene = await startScene(t, database)
      const { arrive, workspaceId } = scene
      const { personId } = await arrive('anna', [])
      const insert =
        "INSERT INTO member (id, workspace_id, person_id, name, role, created_at) VALUES ('mem_a', ?, ?, 'anna', 'member', 0)"
      await database.run(insert, workspaceId, personId)
      const key = await makeKey(scene, personId)
      for (const groups of [[], ['staff']]) {
        assert.deepEqual((await arrive('anna', ['leads'])).roles, { default: 'admin' })
        assert.deepEqual((await arrive('anna', groups)).roles, { default: 'member' })
        assert.deepEqual((await arrive('anna', [])).roles, { default: 'member' })
      }
      assert.equal((await loadKeyOwner(database, hashKey(key)))?.revoked, false)
    })

    it('does not touch what an admin has set since by hand', async (t) => {
      const database = await engine.openDatabase(t)
      const { arrive, workspaceId } = await startScene(t, database)
      const { personId } = await arrive('anna', ['leads'])
      const member = await database.get<{ id: string }>('SELECT id FROM member WHERE person_id = ?', personId)
      const place = { workspaceId, memberId: member?.id ?? '' }
      await updateMember(database, acting(), place, { name: 'Anna' })
      assert.deepEqual((await arrive('anna', ['staff'])).roles, { default: 'member' }, 'a name is no role')
      await updateMember(database, acting(), place, { role: 'admin' })
      assert.deepEqual((await arrive('anna', ['staff'])).roles, { default: 'admin' })
      assert.deepEqual((await arrive('anna', [])).roles, { default: 'admin' })
      await updateMember(database, acting(), place, { role: 'member' })
      assert.deepEqual((await arrive('anna', [])).roles, { default: 'member' })
    })

    it('never takes the last operator nor the last admin of a workspace', async (t) => {
      const database = await engine.openDatabase(t)
      const { arrive } = await startScene(t, database)
      await arrive('anna', ['ops', 'leads'])
      await database.run("UPDATE person SET disabled_at = 1 WHERE id = 'per_local'")
      const last = await arrive('anna', [])
      assert.deepEqual([last.isOperator, last.roles], [true, { default: 'admin' }])
      await database.run("UPDATE person SET disabled_at = NULL WHERE id = 'per_local'")
      const gone = await arrive('anna', [])
      assert.deepEqual([gone.isOperator, gone.roles], [false, {}])
    })

    it('leaves one of two last operators who lose their group at the same moment', async (t) => {
      const database = await engine.openDatabase(t)
      const { arrive } = await startScene(t, database)
      await Promise.all([arrive('anna', ['ops', 'leads']), arrive('berta', ['ops', 'leads'])])
      await database.run("UPDATE person SET disabled_at = 1 WHERE id = 'per_local'")
      const both = await Promise.all([arrive('anna', []), arrive('berta', [])])
      assert.equal(both.filter(({ isOperator }) => isOperator).length, 1)
      assert.equal(both.filter(({ roles }) => roles.default === 'admin').length, 1)
    })

    it('takes back what it gave when its provider is unlinked: nobody would look at the groups again', async (t) => {
      const database = await engine.openDatabase(t)
      const { arrive } = await startScene(t, database)
      const { browser, personId } = await arrive('anna', ['ops', 'staff', 'alpha'])
      await database.run(
        "UPDATE person SET password = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA' WHERE id = ?",
        personId,
      )
      assert.equal((await browser.ask('DELETE /api/me/identities/acme')).status, 204)
      const { person, memberships } = (await browser.ask('GET /api/session')).body
      assert.deepEqual([person.is_operator, memberships], [false, []])
    })

    it('reads one group as well as many, by the way to it, and nothing that is no text', async (t) => {
      const { arrive, configure } = await startScene(t, await engine.openDatabase(t))
      assert.deepEqual((await arrive('anna', 'staff')).roles, { default: 'member' })
      assert.deepEqual((await arrive('anna', [['staff'], { staff: 'staff' }, 7, null, 'STAFF'])).roles, {})
      configure({ ...ROLES, claim: 'groups.of.default' })
      assert.deepEqual((await arrive('anna', { of: { default: ['staff'] } })).roles, { default: 'member' })
      configure({ ...ROLES, claim: 'groups.constructor.name' })
      assert.deepEqual((await arrive('anna', { of: {} })).roles, {})
    })

    it('means no workspace by a name that two of them have, and one by its id', async (t) => {
      const database = await engine.openDatabase(t)
      const { arrive, configure, workspaceId } = await startScene(t, database)
      await database.run("UPDATE workspace SET name = 'default'")
      assert.deepEqual((await arrive('anna', ['staff'])).roles, {})
      configure({ workspaces: { [workspaceId]: { members: ['staff'] } } })
      assert.deepEqual((await arrive('anna', ['staff'])).roles, { default: 'member' })
    })
  })
})
