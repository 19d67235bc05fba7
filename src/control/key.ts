/**
 * API keys: made, confined, revoked. A key's text exists only in what `createKey` returns. Members have keys of their own,
 * admins see to everybody's; nobody gets a key through this that may do more than who asked for it.
 */
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { formatInstant } from '../base/time.ts'
import type { Product } from '../base/words.ts'
import { formatKey, hashKey, previewKey } from '../domain/api-key.ts'
import type { Catalog } from '../domain/catalog.ts'
import { checkKnownModels } from '../domain/workspace-policy.ts'
import type { Database, Sql } from '../store/database.ts'
import type { KeyLimits, KeyRow, KeyScope } from '../store/key.ts'
import * as store from '../store/key.ts'
import { loadMember, type MemberRow } from '../store/membership.ts'
import { type Acting, changeOnRecord, type Facts } from './acting.ts'
import type { RandomBytes } from './instance.ts'
import type { Place, Principal } from './principal.ts'
import { RECENT_MS } from './sign-in/session.ts'

const KEY_BYTES = 20
/** That were not revoked. */
const MAX_KEYS_PER_MEMBER = 200

/** Who asks, and for which workspace. */
export interface Asking {
  readonly acting: Acting
  readonly principal: Principal
  readonly place: Place
}

export interface NewKey {
  readonly id: string
  /** The plain text, to be shown once. */
  readonly key: string
  readonly preview: string
  readonly name: string
  readonly memberId: string
  readonly createdAtMs: number
}

export interface KeyMaking {
  readonly nowMs: number
  readonly randomBytes: RandomBytes
}

export interface KeyRequest extends KeyLimits {
  readonly name: string
  /** Null: of who asks. */
  readonly memberId: string | null
  readonly scopes: readonly KeyScope[]
}

/** A key with its text, which is known nowhere else. */
export interface ShownKey {
  readonly row: KeyRow
  readonly key: string
}

/** @throws AppError invalid_request, not_found (the member), permission_denied, conflict (too many) */
export async function createKey(
  db: Database,
  catalog: Catalog,
  asking: Asking,
  request: KeyRequest,
): Promise<ShownKey> {
  const { acting, place, principal } = asking
  const { name, memberId: wanted, scopes, ...limits } = request
  checkLimits(catalog, limits, acting.nowMs)
  checkWithin(principal, scopes, limits)
  if (scopes.some((scope) => scope !== 'inference')) checkRecent(asking)
  const memberId = wanted ?? place.memberId
  if (memberId === null) throw new AppError('invalid_request', 'Say whose key it is to be.', { param: 'member' })
  return await changeOnRecord(db, acting, async (sql, put) => {
    const member = await findKeyMember(sql, asking, memberId)
    checkMayHold(asking, member, scopes)
    if ((await store.countKeysOf(sql, memberId)) >= MAX_KEYS_PER_MEMBER) throw tooMany()
    const made = makeKey({ memberId, name }, acting)
    await insertKey(sql, place.workspace.id, made, { scopes, limits })
    const row = await loadOwnKey(sql, asking, made.id)
    await put({ action: 'key.create', workspaceId: place.workspace.id, target: made.id, after: factsOf(row) })
    return { row, key: made.key }
  })
}

/** A key that nothing knows yet. */
export function makeKey({ memberId, name }: { memberId: string; name: string }, making: KeyMaking): NewKey {
  const key = formatKey(making.randomBytes(KEY_BYTES))
  const { nowMs } = making
  return { id: newId('key', nowMs), key, preview: previewKey(key), name, memberId, createdAtMs: nowMs }
}

/** Writes a key inside the caller's transaction; by default for inference alone, without limits. */
export async function insertKey(
  sql: Sql,
  workspaceId: string,
  made: NewKey,
  bounds: { readonly scopes?: readonly KeyScope[]; readonly limits?: KeyLimits } = {},
): Promise<void> {
  const { id, key, preview, memberId, name, createdAtMs } = made
  await store.insertKey(sql, { id, workspaceId, memberId, name, hash: hashKey(key), preview, ...bounds }, createdAtMs)
}

export interface KeyChange extends Partial<KeyLimits> {
  readonly name?: string
}

/** What is absent stays as it is. @throws AppError not_found, invalid_request, permission_denied, conflict (revoked) */
export function updateKey(
  db: Database,
  catalog: Catalog,
  asking: Asking,
  keyId: string,
  change: KeyChange,
): Promise<KeyRow> {
  const { acting, principal } = asking
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await loadLiveKey(sql, asking, keyId)
    const { name = before.name, ...limits } = change
    const now: KeyLimits = { ...limitsOf(before), ...limits }
    checkLimits(catalog, limits, acting.nowMs)
    checkWithin(principal, before.scopes, now)
    await store.updateKey(sql, keyId, { name, limits: now })
    const after = await loadOwnKey(sql, asking, keyId)
    const facts = { before: factsOf(before), after: factsOf(after) }
    await put({ action: 'key.update', workspaceId: asking.place.workspace.id, target: keyId, ...facts })
    return after
  })
}

export type Revocation = 'revoked' | 'already_revoked'

/** Requests under way end normally; the next one is refused. @throws AppError not_found */
export function revokeKey(db: Database, asking: Asking, keyId: string): Promise<Revocation> {
  const { acting, place } = asking
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await loadOwnKey(sql, asking, keyId)
    if (!(await seesTo(sql, asking, before.memberId))) throw noSuchKey()
    if (!(await store.revokeKey(sql, keyId, acting.nowMs))) return 'already_revoked'
    const facts = { before: factsOf(before), after: null }
    await put({ action: 'key.revoke', workspaceId: place.workspace.id, target: keyId, ...facts })
    return 'revoked'
  })
}

/** Oldest first, revoked ones too. */
export function listKeys(db: Database, workspaceId: string): Promise<KeyRow[]> {
  return store.listKeys(db, workspaceId)
}

/** A key that the caller may see. @throws AppError not_found, as for one that does not exist */
export async function loadOwnKey(sql: Sql, { place }: Asking, keyId: string): Promise<KeyRow> {
  const key = await store.loadKey(sql, place.workspace.id, keyId)
  if (key && (key.memberId === place.memberId || place.role === 'admin')) return key
  throw noSuchKey()
}

function noSuchKey(): AppError {
  return new AppError('not_found', 'There is no such key.')
}

/** The same for what is to be changed. @throws AppError not_found, conflict (revoked) */
export async function loadLiveKey(sql: Sql, asking: Asking, keyId: string): Promise<KeyRow> {
  const key = await loadOwnKey(sql, asking, keyId)
  if (!(await seesTo(sql, asking, key.memberId))) throw noSuchKey()
  if (key.revokedAtMs !== null) throw new AppError('conflict', 'This key was revoked. Make another one.')
  return key
}

/** The member whose key it is to be. @throws AppError not_found */
async function findKeyMember(sql: Sql, asking: Asking, memberId: string): Promise<MemberRow> {
  const member = await loadMember(sql, asking.place.workspace.id, memberId)
  if (member && (await seesTo(sql, asking, memberId))) return member
  throw new AppError('not_found', 'There is no such member.', { param: 'member' })
}

/** Whether the caller sees to a member's keys, by what it is inside the transaction: it may have been demoted. */
async function seesTo(sql: Sql, { principal, place }: Asking, memberId: string): Promise<boolean> {
  if (memberId === place.memberId || (principal.kind !== 'key' && principal.isOperator)) return true
  const self = place.memberId === null ? undefined : await loadMember(sql, place.workspace.id, place.memberId)
  return self?.role === 'admin'
}

/**
 * A key acts in its member's name: what may do more than inference is given to nobody but the person itself, whose role
 * it has. Members without a person have no name to act in. @throws AppError permission_denied
 */
export function checkMayHold({ place }: Asking, member: MemberRow, scopes: readonly KeyScope[]): void {
  if (member.person === null || member.id === place.memberId) return
  if (scopes.every((scope) => scope === 'inference')) return
  throw new AppError(
    'permission_denied',
    'For another person there are keys with the scope "inference" only. Others it has to make itself.',
  )
}

/** A stolen session must not live on in a key that may change things. @throws AppError permission_denied */
export function checkRecent({ principal, acting }: Asking): void {
  if (principal.kind !== 'person' || principal.authenticatedAtMs + RECENT_MS > acting.nowMs) return
  throw new AppError(
    'permission_denied',
    'Sign in again first: a key that may read or change settings needs a proof of identity of the last 15 minutes.',
    { metadata: { reason: 'sign_in_again' } },
  )
}

/** Whoever asks with a key gets none that may do more than that one. @throws AppError permission_denied */
export function checkWithin(principal: Principal, scopes: readonly KeyScope[], limits: KeyLimits): void {
  if (principal.kind !== 'key') return
  const { owner } = principal
  const [beyond] = [
    ...(scopes.every((scope) => owner.scopes.includes(scope)) ? [] : ['scopes']),
    ...(owner.models === null || limits.models?.every((model) => owner.models?.has(model)) ? [] : ['models']),
    ...(isWithin(limits.products, owner.products) ? [] : ['products']),
    ...(isNoLater(limits.expiresAtMs, owner.expiresAtMs) ? [] : ['expires_at']),
  ]
  if (beyond === undefined) return
  throw new AppError('permission_denied', 'An API key cannot make or change one that may do more than itself.', {
    param: beyond,
  })
}

function isWithin(asked: readonly Product[] | null, own: readonly Product[] | null): boolean {
  return own === null || asked?.every((product) => own.includes(product)) === true
}

function isNoLater(askedMs: number | null, ownMs: number | null): boolean {
  return ownMs === null || (askedMs !== null && askedMs <= ownMs)
}

/** @throws AppError invalid_request */
function checkLimits(catalog: Catalog, { expiresAtMs, models }: Partial<KeyLimits>, nowMs: number): void {
  if (expiresAtMs !== undefined && expiresAtMs !== null && expiresAtMs <= nowMs) {
    throw new AppError('invalid_request', 'A key cannot expire in the past. Revoke it instead.', {
      param: 'expires_at',
    })
  }
  if (models) checkKnownModels(catalog, models)
}

function tooMany(): AppError {
  return new AppError(
    'conflict',
    `The member has ${MAX_KEYS_PER_MEMBER} keys in use. Revoke those that it does not need.`,
  )
}

function limitsOf({ expiresAtMs, models, products, tags }: KeyRow): KeyLimits {
  return { expiresAtMs, models, products, tags }
}

/** What the log holds of a key: nothing of its text. */
export function factsOf({ memberId, name, scopes, expiresAtMs, models, products, tags }: KeyRow): Facts {
  const expiresAt = expiresAtMs === null ? null : formatInstant(expiresAtMs)
  return { member: memberId, name, scopes, expires_at: expiresAt, models, products, tags }
}
