/**
 * The provider keys that workspaces bring. A key is sealed for its row, its workspace, its provider and its address; it
 * is shown to nobody again, and stands in no log and no record.
 */
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { SealError } from '../base/seal.ts'
import type { OwnBaseUrl, OwnKeyProvider } from '../domain/catalog.ts'
import {
  type CredentialMode,
  type CredentialRow,
  deleteCredential,
  insertCredential,
  listCredentials,
  loadCredential,
  noteCheck,
  sealContext,
  setCredentialMode,
} from '../store/credential.ts'
import type { Sql } from '../store/database.ts'
import { objectionToUrl } from '../upstream/egress.ts'
import { type Acting, changeOnRecord, type Facts } from './acting.ts'
import type { ControlPlane } from './control-plane.ts'
import { askAboutKey, type KeyVerdict } from './credential-check.ts'

export interface NewCredential {
  readonly workspaceId: string
  readonly provider: string
  readonly apiKey: string
  /** Null: as it was; of a first key, the own key alone. */
  readonly mode: CredentialMode | null
  /** Null: the provider's own address. */
  readonly baseUrl: string | null
  /** Save it also when the provider does not say whether it is good. */
  readonly unchecked: boolean
}

/** What the log may hold of one. */
function factsOf({ id, provider, mode, baseUrl, preview }: CredentialRow): Facts {
  return { id, provider, mode, base_url: baseUrl, preview }
}

export function listOwnKeys({ database }: ControlPlane, workspaceId: string): Promise<CredentialRow[]> {
  return listCredentials(database, workspaceId)
}

/**
 * Replaces what the workspace had for the provider. Another key may be another account, so it is another credential.
 * @throws AppError not_found for a provider that takes no own keys; invalid_request for an address that is not allowed, a
 *   key that the provider refuses, or one of which it does not say whether it is good
 */
export async function saveOwnKey(control: ControlPlane, acting: Acting, input: NewCredential): Promise<CredentialRow> {
  const { workspaceId, provider, apiKey, baseUrl } = input
  const { allowed, chosen } = placeFor(control, provider, baseUrl)
  const answer = await askAboutKey(allowed.provider, chosen, apiKey)
  if (answer.verdict === 'bad') throw refusedKey(provider, answer)
  if (answer.verdict === 'unknown' && !input.unchecked) throw silentProvider(provider, answer)
  const place = { id: newId('cred', acting.nowMs), workspaceId, provider, baseUrl: chosen?.url ?? null }
  const sealed = control.sealer.seal(apiKey, sealContext(place))
  const checkedAtMs = answer.verdict === 'good' ? acting.nowMs : null
  return await changeOnRecord(control.database, acting, async (sql, put) => {
    const before = await loadCredential(sql, workspaceId, provider)
    if (before) await deleteCredential(sql, workspaceId, before.id)
    const mode = input.mode ?? before?.mode ?? 'own_only'
    await insertCredential(sql, { ...place, mode, sealed, preview: previewOf(apiKey), checkedAtMs }, acting.nowMs)
    const saved = await existing(sql, workspaceId, provider)
    await put({
      ...{ action: 'credential.save', workspaceId, target: saved.id },
      ...{ before: before ? factsOf(before) : null, after: factsOf(saved) },
    })
    return saved
  })
}

/** @throws AppError not_found */
export function changeOwnKeyMode(
  { database }: ControlPlane,
  acting: Acting,
  { workspaceId, provider, mode }: Pick<CredentialRow, 'workspaceId' | 'provider' | 'mode'>,
): Promise<CredentialRow> {
  return changeOnRecord(database, acting, async (sql, put) => {
    const before = await existing(sql, workspaceId, provider)
    await setCredentialMode(sql, before, mode, acting.nowMs)
    const after = { ...before, mode, changedAtMs: acting.nowMs }
    await put({
      ...{ action: 'credential.update', workspaceId, target: before.id },
      ...{ before: factsOf(before), after: factsOf(after) },
    })
    return after
  })
}

/** @throws AppError not_found */
export function forgetOwnKey(
  { database }: ControlPlane,
  acting: Acting,
  { workspaceId, provider }: Pick<NewCredential, 'workspaceId' | 'provider'>,
): Promise<void> {
  return changeOnRecord(database, acting, async (sql, put) => {
    const before = await existing(sql, workspaceId, provider)
    await deleteCredential(sql, workspaceId, before.id)
    await put({ action: 'credential.delete', workspaceId, target: before.id, before: factsOf(before), after: null })
  })
}

/** @throws AppError not_found; conflict when the key cannot be opened, or is for an address that is not allowed any more */
export async function checkOwnKey(
  control: ControlPlane,
  acting: Acting,
  { workspaceId, provider }: Pick<NewCredential, 'workspaceId' | 'provider'>,
): Promise<KeyVerdict & { readonly credential: CredentialRow }> {
  const row = await existing(control.database, workspaceId, provider)
  const { allowed, chosen } = placeFor(control, provider, row.baseUrl)
  const answer = await askAboutKey(allowed.provider, chosen, openKey(control, row))
  const error = answer.verdict === 'good' ? null : describe(answer)
  await noteCheck(control.database, row.id, error, acting.nowMs)
  return { ...answer, credential: await existing(control.database, workspaceId, provider) }
}

function describe({ verdict, status }: KeyVerdict): string {
  if (verdict === 'bad') return `refused (${status})`
  return status === null ? 'no answer' : `no telling answer (${status})`
}

function openKey({ sealer, log }: ControlPlane, row: CredentialRow): string {
  try {
    return sealer.open(row.sealed, sealContext(row))
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    log.error({ credential: row.id }, 'a provider key cannot be opened; was the master key changed?')
    throw new AppError(
      'conflict',
      'This key cannot be opened on this gateway: it was sealed under a master key that is not known any more. Enter it again, or ask the operator.',
    )
  }
}

async function existing(sql: Sql, workspaceId: string, provider: string): Promise<CredentialRow> {
  const row = await loadCredential(sql, workspaceId, provider)
  if (!row) throw new AppError('not_found', 'The workspace has no key of its own for this provider.')
  return row
}

function placeFor(
  { catalog }: ControlPlane,
  provider: string,
  baseUrl: string | null,
): { readonly allowed: OwnKeyProvider; readonly chosen: OwnBaseUrl | null } {
  const allowed = catalog().ownKeys.get(provider)
  if (!allowed) {
    throw new AppError('not_found', 'There is no such provider, or this gateway takes no own keys for it.')
  }
  if (baseUrl === null) return { allowed, chosen: null }
  const wanted = baseUrl.replace(/\/+$/, '')
  const chosen = allowed.baseUrls.find(({ url }) => url === wanted)
  const objection = chosen && objectionToUrl(chosen.url, { allowPrivate: chosen.allowPrivate, listed: true })
  if (objection) {
    throw new AppError('invalid_request', `No key can be sent to this address: ${objection}. Ask the operator.`, {
      param: 'base_url',
    })
  }
  if (chosen) return { allowed, chosen }
  const known = allowed.baseUrls.map(({ url }) => url).join(', ')
  throw new AppError(
    'invalid_request',
    `This address is not one that the operator allows for ${provider}. ${known === '' ? 'There is none but its own: leave base_url out.' : `Allowed are: ${known}.`}`,
    { param: 'base_url' },
  )
}

function refusedKey(provider: string, { status }: KeyVerdict): AppError {
  return new AppError(
    'invalid_request',
    `${provider} refused this key (status ${status}). Nothing was saved. Check that it was copied whole and is in force.`,
    { param: 'api_key', metadata: { provider_status: String(status) } },
  )
}

function silentProvider(provider: string, { status }: KeyVerdict): AppError {
  const what = status === null ? 'could not be reached' : `did not say whether this key is good (status ${status})`
  return new AppError(
    'invalid_request',
    `${provider} ${what}. Nothing was saved. Try again later, or send "unchecked": true to save it as it is.`,
    { param: 'unchecked', metadata: { provider_status: String(status ?? 'none') } },
  )
}

/** Four characters at each end, and only where much more than those is left to guess. */
function previewOf(apiKey: string): string {
  return apiKey.length < 20 ? '…' : `${apiKey.slice(0, 4)}…${apiKey.slice(-4)}`
}
