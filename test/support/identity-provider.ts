/** A real OpenID Connect provider (`oidc-provider`) on loopback, which takes every browser for whom its header names. */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type Configuration, type JWK, Provider } from 'oidc-provider'

export interface TestIdentityProvider {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** What it tells of an account, by its id, beside the id. */
  readonly accounts: Map<string, Readonly<Record<string, unknown>>>
  /** From now on another key signs, and the one before is no longer published. */
  rotateKey(): void
}

export interface IdentityProviderOptions {
  /** Where browsers may be sent back to. */
  readonly redirectUri: string
  /** Whether the ID token holds the claims; by default they are to be asked for, as the specification has it. */
  readonly claimsInToken?: boolean
}

export async function startIdentityProvider(
  t: TestContext,
  { redirectUri, claimsInToken = false }: IdentityProviderOptions,
): Promise<TestIdentityProvider> {
  const accounts = new Map<string, Readonly<Record<string, unknown>>>()
  const clientSecret = randomUUID()
  let provider: Provider | null = null
  const server = createServer((request, response) => {
    if (!provider) throw new Error('the provider is not ready')
    if (request.url?.startsWith('/interaction/')) void interact(provider, request, response)
    else void provider.callback()(request, response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const configuration: Configuration = {
    clients: [{ client_id: 'zendo', client_secret: clientSecret, redirect_uris: [redirectUri] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'hd'], groups: ['groups'] },
    cookies: { keys: ['the key of its cookies'] },
    conformIdTokenClaims: !claimsInToken,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    pkce: { required: () => true },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId, ...accounts.get(accountId) }) }),
  }
  const rotateKey = (): void => {
    provider = new Provider(issuer, { ...configuration, jwks: { keys: [makeKey()] } })
  }
  rotateKey()
  return { issuer, clientId: 'zendo', clientSecret, accounts, rotateKey }
}

function makeKey(): JWK {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'RS256', use: 'sig' } as JWK
}

/** Signs in and consents at once. */
async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { params } = await provider.interactionDetails(request, response)
  const accountId = String(request.headers['x-test-account'])
  const grant = new provider.Grant({ accountId, clientId: String(params.client_id) })
  grant.addOIDCScope(String(params.scope))
  const result = { login: { accountId }, consent: { grantId: await grant.save() } }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
}
