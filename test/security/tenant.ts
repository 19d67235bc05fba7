/** A workspace with everything in it, written straight into the database: what attacks aim at, and whose keys they use. */
import { randomBytes } from 'node:crypto'
import { sessionCookie } from '../../src/api/session-cookie.ts'
import { newId } from '../../src/base/ids.ts'
import { parseUsd } from '../../src/base/money.ts'
import { DAY_MS } from '../../src/base/time.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import { postGrant } from '../../src/control/credit.ts'
import { passkeyId } from '../../src/control/sign-in/passkey.ts'
import { hashPassword } from '../../src/control/sign-in/password.ts'
import { csrfToken, hashToken } from '../../src/control/sign-in/session.ts'
import { formatKey, hashKey, previewKey } from '../../src/domain/api-key.ts'
import { createBalance } from '../../src/store/account.ts'
import { sealContext } from '../../src/store/credential.ts'
import type { Sql } from '../../src/store/database.ts'

/** How a request says who asks. */
export type Proof = Readonly<Record<string, string>>

export interface TestPerson {
  readonly id: string
  readonly email: string
  readonly name: string
  /** The cookie's content. */
  readonly token: string
  /** The session that asks, and another one of the same person. */
  readonly sessionId: string
  readonly otherSessionId: string
  readonly passkeyId: string
  readonly proof: Proof
}

export interface TestKey {
  readonly id: string
  readonly key: string
  readonly proof: Proof
}

export interface Tenant {
  readonly workspaceId: string
  readonly workspaceName: string
  readonly admin: TestPerson
  readonly member: TestPerson
  readonly removed: TestPerson
  readonly adminMemberId: string
  readonly memberId: string
  /** A member without a person, for others to change. */
  readonly spareMemberId: string
  readonly keys: {
    readonly inference: TestKey
    readonly read: TestKey
    readonly manage: TestKey
    /** Of the plain member, with every scope. */
    readonly ofMember: TestKey
    /** Of the removed member, with every scope. */
    readonly ofRemoved: TestKey
    /** The plain member's, with which nobody asks: for others to change. */
    readonly spare: TestKey
  }
  readonly inviteId: string
  readonly inviteToken: string
  readonly seatId: string
  readonly capId: string
  readonly credentialId: string
  readonly grantId: string
  /** The provider for which it has a key of its own. */
  readonly provider: string
  readonly requestId: string
  /** Every id, secret and name of it: none may ever be seen from another workspace. */
  readonly marks: readonly string[]
}

/** Later than any clock of a test. */
const FAR_MS = 4_000_000_000_000
/** Of the week that an invitation has, so that it is not new any more. */
const INVITE_LEFT_MS = 6 * DAY_MS
export const OWN_PROVIDER = 'fake'
export const PLAN = 'go'
/** Everybody's, so that one slow hash does for all. */
export const PASSWORD = 'five gray herons at noon'
let passwordHash: Promise<string> | null = null

type Insert = (table: string, row: Readonly<Record<string, string | number | null>>) => Promise<void>

/** Test code alone puts SQL together; the names are those written here. */
function inserter(sql: Sql): Insert {
  return async (table, row) => {
    const names = Object.keys(row)
    const text = `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`
    await sql.run(text, ...Object.values(row))
  }
}

export async function addPerson(control: ControlPlane, name: string, isOperator = false): Promise<TestPerson> {
  const nowMs = control.clock()
  const id = newId('per', nowMs)
  const email = `${name.replaceAll(' ', '.')}@people.example`
  const token = randomBytes(32).toString('base64url')
  const [sessionId, otherSessionId] = [newId('ses', nowMs), newId('ses', nowMs)]
  const passkey = randomBytes(16).toString('base64url')
  passwordHash ??= hashPassword(PASSWORD, randomBytes)
  const password = await passwordHash
  await control.database.write(async (sql) => {
    const insert = inserter(sql)
    const operator = isOperator ? 1 : 0
    await insert('person', { id, email, name, is_operator: operator, password, created_at: nowMs })
    for (const [session, secret] of [
      [sessionId, token],
      [otherSessionId, randomBytes(32).toString('base64url')],
    ] as const) {
      await insert('session', {
        ...{ id: session, hash: hashToken(secret), person_id: id, method: 'password', created_at: nowMs },
        // Far ahead, so that clocks which attacks move neither end it nor make its proof of identity old.
        ...{ authenticated_at: FAR_MS, seen_at: FAR_MS, expires_at: 2 * FAR_MS },
      })
    }
    await insert('passkey', {
      ...{ id: passkey, person_id: id, name: `${name}'s passkey`, public_key: 'AA', counter: 0, transports: '[]' },
      ...{ created_at: nowMs, last_used_at: null },
    })
  })
  const [cookie = ''] = sessionCookie(token, control.publicUrl(), FAR_MS).split(';')
  const proof = { cookie, 'x-zendo-csrf': csrfToken(control.secret, token) }
  return { id, email, name, token, sessionId, otherSessionId, passkeyId: passkeyId(passkey), proof }
}

export async function addTenant(control: ControlPlane, name: string): Promise<Tenant> {
  const nowMs = control.clock()
  const admin = await addPerson(control, `${name} admin`)
  const member = await addPerson(control, `${name} member`)
  const removed = await addPerson(control, `${name} removed`)
  const ids = {
    workspaceId: newId('wrk', nowMs),
    adminMemberId: newId('mem', nowMs),
    memberId: newId('mem', nowMs),
    removedMemberId: newId('mem', nowMs),
    spareMemberId: newId('mem', nowMs),
    inviteId: newId('inv', nowMs),
    seatId: newId('seat', nowMs),
    capId: newId('cap', nowMs),
    credentialId: newId('cred', nowMs),
    grantId: newId('grant', nowMs),
    accountId: newId('acc', nowMs),
    requestId: newId('req', nowMs),
  }
  const { workspaceId } = ids
  const workspaceName = `${name} workspace`
  const inviteToken = randomBytes(32).toString('base64url')
  const note = `${name} first credit`
  const credential = { id: ids.credentialId, workspaceId, provider: OWN_PROVIDER, baseUrl: null }

  const keys = await control.database.write(
    async (sql) => {
      const insert = inserter(sql)
      await insert('workspace', { id: workspaceId, name: workspaceName, created_at: nowMs })
      const addMember = (id: string, person: TestPerson | null, role: string, removedAtMs: number | null = null) =>
        insert('member', {
          ...{ id, workspace_id: workspaceId, name: person?.name ?? `${name} service`, role, created_at: nowMs },
          ...{ person_id: person?.id ?? null, removed_at: removedAtMs },
        })
      await addMember(ids.adminMemberId, admin, 'admin')
      await addMember(ids.memberId, member, 'member')
      await addMember(ids.removedMemberId, removed, 'admin', nowMs)
      await addMember(ids.spareMemberId, null, 'member')
      await createBalance(sql, ids.accountId, workspaceId)
      const grant = { id: ids.grantId, workspaceId, source: 'demo', amount: parseUsd('100'), note } as const
      await postGrant(sql, grant, nowMs)
      await insert('seat', {
        ...{ id: ids.seatId, workspace_id: workspaceId, member_id: ids.memberId, plan_id: PLAN, use_balance: 0 },
        ...{ started_at: nowMs, ended_at: null },
      })
      await insert('plan_allowance', { workspace_id: workspaceId, plan_id: PLAN, seats: 10 })
      await insert('cap', {
        ...{ id: ids.capId, workspace_id: workspaceId, scope: 'member', subject_id: ids.memberId, unit: 'month' },
        ...{ limit_amount: 50_000_000_000, created_at: nowMs },
      })
      await insert('invite', {
        ...{ id: ids.inviteId, workspace_id: workspaceId, hash: hashToken(inviteToken), role: 'member' },
        ...{ email: null, invited_by: ids.adminMemberId, created_at: nowMs, expires_at: nowMs + INVITE_LEFT_MS },
      })
      await insert('workspace_policy', { workspace_id: workspaceId, curation: 'all_except' })
      await insert('workspace_model', { workspace_id: workspaceId, model: `${name}-curated-model` })
      await insert('credential', {
        ...{ id: ids.credentialId, workspace_id: workspaceId, provider: OWN_PROVIDER, mode: 'shared_only' },
        ...{ sealed: control.sealer.seal(`own-${name}-secret`, sealContext(credential)) },
        ...{ preview: `${name}…`, created_at: nowMs, changed_at: nowMs },
      })
      await insert('request', {
        ...{ id: ids.requestId, workspace_id: workspaceId, member_id: ids.memberId, product: 'zen' },
        ...{ protocol: 'openai-chat', model: 'paid-model', stream: 0, funding: 'balance', state: 'released' },
        ...{ weight_ppm: 1_000_000, hold: 0, charged: 0, cost: 0, session: `${name}-conversation` },
        ...{ created_at: nowMs, ended_at: nowMs, account_id: ids.accountId, outcome: 'upstream_failed' },
        policy_version: 1,
      })
      const addKey = async (memberId: string, label: string, scopes: readonly string[]): Promise<TestKey> => {
        const key = formatKey(randomBytes(20))
        const id = newId('key', nowMs)
        await insert('api_key', {
          ...{ id, workspace_id: workspaceId, member_id: memberId, name: `${name} ${label} key`, hash: hashKey(key) },
          ...{ preview: previewKey(key), created_at: nowMs, scopes: JSON.stringify(scopes) },
        })
        return { id, key, proof: { authorization: `Bearer ${key}` } }
      }
      const every = ['inference', 'read', 'manage']
      return {
        inference: await addKey(ids.adminMemberId, 'inference', ['inference']),
        read: await addKey(ids.adminMemberId, 'read', ['read']),
        manage: await addKey(ids.adminMemberId, 'manage', every),
        ofMember: await addKey(ids.memberId, 'member', every),
        ofRemoved: await addKey(ids.removedMemberId, 'removed', every),
        spare: await addKey(ids.memberId, 'spare', ['inference']),
      }
    },
    { opensLedger: true },
  )
  const people = [admin, member, removed].flatMap((person) => [person.id, person.email, person.sessionId, person.token])
  const keyMarks = Object.values(keys).flatMap(({ id, key }) => [id, key])
  const marks = [
    ...Object.values(ids),
    ...people,
    ...keyMarks,
    workspaceName,
    `${name}-curated-model`,
    inviteToken,
    note,
  ]
  return {
    ...{ ...ids, workspaceName, admin, member, removed, keys, inviteToken, marks, provider: OWN_PROVIDER },
  }
}
