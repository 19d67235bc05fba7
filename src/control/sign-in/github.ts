/**
 * Signing in at GitHub, which has OAuth 2.0 and no ID token: who it is says its API, to the token that this server itself
 * got for the code. The id of the account identifies, never its name, which can be given up and taken by another.
 */
import type * as OpenId from 'openid-client'
import { z } from 'zod'
import type { IdentityProvider } from '../../domain/sign-in-config.ts'
import type { ProvenIdentity, RoundTrip } from './oidc.ts'
import { fetchFrom, openIdClient, PROVIDER_TIMEOUT_SECONDS, providerFailure } from './provider-fetch.ts'

const API_VERSION = '2022-11-28'

const account = z.object({ id: z.int().positive(), login: z.string(), name: z.string().nullish() })
const addresses = z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() }))

/** Where to send the browser. */
export async function beginGithub(provider: IdentityProvider, trip: RoundTrip): Promise<URL> {
  const client = await openIdClient()
  return client.buildAuthorizationUrl(configurationOf(client, provider), {
    ...{ redirect_uri: trip.redirectUri, scope: provider.scopes.join(' '), state: trip.state },
    ...{ code_challenge: await client.calculatePKCECodeChallenge(trip.verifier), code_challenge_method: 'S256' },
  })
}

/** @throws AppError upstream_unavailable, sign_in_failed */
export async function finishGithub(
  provider: IdentityProvider,
  trip: RoundTrip,
  callback: URL,
): Promise<ProvenIdentity> {
  try {
    const client = await openIdClient()
    const tokens = await client.authorizationCodeGrant(configurationOf(client, provider), callback, {
      expectedState: trip.state,
      pkceCodeVerifier: trip.verifier,
    })
    const [user, emails] = await Promise.all([
      ask(provider, tokens.access_token, '/user', account),
      ask(provider, tokens.access_token, '/user/emails', addresses),
    ])
    const primary = emails.find((entry) => entry.primary)
    return {
      issuer: provider.issuer,
      subject: String(user.id),
      email: primary?.email ?? null,
      isEmailVerified: primary?.verified === true,
      name: user.name ?? user.login,
      hostedDomain: null,
      groups: null,
    }
  } catch (error) {
    throw providerFailure(provider, error)
  }
}

function configurationOf(client: typeof OpenId, provider: IdentityProvider): OpenId.Configuration {
  const { issuer, clientId, clientSecret } = provider
  const at = (path: string): string => `${issuer.replace(/\/+$/, '')}/login/oauth/${path}`
  const metadata = { issuer, authorization_endpoint: at('authorize'), token_endpoint: at('access_token') }
  const config = new client.Configuration(metadata, clientId, undefined, client.ClientSecretPost(clientSecret))
  config.timeout = PROVIDER_TIMEOUT_SECONDS
  config[client.customFetch] = fetchFrom(provider)
  if (new URL(issuer).protocol === 'http:') client.allowInsecureRequests(config)
  return config
}

/** github.com and the companies on ghe.com have a host for it, servers of one's own a path. */
function apiUrl(issuer: string): string {
  const { hostname, origin } = new URL(issuer)
  return hostname === 'github.com' || hostname.endsWith('.ghe.com') ? `https://api.${hostname}` : `${origin}/api/v3`
}

async function ask<T>(provider: IdentityProvider, token: string, path: string, shape: z.ZodType<T>): Promise<T> {
  const response = await fetchFrom(provider)(`${apiUrl(provider.issuer)}${path}`, {
    ...{ method: 'GET', body: undefined, redirect: 'manual' },
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${token}`,
      'user-agent': 'zendo',
      'x-github-api-version': API_VERSION,
    },
  })
  if (response.status !== 200) throw new TypeError(`GitHub answered ${response.status} to ${path}`)
  return shape.parse(await response.json())
}
