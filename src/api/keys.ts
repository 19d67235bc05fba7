/** API keys over HTTP. */
import { formatInstant, SECOND_MS } from '../base/time.ts'
import { createKey, listKeys, readKey, revokeKey, rotateKey, updateKey } from '../contract/keys.ts'
import type { Reply } from '../contract/operation.ts'
import * as keys from '../control/key.ts'
import { rotateKey as rotate } from '../control/key-rotation.ts'
import { type KeyRow, listKeyPage } from '../store/key.ts'
import { type OperationContext, serve } from './operation-route.ts'
import { readPage, toPage } from './page.ts'
import type { RouteDefinition } from './routes.ts'

export const keyRoutes: readonly RouteDefinition[] = [
  serve(listKeys, async (context, { query }) => {
    const { control, acting } = context
    const { workspace, role, memberId } = askingOf(context).place
    const { limit, after = '' } = readPage(query)
    // A member who asks for another's gets none, as for a member that does not exist.
    const wanted = role === 'admin' ? (query.member ?? null) : memberId
    const isForeign = query.member !== undefined && wanted !== query.member
    const rows = isForeign
      ? []
      : await listKeyPage(control.database, workspace.id, { after, limit: limit + 1, memberId: wanted })
    return toPage(
      rows,
      limit,
      ({ id }) => id,
      (row) => viewKey(row, acting.nowMs),
    )
  }),
  serve(createKey, async (context, { body }) => {
    const { control, acting } = context
    const { name, scopes, models, products, tags } = body
    const made = await keys.createKey(control.database, control.catalog(), askingOf(context), {
      ...{ name, memberId: body.member ?? null, scopes: [...new Set(scopes)] },
      ...{ expiresAtMs: instantMs(body.expires_at), models, products, tags },
    })
    return { ...viewKey(made.row, acting.nowMs), key: made.key }
  }),
  serve(readKey, async (context, { params }) => {
    const row = await keys.loadOwnKey(context.control.database, askingOf(context), params.key)
    return viewKey(row, context.acting.nowMs)
  }),
  serve(updateKey, async (context, { params, body }) => {
    const { control, acting } = context
    const { name, expires_at: expiresAt, models, products, tags } = body
    const row = await keys.updateKey(control.database, control.catalog(), askingOf(context), params.key, {
      ...(name !== undefined && { name }),
      ...(expiresAt !== undefined && { expiresAtMs: instantMs(expiresAt) }),
      ...(models !== undefined && { models }),
      ...(products !== undefined && { products }),
      ...(tags !== undefined && { tags }),
    })
    return viewKey(row, acting.nowMs)
  }),
  serve(rotateKey, async (context, { params, body }) => {
    const { control, acting } = context
    const made = await rotate(control.database, askingOf(context), params.key, body.overlap_seconds * SECOND_MS)
    return { ...viewKey(made.row, acting.nowMs), key: made.key }
  }),
  serve(revokeKey, async (context, { params }) => {
    await keys.revokeKey(context.control.database, askingOf(context), params.key)
    return undefined
  }),
]

/** For operations of a workspace. */
function askingOf({ acting, principal, place }: OperationContext): keys.Asking {
  if (!principal || !place) throw new Error('an operation of a workspace was reached without one')
  return { acting, principal, place }
}

function instantMs(text: string | null): number | null {
  return text === null ? null : Date.parse(text)
}

function viewKey(row: KeyRow, nowMs: number): Omit<Reply<typeof readKey>, 'key'> {
  const { id, name, memberId, preview, scopes, models, products, tags } = row
  return {
    ...{ id, name, member: memberId, preview, state: stateOf(row, nowMs) },
    ...{ scopes: [...scopes], models: models && [...models], products: products && [...products], tags: [...tags] },
    created_at: formatInstant(row.createdAtMs),
    expires_at: instantOrNull(row.expiresAtMs),
    last_used_at: instantOrNull(row.lastUsedAtMs),
    revoked_at: instantOrNull(row.revokedAtMs),
    previous_until:
      row.previousUntilMs === null || row.previousUntilMs <= nowMs ? null : formatInstant(row.previousUntilMs),
  }
}

function stateOf({ revokedAtMs, expiresAtMs }: KeyRow, nowMs: number): 'active' | 'expired' | 'revoked' {
  if (revokedAtMs !== null) return 'revoked'
  return expiresAtMs !== null && expiresAtMs <= nowMs ? 'expired' : 'active'
}

function instantOrNull(atMs: number | null): string | null {
  return atMs === null ? null : formatInstant(atMs)
}
