/**
 * An OpenID Connect provider on loopback that does everything right until it is told what to do wrong: one thing at a
 * time, so that what is refused is refused for that thing.
 */
import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

type Json = Record<string, unknown>

export interface Tampering {
  readonly metadata?: (document: Json) => Json
  /** What the browser is sent back with. */
  readonly callback?: (query: URLSearchParams) => void
  readonly claims?: (claims: Json) => Json
  /** Makes the whole token; by default RS256 by the published key. */
  readonly idToken?: (claims: Json, forge: Forge) => string
  readonly tokens?: (answer: Json) => Json
  readonly userinfo?: (claims: Json) => Json
  /** Answers the token endpoint with a redirect to there. */
  readonly redirectTokensTo?: string
  /** Takes any code with any verifier. */
  readonly ignoresPkce?: boolean
}

/** What a forger has at hand. */
export interface Forge {
  readonly clientSecret: string
  readonly publicKeyPem: string
  jwt(header: Json, claims: Json, signature: (input: string) => Buffer): string
  rs256(key?: KeyObject): (input: string) => Buffer
  hs256(secret: string): (input: string) => Buffer
}

export interface HostileIdentityProvider {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** Who signs in; `sub` and whatever else it tells. */
  account: Json
  tampering: Tampering
  /** The queries of all that were sent to it to sign in. */
  readonly departures: URLSearchParams[]
  /** How many asked for tokens. */
  tokenRequests(): number
}

const KEY_ID = 'the published key'
/** Making one takes long. */
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

export async function startHostileProvider(t: TestContext): Promise<HostileIdentityProvider> {
  const codes = new Map<string, { nonce: string | null; challenge: string | null; account: Json }>()
  const departures: URLSearchParams[] = []
  let tokenRequests = 0
  let issuer = ''
  const forge: Forge = {
    clientSecret: 'the-secret-of-the-client-is-long-enough',
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    jwt(header, claims, signature) {
      const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
      return `${input}.${signature(input).toString('base64url')}`
    },
    rs256:
      (key = privateKey) =>
      (input) =>
        sign('sha256', Buffer.from(input), key),
    hs256: (secret) => (input) => createHmac('sha256', secret).update(input).digest(),
  }
  const provider: HostileIdentityProvider = {
    get issuer() {
      return issuer
    },
    ...{ clientId: 'zendo', clientSecret: forge.clientSecret, account: {}, tampering: {}, departures },
    tokenRequests: () => tokenRequests,
  }

  const pages: Record<string, (request: IncomingMessage, url: URL, response: ServerResponse) => unknown> = {
    '/.well-known/openid-configuration': () => provider.tampering.metadata?.(metadata()) ?? metadata(),
    '/jwks': () => ({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: KEY_ID, alg: 'RS256', use: 'sig' }] }),
    '/authorize': (_, { searchParams: asked }, response) => {
      departures.push(asked)
      const code = randomUUID()
      codes.set(code, {
        ...{ nonce: asked.get('nonce'), challenge: asked.get('code_challenge'), account: provider.account },
      })
      const query = new URLSearchParams({ code, state: asked.get('state') ?? '', iss: issuer })
      provider.tampering.callback?.(query)
      response.writeHead(302, { location: `${asked.get('redirect_uri')}?${query}` }).end()
      return undefined
    },
    '/token': async (request, _, response) => {
      tokenRequests++
      const asked = new URLSearchParams(await text(request))
      const { redirectTokensTo, ignoresPkce, tokens } = provider.tampering
      if (redirectTokensTo !== undefined) {
        response.writeHead(307, { location: redirectTokensTo }).end()
        return undefined
      }
      const known = codes.get(asked.get('code') ?? '')
      codes.delete(asked.get('code') ?? '')
      const challenge = createHash('sha256')
        .update(asked.get('code_verifier') ?? '')
        .digest('base64url')
      if (!known || (!ignoresPkce && known.challenge !== challenge)) {
        response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}')
        return undefined
      }
      const answer = { access_token: `at ${String(known.account.sub)}`, token_type: 'Bearer', id_token: idToken(known) }
      return tokens?.(answer) ?? answer
    },
    '/userinfo': () => provider.tampering.userinfo?.(provider.account) ?? provider.account,
  }

  function idToken({ nonce, account }: { nonce: string | null; account: Json }): string {
    const now = Math.floor(Date.now() / 1000)
    const right: Json = { iss: issuer, aud: provider.clientId, iat: now, exp: now + 300, nonce, ...account }
    const claims = provider.tampering.claims?.(right) ?? right
    return (
      provider.tampering.idToken?.(claims, forge) ?? forge.jwt({ alg: 'RS256', kid: KEY_ID }, claims, forge.rs256())
    )
  }

  function metadata(): Json {
    return {
      issuer,
      ...{ authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` },
      ...{ userinfo_endpoint: `${issuer}/userinfo`, jwks_uri: `${issuer}/jwks` },
      ...{ response_types_supported: ['code'], subject_types_supported: ['public'] },
      ...{ id_token_signing_alg_values_supported: ['RS256'], code_challenge_methods_supported: ['S256'] },
      authorization_response_iss_parameter_supported: true,
    }
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', issuer)
    const page = pages[url.pathname]
    const answer = page ? await page(request, url, response) : null
    if (!response.headersSent) {
      response.writeHead(page ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return provider
}
