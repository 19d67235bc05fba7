/** The provider keys that workspaces bring. */
import { formatInstant } from '../base/time.ts'
import {
  checkCredential,
  deleteCredential,
  listCredentials,
  saveCredential,
  updateCredential,
} from '../contract/credentials.ts'
import type { Reply } from '../contract/operation.ts'
import { changeOwnKeyMode, checkOwnKey, forgetOwnKey, listOwnKeys, saveOwnKey } from '../control/credential.ts'
import type { CredentialRow } from '../store/credential.ts'
import { serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'

export const ownKeyRoutes: readonly RouteDefinition[] = [
  serve(listCredentials, async ({ control }, { params }) => {
    const rows = await listOwnKeys(control, params.workspace)
    const providers = [...control.catalog().ownKeys].map(([id, { baseUrls }]) => ({
      id,
      base_urls: baseUrls.map(({ url }) => url),
    }))
    return { data: rows.map(viewOf), providers: providers.sort((a, b) => (a.id < b.id ? -1 : 1)) }
  }),
  serve(saveCredential, async ({ control, acting }, { params, body }) => {
    const { api_key: apiKey, mode = null, base_url: baseUrl = null, unchecked } = body
    const { workspace: workspaceId, provider } = params
    return viewOf(await saveOwnKey(control, acting, { workspaceId, provider, apiKey, mode, baseUrl, unchecked }))
  }),
  serve(updateCredential, async ({ control, acting }, { params, body }) => {
    const { workspace: workspaceId, provider } = params
    return viewOf(await changeOwnKeyMode(control, acting, { workspaceId, provider, mode: body.mode }))
  }),
  serve(checkCredential, async ({ control, acting }, { params }) => {
    const { workspace: workspaceId, provider } = params
    const { verdict, status, credential } = await checkOwnKey(control, acting, { workspaceId, provider })
    return { verdict, status, credential: viewOf(credential) }
  }),
  serve(deleteCredential, async ({ control, acting }, { params }) => {
    const { workspace: workspaceId, provider } = params
    await forgetOwnKey(control, acting, { workspaceId, provider })
    return undefined
  }),
]

/** Never the key, nor what it is sealed into. */
function viewOf(row: CredentialRow): Reply<typeof saveCredential> {
  return {
    id: row.id,
    provider: row.provider,
    mode: row.mode,
    preview: row.preview,
    base_url: row.baseUrl,
    created_at: formatInstant(row.createdAtMs),
    changed_at: formatInstant(row.changedAtMs),
    checked_at: row.checkedAtMs === null ? null : formatInstant(row.checkedAtMs),
    last_error: row.lastError,
    last_error_at: row.lastErrorAtMs === null ? null : formatInstant(row.lastErrorAtMs),
  }
}
