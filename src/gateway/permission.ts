/** What a key may do, looked at whenever it is used: never more than its owner may at that moment. */
import { AppError } from '../base/errors.ts'
import type { Product } from '../base/words.ts'
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

/** @throws AppError permission_denied */
export function checkScope({ scopes }: KeyOwner, scope: KeyScope): void {
  if (scopes.includes(scope) || (scope === 'read' && scopes.includes('manage'))) return
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
  if (models && !models.includes(model)) {
    throw new AppError(
      'model_disabled',
      `This API key may not call ${JSON.stringify(model)}. GET /zen/v1/models lists what it may.`,
    )
  }
}
