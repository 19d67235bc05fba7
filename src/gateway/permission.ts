/** What a key may do, looked at whenever it is used: never more than its owner may at that moment. */
import { AppError } from '../base/errors.ts'
import type { Product } from '../base/words.ts'
import type { Model, Route } from '../domain/catalog.ts'
import { allowedRoutes, isEnabled, objectionsTo, reasonFor } from '../domain/workspace-policy.ts'
import type { KeyOwner, KeyScope } from '../store/key.ts'

/** @throws AppError key_disabled, workspace_blocked */
export function checkKey(owner: KeyOwner, nowMs: number): void {
  if (owner.revoked) throw new AppError('key_disabled', 'This API key was revoked. Use another one.')
  if (owner.expiresAtMs !== null && owner.expiresAtMs <= nowMs) {
    throw new AppError(
      'key_disabled',
      `This API key expired at ${new Date(owner.expiresAtMs).toISOString()}. Use another one.`,
    )
  }
  if (owner.isOrphaned) {
    throw new AppError('key_disabled', 'The member that this API key belongs to is no longer in the workspace.')
  }
  if (owner.isBlocked)
    throw new AppError('workspace_blocked', 'The operator of this gateway has blocked the workspace.')
}

/** Whoever may change things may read them. */
export function hasScope({ scopes }: Pick<KeyOwner, 'scopes'>, scope: KeyScope): boolean {
  return scopes.includes(scope) || (scope === 'read' && scopes.includes('manage'))
}

/** @throws AppError permission_denied */
export function checkScope(owner: KeyOwner, scope: KeyScope): void {
  if (hasScope(owner, scope)) return
  throw new AppError(
    'permission_denied',
    `This API key lacks the scope "${scope}". Its scopes are chosen when it is made.`,
  )
}

/** @throws AppError model_disabled: what the key itself leaves out */
export function checkKeyLimits({ models, products }: KeyOwner, product: Product, model: string): void {
  if (products && !products.includes(product)) {
    throw new AppError(
      'model_disabled',
      `This API key is not for ${product}. It may be used on: ${products.join(', ')}.`,
    )
  }
  if (models && !models.has(model)) {
    throw new AppError(
      'model_disabled',
      `This API key may not call ${JSON.stringify(model)}. GET /zen/v1/models lists what it may.`,
    )
  }
}

/** @throws AppError model_disabled: what the key or its workspace leaves out */
export function checkModel(owner: KeyOwner, { id, product }: Model): void {
  checkKeyLimits(owner, product, id)
  if (isEnabled(owner.policy, id)) return
  throw new AppError(
    'model_disabled',
    `The model ${JSON.stringify(id)} is switched off in this workspace. An admin can switch it on; GET /zen/v1/models lists what is on.`,
    { param: 'model' },
  )
}

/** Those of a model's routes that the caller may be sent over, in their order. @throws AppError policy_denied when there are none */
export function permittedRoutes(owner: KeyOwner | null, routes: readonly Route[]): readonly Route[] {
  if (!owner) return routes
  const allowed = allowedRoutes(owner.policy, routes)
  if (allowed.length > 0) return allowed
  const { why, reason } = withheld(owner, routes)
  throw new AppError(
    'policy_denied',
    `The workspace's policy forbids every provider of this model: ${why}. Choose another model, or have an admin change the policy.`,
    { param: 'model', metadata: { reason } },
  )
}

/** Why some routes are not for the caller, in words and by name; null where all are. */
export function withheldFrom(owner: KeyOwner | null, { routes }: Model): { why: string; reason: string } | null {
  if (!owner || allowedRoutes(owner.policy, routes) === routes) return null
  return withheld(owner, routes)
}

function withheld({ policy }: KeyOwner, routes: readonly Route[]): { why: string; reason: string } {
  const objections = objectionsTo(policy, routes)
  return { why: objections.map((objection) => reasonFor(objection, policy)).join('; '), reason: objections.join(',') }
}

/** Whether a key could call a model now, as far as its limits and its workspace's policy say. */
export function mayCall(owner: KeyOwner, { id, product, routes }: Model): boolean {
  const { policy, models, products, scopes } = owner
  if (!scopes.includes('inference') || models?.has(id) === false || products?.includes(product) === false) return false
  return isEnabled(policy, id) && allowedRoutes(policy, routes).length > 0
}
