/**
 * Signing in at an OpenID Connect provider (OpenID Connect Core 1.0, code flow): PKCE by S256 (RFC 7636), state, nonce,
 * the issuer in the answer (RFC 9207), and a signed ID token of exactly this provider, for exactly this client. The
 * checks are those of `openid-client`; which are asked for stands here.
 */
import type * as OpenId from 'openid-client'
import type { IdentityProvider } from '../../domain/sign-in-config.ts'
import { checkAddress, fetchFrom, openIdClient, PROVIDER_TIMEOUT_SECONDS, providerFailure } from './provider-fetch.ts'

/** One way to a provider and back. All of it is random but the address. */
export interface RoundTrip {
  readonly state: string
  readonly nonce: string
  /** What the challenge of PKCE was made of. */
  readonly verifier: string
  /** Where the provider sends the browser back to. */
  readonly redirectUri: string
}

/** Who somebody is, as their provider says and has proved. */
export interface ProvenIdentity {
  readonly issuer: string
  /** What the issuer calls the person, for ever; nothing else identifies. */
  readonly subject: string
  readonly email: string | null
  readonly isEmailVerified: boolean
  readonly name: string | null
  /** Google's: the organisation that the account belongs to. */
  readonly hostedDomain: string | null
  /** Of the claim that the role map names; null where there is no role map. */
  readonly groups: readonly string[] | null
}

type Claims = Readonly<Record<string, unknown>>

/** Discovery is asked again after this long; keys are fetched for every sign-in, so that a new one is known at once. */
const METADATA_MS = 5 * 60_000
const known = new WeakMap<
  IdentityProvider,
  { readonly atMs: number; readonly metadata: Promise<OpenId.ServerMetadata> }
>()

/** Where to send the browser. @throws AppError upstream_unavailable, sign_in_failed */
export async function beginOidc(provider: IdentityProvider, trip: RoundTrip, nowMs: number): Promise<URL> {
  try {
    const client = await openIdClient()
    const config = await configurationOf(provider, nowMs)
    const url = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: trip.redirectUri, scope: provider.scopes.join(' '), state: trip.state, nonce: trip.nonce },
      ...{ code_challenge: await client.calculatePKCECodeChallenge(trip.verifier), code_challenge_method: 'S256' },
    })
    return checkAddress(url.href, provider)
  } catch (error) {
    throw providerFailure(provider, error)
  }
}

/** @param callback the address that the browser came back to, with its query @throws AppError as `beginOidc` */
export async function finishOidc(
  provider: IdentityProvider,
  trip: RoundTrip,
  callback: URL,
  nowMs: number,
): Promise<ProvenIdentity> {
  try {
    const client = await openIdClient()
    const config = await configurationOf(provider, nowMs)
    const tokens = await client.authorizationCodeGrant(config, callback, {
      ...{ expectedState: trip.state, expectedNonce: trip.nonce, pkceCodeVerifier: trip.verifier },
      idTokenExpected: true,
    })
    const idToken = tokens.claims()
    if (!idToken) throw new TypeError('there is no ID token')
    return identityOf(provider, await completeClaims(provider, config, tokens.access_token, idToken))
  } catch (error) {
    throw providerFailure(provider, error)
  }
}

async function configurationOf(provider: IdentityProvider, nowMs: number): Promise<OpenId.Configuration> {
  const client = await openIdClient()
  const { clientId, clientSecret } = provider
  const metadata = await metadataOf(provider, nowMs)
  const methods = metadata.code_challenge_methods_supported
  // Many do it and do not say so; who says something else does not.
  if (methods && !methods.includes('S256')) throw new TypeError('the provider does not offer PKCE with S256')
  const usesPost = metadata.token_endpoint_auth_methods_supported?.includes('client_secret_post')
  const auth = usesPost ? client.ClientSecretPost(clientSecret) : client.ClientSecretBasic(clientSecret)
  const config = new client.Configuration(metadata, clientId, undefined, auth)
  config.timeout = PROVIDER_TIMEOUT_SECONDS
  config[client.customFetch] = fetchFrom(provider)
  // Without it the library trusts TLS alone for tokens that it fetches itself.
  client.enableNonRepudiationChecks(config)
  if (new URL(provider.issuer).protocol === 'http:') client.allowInsecureRequests(config)
  return config
}

function metadataOf(provider: IdentityProvider, nowMs: number): Promise<OpenId.ServerMetadata> {
  const found = known.get(provider)
  if (found && nowMs - found.atMs < METADATA_MS) return found.metadata
  const metadata = discover(provider)
  known.set(provider, { atMs: nowMs, metadata })
  // A provider that was away is asked again by whoever comes next.
  metadata.catch(() => known.delete(provider))
  return metadata
}

async function discover(provider: IdentityProvider): Promise<OpenId.ServerMetadata> {
  const client = await openIdClient()
  const issuer = new URL(provider.issuer)
  const config = await client.discovery(issuer, provider.clientId, undefined, client.None(), {
    ...{ timeout: PROVIDER_TIMEOUT_SECONDS, [client.customFetch]: fetchFrom(provider) },
    execute: issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [],
  })
  return config.serverMetadata()
}

/** The ID token is signed and wins; what it does not hold is looked up, and must be about the same person. */
async function completeClaims(
  { roles }: IdentityProvider,
  config: OpenId.Configuration,
  accessToken: string,
  idToken: OpenId.IDToken,
): Promise<Claims & { readonly iss: string; readonly sub: string }> {
  const hasAddress = 'email' in idToken && 'email_verified' in idToken
  const hasGroups = roles === null || findClaim(idToken, roles.claim) !== undefined
  const isWhole = hasAddress && hasGroups && 'name' in idToken
  if (isWhole || config.serverMetadata().userinfo_endpoint === undefined) return idToken
  const client = await openIdClient()
  const more = await client.fetchUserInfo(config, accessToken, idToken.sub)
  // An address and whether it is verified belong together: never one from here and the other from there.
  const { email, email_verified } = hasAddress ? idToken : more
  return { ...more, ...idToken, email, email_verified }
}

function identityOf({ name, roles }: IdentityProvider, claims: Claims & { iss: string; sub: string }): ProvenIdentity {
  return {
    issuer: claims.iss,
    subject: claims.sub,
    email: textOf(claims.email),
    isEmailVerified: claims.email_verified === true,
    name: textOf(claims.name) ?? textOf(claims.preferred_username),
    hostedDomain: textOf(claims.hd),
    groups: roles && readGroups(claims, roles.claim, name),
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

/** A claim by its name, or by the way to it. */
function findClaim(claims: Claims, claim: string): unknown {
  if (Object.hasOwn(claims, claim)) return claims[claim]
  let at: unknown = claims
  for (const part of claim.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined
    at = (at as Claims)[part]
  }
  return at
}

/** None is what many providers send of somebody without groups: by leaving the claim out. */
function readGroups(claims: Claims, claim: string, name: string): readonly string[] {
  const elsewhere = claims._claim_names
  if (typeof elsewhere === 'object' && elsewhere !== null && Object.hasOwn(elsewhere, claim)) {
    throw new TypeError(`${name} sends the groups by reference, which is not followed`)
  }
  const value = findClaim(claims, claim)
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((group) => typeof group === 'string') : []
}
