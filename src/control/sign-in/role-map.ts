/**
 * What the groups of a provider mean here: whoever signs in gets and loses what the operator's role map says, in the
 * transaction of the sign-in. It takes back only what it gave. What somebody here gave by hand stays, so that there is
 * a way in when the provider sends nonsense; and the last operator and the last admin of a workspace stay too.
 */
import { AppError } from '../../base/errors.ts'
import type { RoleMap } from '../../domain/sign-in-config.ts'
import type { Sql } from '../../store/database.ts'
import {
  listMappedMemberships,
  loadOperatorGrant,
  type MappedMembership,
  setMappedBy,
  setOperatorBy,
} from '../../store/identity.ts'
import { type Role, setMemberRole } from '../../store/membership.ts'
import { countOperators, setOperator } from '../../store/person.ts'
import { listWorkspaces } from '../../store/workspace.ts'
import type { Acting, Put } from '../acting.ts'
import { checkAdminsRemain, remove, takeIn } from '../member.ts'

export interface MappedPerson {
  readonly personId: string
  readonly name: string
  /** Whose role map it is. */
  readonly issuer: string
  readonly map: RoleMap
  readonly groups: readonly string[]
}

export type RoleChange =
  | { readonly kind: 'operator'; readonly isOperator: boolean }
  | { readonly kind: 'join'; readonly workspaceId: string; readonly role: Role }
  | { readonly kind: 'role'; readonly member: MappedMembership; readonly role: Role; readonly isByHand: boolean }
  | { readonly kind: 'leave'; readonly member: MappedMembership }

const NO_ROLES: RoleMap = { claim: '', operators: [], workspaces: [] }

/** Somebody who comes from that issuer no more: all that its groups gave is to be taken back. */
export function withoutGroups(person: Pick<MappedPerson, 'personId' | 'name' | 'issuer'>): MappedPerson {
  return { ...person, map: NO_ROLES, groups: [] }
}

/** What must change so that the person has what its groups give; none when all is so already. */
export async function planRoles(sql: Sql, person: MappedPerson): Promise<RoleChange[]> {
  const operator = await planOperator(sql, person)
  const wanted = await wantedRoles(sql, person)
  const changes: RoleChange[] = operator ? [operator] : []
  for (const member of await listMappedMemberships(sql, person.personId)) {
    const role = wanted.get(member.workspaceId)
    wanted.delete(member.workspaceId)
    const change = planMember(member, role, person.issuer)
    if (change && (role === 'admin' || (await mayCease(sql, member)))) changes.push(change)
  }
  for (const [workspaceId, role] of wanted) changes.push({ kind: 'join', workspaceId, role })
  return changes
}

function planMember(member: MappedMembership, role: Role | undefined, issuer: string): RoleChange | null {
  const isMapped = member.mappedBy === issuer
  if (isMapped && member.handRole !== null && role !== 'admin') {
    // What somebody here gave before comes back as it was.
    return { kind: 'role', member, role: member.handRole, isByHand: true }
  }
  if (role === undefined) return isMapped ? { kind: 'leave', member } : null
  if (role === member.role) return null
  // By hand or by another issuer: raised, and from then on this map's to lower.
  return isMapped || role === 'admin' ? { kind: 'role', member, role, isByHand: false } : null
}

/** Whether a workspace still has an admin without this one. */
async function mayCease(sql: Sql, member: MappedMembership): Promise<boolean> {
  try {
    await checkAdminsRemain(sql, member)
    return true
  } catch (error) {
    if (error instanceof AppError && error.code === 'conflict') return false
    throw error
  }
}

async function planOperator(sql: Sql, { personId, issuer, map, groups }: MappedPerson): Promise<RoleChange | null> {
  const { isOperator, by } = await loadOperatorGrant(sql, personId)
  const isWanted = isAny(map.operators, groups)
  if (isWanted === isOperator) return null
  if (isWanted) return { kind: 'operator', isOperator: true }
  if (by !== issuer || (await countOperators(sql)) <= 1) return null
  return { kind: 'operator', isOperator: false }
}

/** By the workspace's id. A name that two workspaces have means neither. */
async function wantedRoles(sql: Sql, { map, groups }: MappedPerson): Promise<Map<string, Role>> {
  const wanted = new Map<string, Role>()
  const all = map.workspaces.length === 0 ? [] : await listWorkspaces(sql)
  for (const { workspace, admins, members } of map.workspaces) {
    const role = isAny(admins, groups) ? 'admin' : isAny(members, groups) ? 'member' : null
    const named = all.filter(({ name }) => name === workspace)
    const found = all.find(({ id }) => id === workspace) ?? (named.length === 1 ? named[0] : undefined)
    if (role === null || !found || wanted.get(found.id) === 'admin') continue
    wanted.set(found.id, role)
  }
  return wanted
}

function isAny(wanted: readonly string[], groups: readonly string[]): boolean {
  return wanted.some((group) => groups.includes(group))
}

/** Does what was planned in the same transaction, and puts each on record with whose role map it was. */
export async function applyRoles(
  sql: Sql,
  put: Put,
  { person, acting }: { readonly person: MappedPerson; readonly acting: Acting },
  changes: readonly RoleChange[],
): Promise<void> {
  const { personId, issuer } = person
  for (const change of changes) {
    switch (change.kind) {
      case 'operator':
        await setOperator(sql, personId, change.isOperator)
        if (change.isOperator) await setOperatorBy(sql, personId, issuer)
        await put({
          ...{ action: 'person.update', workspaceId: null, target: personId },
          ...{
            before: { is_operator: !change.isOperator },
            after: { is_operator: change.isOperator, mapped_by: issuer },
          },
        })
        break
      case 'join': {
        const { workspaceId, role } = change
        const memberId = await takeIn(sql, { id: personId, name: person.name }, { workspaceId, role }, acting.nowMs)
        await setMappedBy(sql, memberId, issuer, null)
        const after = { role, person: personId, mapped_by: issuer }
        await put({ action: 'member.create', workspaceId, target: memberId, after })
        break
      }
      case 'role': {
        const { id, workspaceId, role, mappedBy, handRole } = change.member
        await setMemberRole(sql, id, change.role)
        if (!change.isByHand) await setMappedBy(sql, id, issuer, mappedBy === null ? role : handRole)
        const after = { role: change.role, mapped_by: issuer }
        await put({ action: 'member.update', workspaceId, target: id, before: { role }, after })
        break
      }
      case 'leave': {
        const { id, workspaceId } = change.member
        await remove(sql, put, acting, { workspaceId, memberId: id, action: 'member.remove' })
        break
      }
    }
  }
}
