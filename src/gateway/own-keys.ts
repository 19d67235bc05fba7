/**
 * The workspace's own provider keys: which of a model's routes they open, whether the operator's accounts may serve when
 * they fail, and what is told of it. Secrets are opened when they are first needed, and kept in memory alone.
 */
import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { AppError } from '../base/errors.ts'
import { SealError, type Sealer } from '../base/seal.ts'
import { type Clock, MINUTE_MS } from '../base/time.ts'
import type { Protocol } from '../base/words.ts'
import type { Catalog, Model, OwnBaseUrl, Provider, Route } from '../domain/catalog.ts'
import { withSecret } from '../domain/catalog-build.ts'
import { noteFailure, type SealedCredential, sealContext } from '../store/credential.ts'
import { type Database, reasonOf } from '../store/database.ts'
import type { KeyOwner } from '../store/key.ts'

export interface OwnKeys {
  /**
   * What a workspace's own keys make of a model; null where they have no part in it.
   * @throws AppError model_disabled when only own keys may serve it and none can; upstream_unavailable when one that is
   *   needed cannot be opened
   */
  reach(catalog: Catalog, model: Model, owner: KeyOwner | null): OwnReach | null
  /** That a request failed because of a key, for whoever looks after it. Returns at once, and never throws. */
  report(credentialId: string, reason: string): void
}

export interface OwnReach {
  /** Over the workspace's own accounts; empty where the operator allows none of them any more. */
  readonly routes: readonly Route[]
  /** Whether the operator's accounts may serve when these fail. */
  readonly goesOn: boolean
}

export interface OwnKeysOptions {
  readonly sealer: Sealer
  readonly database: Database
  readonly clock: Clock
  readonly log: Logger
}

/** A key that fails on every request is written down as often as this. */
const REPORT_EVERY_MS = MINUTE_MS
/** Credentials that were reported; more than there are in practice. */
const MAX_REPORTED = 10_000

/** A workspace, by the keys of its own. */
type KeyHolder = Pick<KeyOwner, 'credentials'>

/** The credentials that have a part in a model: those for its providers that are in use. */
function credentialsFor(model: Model, owner: KeyHolder | null): readonly SealedCredential[] {
  if (!owner || owner.credentials.length === 0) return []
  // What costs nothing needs no key.
  if (model.free && model.routes.length > 0) return []
  const serves = (id: string): boolean =>
    model.routes.some(({ provider }) => provider.id === id) ||
    model.ownRoutes.some(({ provider }) => provider.id === id)
  return owner.credentials.filter(({ mode, provider }) => mode !== 'shared_only' && serves(provider))
}

/** The model as a workspace has it: with the routes that its own keys open, and without those that they close. */
export function modelWithOwnKeys(catalog: Catalog, model: Model, owner: KeyHolder | null): Model {
  const credentials = credentialsFor(model, owner)
  if (credentials.length === 0) return model
  const isExclusive = credentials.some(({ mode }) => mode === 'own_only')
  const seen = (route: Route): Route[] => {
    const credential = credentials.find((one) => one.provider === route.provider.id)
    const chosen = credential && chosenBaseUrl(catalog, credential)
    if (chosen === undefined) return []
    // Without the operator's credential, which a copy leaves behind.
    return chosen
      ? [{ ...route, provider: withSecret({ ...route.provider, region: chosen.region }, undefined) }]
      : [route]
  }
  const shared = isExclusive ? model.routes.flatMap(seen) : model.routes
  return { ...model, routes: [...shared, ...model.ownRoutes.flatMap(seen)] }
}

/** Null: the provider's own address; undefined: the operator does not allow the key, or its address, any more. */
function chosenBaseUrl(catalog: Catalog, { provider, baseUrl }: SealedCredential): OwnBaseUrl | null | undefined {
  const allowed = catalog.ownKeys.get(provider)
  if (!allowed || baseUrl === null) return allowed && null
  return allowed.baseUrls.find(({ url }) => url === baseUrl)
}

/** Whether a request for a model could be sent with a key of the workspace's own. */
export function hasOwnKeyFor(catalog: Catalog, model: Model, owner: KeyOwner | null): boolean {
  return credentialsFor(model, owner).some(({ provider }) => catalog.ownKeys.has(provider))
}

export function createOwnKeys({ sealer, database, clock, log }: OwnKeysOptions): OwnKeys {
  /** By the row as it was loaded, and the account that it takes the place of: both are new when something changed. */
  const accounts = new WeakMap<SealedCredential, WeakMap<Provider, Provider | null>>()
  const reported = new Map<string, number>()

  function open(credential: SealedCredential): string {
    try {
      return sealer.open(credential.sealed, sealContext(credential))
    } catch (error) {
      if (!(error instanceof SealError)) throw error
      const { id, workspaceId, provider } = credential
      if (isDue(`${id} open`)) {
        log.error(
          { credential: id, workspace: workspaceId, provider },
          "a workspace's own provider key cannot be opened: it is sealed under a master key that is not known here, or its row was changed; set ZENDO_MASTER_KEY or ZENDO_MASTER_KEY_PREVIOUS",
        )
      }
      throw new AppError(
        'upstream_unavailable',
        `The workspace's own key for ${provider} cannot be used on this gateway right now; its operator was told why. Nothing was charged.`,
        { cause: 'the key cannot be opened' },
      )
    }
  }

  function accountOf(catalog: Catalog, credential: SealedCredential, base: Provider): Provider | null {
    let known = accounts.get(credential)
    if (!known) accounts.set(credential, (known = new WeakMap()))
    let account = known.get(base)
    if (account === undefined) {
      account = ownAccount(catalog, credential, base, open)
      known.set(base, account)
    }
    return account
  }

  function isDue(name: string): boolean {
    const nowMs = clock()
    if (nowMs - (reported.get(name) ?? Number.NEGATIVE_INFINITY) < REPORT_EVERY_MS) return false
    if (reported.size >= MAX_REPORTED) reported.clear()
    reported.set(name, nowMs)
    return true
  }

  return {
    reach(catalog, model, owner) {
      const credentials = credentialsFor(model, owner)
      if (credentials.length === 0) return null
      const byProvider = new Map(credentials.map((credential) => [credential.provider, credential]))
      const routes = [...model.routes, ...model.ownRoutes].flatMap((route) => {
        const credential = byProvider.get(route.provider.id)
        const provider = credential && accountOf(catalog, credential, route.provider)
        return provider ? [{ ...route, provider }] : []
      })
      const goesOn = model.routes.length > 0 && credentials.every(({ mode }) => mode !== 'own_only')
      if (routes.length === 0 && !goesOn) throw notAllowed(credentials)
      return { routes, goesOn }
    },
    report(credentialId, reason) {
      if (!isDue(`${credentialId} failed`)) return
      noteFailure(database, credentialId, reason, clock()).catch((error: unknown) =>
        log.warn({ credential: credentialId, cause: reasonOf(error) }, 'the failure of an own key could not be noted'),
      )
    },
  }
}

function notAllowed(credentials: readonly SealedCredential[]): AppError {
  const names = credentials.map(({ provider }) => provider).join(', ')
  return new AppError(
    'model_disabled',
    `Only the workspace's own key for ${names} may be used for this model, and this gateway no longer allows it or the address that it is for. An admin can change the key, or how it is used.`,
    { param: 'model' },
  )
}

/** The provider as the workspace's account there; null where the operator does not allow it (any more). */
function ownAccount(
  catalog: Catalog,
  credential: SealedCredential,
  base: Provider,
  open: (credential: SealedCredential) => string,
): Provider | null {
  const chosen = chosenBaseUrl(catalog, credential)
  if (chosen === undefined) return null
  const endpoints = chosen ? endpointsAt(chosen, base) : base.endpoints
  if (endpoints.size === 0) return null
  const account = {
    ...base,
    tag: createHash('sha256').update(`${base.tag}\n${credential.id}`).digest('hex').slice(0, base.tag.length),
    endpoints,
    // Another address may be in another place.
    region: chosen ? chosen.region : base.region,
    own: { credentialId: credential.id, egress: chosen ? { allowPrivate: chosen.allowPrivate } : null },
  }
  return withSecret(account, open(credential))
}

function endpointsAt({ url, protocols }: OwnBaseUrl, base: Provider): ReadonlyMap<Protocol, string> {
  return new Map([...base.endpoints.keys()].filter((one) => protocols.includes(one)).map((one) => [one, url]))
}
