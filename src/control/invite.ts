/**
 * Invitations: a link that makes one person a member, once, within a week. What is in the link is known here by its hash
 * alone. Whether whoever sent it may still do so is looked at when it is used: who was removed leaves no open door.
 *
 * A link that went to an address by mail is shown to nobody else: who brings it back has proved that the address is its
 * own. One that was shown proves nothing: whoever sent the invitation could use it itself.
 */
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { DAY_MS, MINUTE_MS } from '../base/time.ts'
import type { Database, Sql } from '../store/database.ts'
import {
  acceptInvite,
  countInvites,
  findInviteFor,
  findOpenInvite,
  type Invite,
  insertInvite,
  loadInvite,
  renewInvite,
  revokeInvite,
} from '../store/invite.ts'
import { loadMember, loadMembership, loadWorkspace, type Role, type WorkspaceRow } from '../store/membership.ts'
import { findPersonByEmail, insertPerson, loadPerson, type Person } from '../store/person.ts'
import { type Acting, type Change, changeOnRecord, type Facts } from './acting.ts'
import type { RandomBytes } from './instance.ts'
import { takeIn } from './member.ts'
import { enter } from './sign-in/account.ts'
import { type AddressProof, proveAddress } from './sign-in/address-proof.ts'
import { checkNewPassword, hashPassword } from './sign-in/password.ts'
import { hashToken, type StartedSession } from './sign-in/session.ts'

const TOKEN_BYTES = 32
export const INVITE_MS = 7 * DAY_MS
/** Per workspace: that can be accepted, and that were made within a day. */
const MAX_OPEN = 200
const MAX_PER_DAY = 200
/** One invitation is sent again this often at most. */
const RENEW_MS = MINUTE_MS
/** Stands for whoever runs commands on the machine. */
const SHELL = 'shell'

/** An invitation with what its link holds, which is known nowhere else. */
export interface MadeInvite {
  readonly invite: Invite
  readonly token: string
}

export interface InviteRequest {
  readonly workspaceId: string
  /** In lower case; null: whoever has the link. */
  readonly email: string | null
  readonly role: Role
  readonly invitedBy: string
  /** Whether mail leaves this gateway. */
  readonly isMailed: boolean
}

/** In whose name an invitation stands: the member's, else the operator's. */
export function inviterOf(memberId: string | null, personId: string | null): string {
  return memberId ?? personId ?? SHELL
}

/** @throws AppError conflict for an address that is a member's or invited, or too many invitations */
export function createInvite(db: Database, acting: Acting, request: InviteRequest): Promise<MadeInvite> {
  const { workspaceId, email, role, invitedBy, isMailed } = request
  const { nowMs } = acting
  const token = newToken(acting.randomBytes)
  const sent = {
    ...{ id: newId('inv', nowMs), workspaceId, email, role, invitedBy, byMail: isMailed && email !== null },
    ...{ createdAtMs: nowMs, expiresAtMs: nowMs + INVITE_MS },
  }
  return changeOnRecord(db, acting, async (sql, put) => {
    await checkCount(sql, workspaceId, nowMs)
    if (email !== null) await checkInvitable(sql, workspaceId, email, nowMs)
    await insertInvite(sql, { ...sent, hash: hashToken(token) })
    await put({ action: 'invite.create', workspaceId, target: sent.id, after: { email, role } })
    return { invite: { ...sent, acceptedAtMs: null, acceptedBy: null, revokedAtMs: null }, token }
  })
}

async function checkCount(sql: Sql, workspaceId: string, nowMs: number): Promise<void> {
  const { recent, open } = await countInvites(sql, workspaceId, { sinceMs: nowMs - DAY_MS, nowMs })
  if (open >= MAX_OPEN) throw new AppError('conflict', `There are ${MAX_OPEN} open invitations. Revoke some first.`)
  if (recent >= MAX_PER_DAY) {
    throw new AppError('rate_limited', `A workspace sends ${MAX_PER_DAY} invitations a day at most.`, {
      retryAfterSeconds: 3600,
    })
  }
}

async function checkInvitable(sql: Sql, workspaceId: string, email: string, nowMs: number): Promise<void> {
  if (await findInviteFor(sql, workspaceId, email, nowMs)) {
    throw new AppError('conflict', 'This address is invited. Renew that invitation to get another link.')
  }
  const person = await findPersonByEmail(sql, email)
  if (person && (await loadMembership(sql, workspaceId, person.id))) {
    throw new AppError('conflict', 'Somebody with this address is a member of the workspace.')
  }
}

/** The earlier link is dead from then on. @throws AppError not_found; conflict once it was accepted or revoked; rate_limited */
export function renewInvitation(
  db: Database,
  acting: Acting,
  {
    workspaceId,
    inviteId,
    invitedBy,
    isMailed,
  }: Pick<InviteRequest, 'workspaceId' | 'invitedBy' | 'isMailed'> & { readonly inviteId: string },
): Promise<MadeInvite> {
  const { nowMs } = acting
  const token = newToken(acting.randomBytes)
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await requireUnused(sql, workspaceId, inviteId)
    const waitMs = before.expiresAtMs - INVITE_MS + RENEW_MS - nowMs
    if (waitMs > 0) {
      throw new AppError('rate_limited', 'This invitation was made or renewed less than a minute ago.', {
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      })
    }
    const byMail = isMailed && before.email !== null
    const invite = { ...before, invitedBy, byMail, expiresAtMs: nowMs + INVITE_MS }
    await renewInvite(sql, { ...invite, hash: hashToken(token) })
    await put({
      action: 'invite.renew',
      workspaceId,
      target: inviteId,
      after: { email: invite.email, role: invite.role },
    })
    return { invite, token }
  })
}

/** @throws AppError not_found; conflict once it was accepted or revoked */
export function revokeInvitation(db: Database, acting: Acting, workspaceId: string, inviteId: string): Promise<void> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const { email, role } = await requireUnused(sql, workspaceId, inviteId)
    await revokeInvite(sql, inviteId, acting.nowMs)
    await put({ action: 'invite.revoke', workspaceId, target: inviteId, before: { email, role } })
  })
}

async function requireUnused(sql: Sql, workspaceId: string, inviteId: string): Promise<Invite> {
  const invite = await loadInvite(sql, workspaceId, inviteId)
  if (!invite) throw new AppError('not_found', 'There is no such invitation.')
  if (invite.acceptedAtMs === null && invite.revokedAtMs === null) return invite
  throw new AppError('conflict', `This invitation was ${invite.acceptedAtMs === null ? 'revoked' : 'accepted'}.`)
}

/** What an invitation is to, for whoever holds it. */
export interface InvitePreview {
  readonly workspace: WorkspaceRow
  readonly invite: Invite
  /** Whether the account with the address that it names is known to be its owner's; null: none, or none is named. */
  readonly isAddressProved: boolean | null
}

/** @throws AppError not_found for one that cannot be accepted, whatever the reason */
export async function previewInvite(sql: Sql, token: string, nowMs: number): Promise<InvitePreview> {
  const invite = await findOpenInvite(sql, hashToken(token), nowMs)
  const workspace = invite && (await loadWorkspace(sql, invite.workspaceId))
  if (!invite || !workspace || !(await maySend(sql, invite))) throw noSuchInvite()
  const invited = invite.email === null ? undefined : await findPersonByEmail(sql, invite.email)
  return { workspace, invite, isAddressProved: invited ? invited.emailProvedAtMs !== null : null }
}

/** Whether whoever sent it could send it now. */
async function maySend(sql: Sql, { workspaceId, invitedBy }: Invite): Promise<boolean> {
  if (invitedBy === SHELL) return true
  const member = await loadMember(sql, workspaceId, invitedBy)
  if (member?.role === 'admin') return member.person?.isDisabled !== true
  // An operator invites into every workspace, also where it is a plain member.
  const operator = await loadPerson(sql, member ? (member.person?.id ?? '') : invitedBy)
  return operator?.isOperator === true && operator.disabledAtMs === null
}

/** What somebody has become a member of. */
export interface Joined {
  readonly workspace: WorkspaceRow
  readonly memberId: string
  readonly role: Role
}

/** @throws AppError not_found; permission_denied for another's invitation; conflict for a member, who does not use it up */
export function acceptAsPerson(
  db: Database,
  acting: Acting,
  { token, personId, sessionId }: { readonly token: string; readonly personId: string; readonly sessionId: string },
): Promise<Joined & { readonly proof: AddressProof | null }> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const preview = await previewInvite(sql, token, acting.nowMs)
    const person = await loadPerson(sql, personId)
    if (!person) throw noSuchInvite()
    const joined = await join(sql, preview, person, acting.nowMs)
    const proof = preview.invite.byMail ? await proveAddress(sql, acting, personId, { sessionId }) : null
    await put(recordOf(preview, joined))
    return { ...joined, proof }
  })
}

export interface NewPerson {
  readonly token: string
  /** In lower case. */
  readonly email: string
  readonly name: string
  readonly password: string
  /** What the browser's cookie held; null for none. */
  readonly oldToken: string | null
}

/**
 * Makes an account for somebody who has none, a member of the workspace, and signs it in.
 * @throws AppError not_found; permission_denied for another's address; conflict where there is an account;
 *   invalid_request for an unusable password
 */
export async function acceptAsNewPerson(
  db: Database,
  acting: Acting,
  { token, email, name, password, oldToken }: NewPerson,
): Promise<StartedSession & { readonly personId: string }> {
  const { nowMs, randomBytes } = acting
  checkNewPassword(password, { email, name })
  // Before the password costs anything: only who holds an invitation gets that far.
  checkAddressee((await previewInvite(db, token, nowMs)).invite, email)
  const stored = await hashPassword(password, randomBytes)
  const person = { id: newId('per', nowMs), email, name, isOperator: false, password: stored }
  return await changeOnRecord(db, acting, async (sql) => {
    const preview = await previewInvite(sql, token, nowMs)
    if (await findPersonByEmail(sql, email)) {
      throw new AppError('conflict', 'There is an account with this address. Sign in, then open the link again.', {
        metadata: { reason: 'account_exists' },
      })
    }
    await insertPerson(sql, { ...person, isProved: preview.invite.byMail }, nowMs)
    const joined = await join(sql, preview, person, nowMs)
    const change = recordOf(preview, joined, { person: person.id, name, email })
    const session = await enter(sql, acting, { personId: person.id, method: 'invite', attempt: null, oldToken, change })
    return { ...session, personId: person.id }
  })
}

async function join(
  sql: Sql,
  { workspace, invite }: InvitePreview,
  person: Pick<Person, 'id' | 'name' | 'email'>,
  nowMs: number,
): Promise<Joined> {
  checkAddressee(invite, person.email)
  const { role } = invite
  const memberId = await takeIn(sql, person, { workspaceId: workspace.id, role }, nowMs)
  if (!(await acceptInvite(sql, { id: invite.id, personId: person.id }, nowMs))) throw noSuchInvite()
  return { workspace, memberId, role }
}

function checkAddressee({ email }: Invite, own: string): void {
  if (email === null || email === own) return
  throw new AppError('permission_denied', 'This invitation is for another address.', {
    metadata: { reason: 'other_address' },
  })
}

/** `account`: what was made with it. */
function recordOf({ invite }: InvitePreview, { workspace, memberId, role }: Joined, account: Facts = {}): Change {
  const after = { invite: invite.id, role, ...account }
  return { action: 'invite.accept', workspaceId: workspace.id, target: memberId, after }
}

function newToken(randomBytes: RandomBytes): string {
  return Buffer.from(randomBytes(TOKEN_BYTES)).toString('base64url')
}

function noSuchInvite(): AppError {
  return new AppError('not_found', 'This invitation was used or revoked, or its time is over. Ask for another one.')
}
