/**
 * Members: taken in, given a role, removed. A workspace that somebody administers never loses the last who does: that
 * is looked at in the transaction of the change, which no other change can come between.
 */
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Database, Sql } from '../store/database.ts'
import {
  countMembers,
  insertPersonMember,
  listAdmins,
  loadFormerMember,
  loadMember,
  loadMembership,
  type MemberRow,
  type Role,
  renameMember,
  revokeKeysOf,
  setMemberRemoved,
  setMemberRole,
} from '../store/membership.ts'
import type { Person } from '../store/person.ts'
import { endSeatsOf } from '../store/seat.ts'
import { insertMember } from '../store/workspace.ts'
import { type Acting, changeOnRecord, type Facts, type Put } from './acting.ts'

const MAX_MEMBERS = 10_000

/** A member nobody is behind: a build machine, a bot. */
export function addServiceMember(
  db: Database,
  acting: Acting,
  { workspaceId, name, role }: { readonly workspaceId: string; readonly name: string; readonly role: Role },
): Promise<MemberRow> {
  const id = newId('mem', acting.nowMs)
  return changeOnRecord(db, acting, async (sql, put) => {
    await checkRoom(sql, workspaceId)
    await insertMember(sql, { id, workspaceId, name, role }, acting.nowMs)
    await put({ action: 'member.create', workspaceId, target: id, after: { name, role } })
    return await requireMember(sql, workspaceId, id)
  })
}

/**
 * Makes a person a member inside the caller's transaction. Who was one before is the same member again: what its seats
 * and caps have counted goes on; its keys stay revoked. @throws AppError conflict when it is a member
 */
export async function takeIn(
  sql: Sql,
  person: Pick<Person, 'id' | 'name'>,
  { workspaceId, role }: { readonly workspaceId: string; readonly role: Role },
  nowMs: number,
): Promise<string> {
  if (await loadMembership(sql, workspaceId, person.id)) {
    throw new AppError('conflict', 'You are a member of this workspace.')
  }
  await checkRoom(sql, workspaceId)
  const former = await loadFormerMember(sql, workspaceId, person.id)
  if (former) {
    await setMemberRemoved(sql, former.id, null)
    await setMemberRole(sql, former.id, role)
    return former.id
  }
  const id = newId('mem', nowMs)
  await insertPersonMember(sql, { id, workspaceId, name: person.name, role, personId: person.id }, nowMs)
  return id
}

async function checkRoom(sql: Sql, workspaceId: string): Promise<void> {
  if ((await countMembers(sql, workspaceId)) < MAX_MEMBERS) return
  throw new AppError('conflict', `A workspace has at most ${MAX_MEMBERS} members.`)
}

/** Which member a change is about. */
export interface MemberPlace {
  readonly workspaceId: string
  readonly memberId: string
}

/** @throws AppError not_found; conflict for the last admin */
export function updateMember(
  db: Database,
  acting: Acting,
  { workspaceId, memberId }: MemberPlace,
  change: { readonly role?: Role | undefined; readonly name?: string | undefined },
): Promise<MemberRow> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await requireMember(sql, workspaceId, memberId)
    const { role = before.role, name = before.name } = change
    if (role !== 'admin') await checkAdminsRemain(sql, before)
    // Said by somebody here: it is no role map's any longer.
    if (change.role !== undefined) await setMemberRole(sql, memberId, role)
    await renameMember(sql, memberId, name)
    const after = { ...before, role, name }
    await put({
      ...{ action: 'member.update', workspaceId, target: memberId },
      ...{ before: factsOf(before), after: factsOf(after) },
    })
    return after
  })
}

/** Its keys are dead and its seats ended from then on. @throws AppError not_found; conflict for the last admin */
export function removeMember(db: Database, acting: Acting, place: MemberPlace): Promise<void> {
  return changeOnRecord(db, acting, (sql, put) => remove(sql, put, acting, { ...place, action: 'member.remove' }))
}

/** A person goes of itself. @throws AppError not_found; conflict for the last admin */
export function leaveWorkspace(db: Database, acting: Acting, place: MemberPlace): Promise<void> {
  return changeOnRecord(db, acting, (sql, put) => remove(sql, put, acting, { ...place, action: 'member.leave' }))
}

/** Ends a membership inside the caller's change. @throws AppError as `removeMember` */
export async function remove(
  sql: Sql,
  put: Put,
  { nowMs }: Acting,
  { workspaceId, memberId, action }: MemberPlace & { readonly action: string },
): Promise<void> {
  const member = await requireMember(sql, workspaceId, memberId)
  await checkAdminsRemain(sql, member)
  await setMemberRemoved(sql, memberId, nowMs)
  const keys = await revokeKeysOf(sql, memberId, nowMs)
  const seats = await endSeatsOf(sql, memberId, nowMs)
  const after = { revoked_keys: keys, ended_seats: seats }
  await put({ action, workspaceId, target: memberId, before: factsOf(member), after })
}

/**
 * An admin hands its role to another member, and is a plain member from then on: both or neither.
 * @throws AppError not_found; conflict unless an admin hands it to somebody else who can sign in
 */
export function transferAdmin(
  db: Database,
  acting: Acting,
  { workspaceId, memberId, toId }: MemberPlace & { readonly toId: string },
): Promise<MemberRow> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const from = await requireMember(sql, workspaceId, memberId)
    const to = await requireMember(sql, workspaceId, toId)
    if (from.role !== 'admin') throw new AppError('permission_denied', 'Only an admin of the workspace may do this.')
    if (from.id === to.id) throw new AppError('conflict', 'Name another member: this is you.')
    if (to.person === null || to.person.isDisabled) {
      throw new AppError('conflict', 'Nobody can sign in as this member. Name one with a person behind it.')
    }
    await setMemberRole(sql, to.id, 'admin')
    await setMemberRole(sql, from.id, 'member')
    await put({
      ...{ action: 'member.transfer', workspaceId, target: to.id },
      ...{ before: { from: factsOf(from), to: factsOf(to) } },
      after: { from: factsOf({ ...from, role: 'member' }), to: factsOf({ ...to, role: 'admin' }) },
    })
    return { ...to, role: 'admin' }
  })
}

/**
 * Refuses what would leave a workspace without an admin: one who can sign in, where the member is such. Call it inside
 * the change, before the member ceases to be one. @throws AppError conflict
 */
export async function checkAdminsRemain(sql: Sql, member: Pick<MemberRow, 'id' | 'workspaceId'>): Promise<void> {
  const admins = await listAdmins(sql, member.workspaceId)
  const own = admins.find(({ id }) => id === member.id)
  if (!own) return
  const canSignIn = ({ person }: MemberRow): boolean => person !== null && !person.isDisabled
  const others = admins.filter(({ id }) => id !== member.id)
  if (others.some(canSignIn) || (!canSignIn(own) && others.length > 0)) return
  throw new AppError('conflict', 'This is the last admin of the workspace. Make another member admin first.', {
    metadata: { reason: 'last_admin' },
  })
}

async function requireMember(sql: Sql, workspaceId: string, id: string): Promise<MemberRow> {
  const member = await loadMember(sql, workspaceId, id)
  if (!member) throw new AppError('not_found', 'There is no such member.')
  return member
}

function factsOf({ name, role, person }: MemberRow): Facts {
  return { name, role, person: person?.id ?? null }
}
