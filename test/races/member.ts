/** People who change one workspace at once, through as many databases as there are processes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { AppError } from '../../src/base/errors.ts'
import type { Access } from '../../src/contract/operation.ts'
import type { Acting } from '../../src/control/acting.ts'
import { confirmCaller, type Principal } from '../../src/control/principal.ts'
import { startSession } from '../../src/control/sign-in/session.ts'
import { NOON_MS } from '../../src/control/test-instance.ts'
import { createWorkspace } from '../../src/control/workspace-settings.ts'
import type { Database } from '../../src/store/database.ts'
import { insertPersonMember, loadMembership, type Role } from '../../src/store/membership.ts'
import { insertPerson } from '../../src/store/person.ts'
import type { TestEngine } from '../support/engines.ts'

export interface Rival {
  readonly personId: string
  readonly sessionId: string
  readonly principal: Principal
}

export interface Arena {
  /** Opened as if by so many processes. */
  readonly databases: readonly [Database, Database]
  /** A person who is signed in. */
  addPerson(): Promise<Rival>
  /** A workspace with these members, the first of whom is its admin. */
  addWorkspace(...members: readonly (readonly [Rival, Role])[]): Promise<string>
}

const TRAIL_KEY = 'the key of the trail'
let serial = 0

export async function openArena(t: TestContext, engine: TestEngine): Promise<Arena> {
  const [first, second] = await engine.openDatabases(t, 2)
  if (!first || !second) throw new Error('there are not two databases')
  return {
    databases: [first, second],
    async addPerson() {
      const personId = `per_${serial++}`
      const session = await first.write(async (sql) => {
        const name = personId
        await insertPerson(
          sql,
          { id: personId, email: `${name}@example.com`, name, isOperator: false, password: null },
          NOON_MS,
        )
        return await startSession(sql, { personId, method: 'password' }, { nowMs: NOON_MS, randomBytes })
      })
      const own = { personId, isOperator: false, sessionId: session.id, authenticatedAtMs: NOON_MS }
      return { personId, sessionId: session.id, principal: { kind: 'person', ...own } }
    },
    async addWorkspace(...members) {
      const { id } = await createWorkspace(first, shell(), { name: 'arena', adminId: null })
      await first.write(async (sql) => {
        for (const [{ personId }, role] of members) {
          const member = { id: `mem_${serial++}`, workspaceId: id, name: personId, role, personId }
          await insertPersonMember(sql, member, NOON_MS)
        }
      })
      return id
    },
  }
}

export function shell(): Acting {
  return { actor: { kind: 'shell', id: null }, nowMs: NOON_MS, requestId: null, trailKey: TRAIL_KEY, randomBytes }
}

/** As an operation acts for whoever it has let in. */
export function actingAs({ personId, principal }: Rival, access: Access, workspaceId?: string): Acting {
  const actor = { kind: 'person', id: personId } as const
  return { ...shell(), actor, confirm: (sql) => confirmCaller(sql, principal, { access, workspaceId, nowMs: NOON_MS }) }
}

export async function memberOf(db: Database, workspaceId: string, { personId }: Rival): Promise<string> {
  const member = await loadMembership(db, workspaceId, personId)
  if (!member) throw new Error(`${personId} is no member`)
  return member.id
}

/** Which of them succeeded; the others must have been refused, not have failed. */
export async function outcomesOf(...works: readonly Promise<unknown>[]): Promise<boolean[]> {
  const results = await Promise.allSettled(works)
  return results.map((result) => {
    if (result.status === 'fulfilled') return true
    const { reason } = result
    const expected = ['permission_denied', 'not_found', 'conflict', 'sign_in_required']
    assert.ok(reason instanceof AppError && expected.includes(reason.code), String(reason?.stack ?? reason))
    return false
  })
}

/** The people who may administer a workspace, looked up where nothing goes on. */
export async function adminsOf(db: Database, workspaceId: string): Promise<string[]> {
  const rows = await db.all<{ person_id: string }>(
    "SELECT person_id FROM member WHERE workspace_id = ? AND role = 'admin' AND removed_at IS NULL AND person_id IS NOT NULL",
    workspaceId,
  )
  return rows.map(({ person_id }) => person_id)
}
