/**
 * HTTP to providers of identities, and what is said when something is wrong with them. Bounded in time and size, never
 * redirected, and in the clear only to this machine: a document of theirs cannot send secrets elsewhere.
 */
import type * as OpenId from 'openid-client'
import { AppError } from '../../base/errors.ts'
import { type IdentityProvider, isLoopbackUrl } from '../../domain/sign-in-config.ts'

export const PROVIDER_TIMEOUT_SECONDS = 10
const MAX_ANSWER_BYTES = 1024 * 1024

/** The provider could not be asked: nothing is said about whoever wants to sign in. */
class UnreachableError extends Error {
  override readonly name = 'UnreachableError'
}

/** Loaded when it is first needed: most instances sign in nobody through it, and it takes megabytes. */
export function openIdClient(): Promise<typeof OpenId> {
  return import('openid-client')
}

/** In the clear is for a provider on this machine, and then for nothing else. */
export function checkAddress(address: string, provider: IdentityProvider): URL {
  const url = new URL(address)
  const isPlain = url.protocol === 'http:' && isLoopbackUrl(url) && isLoopbackUrl(new URL(provider.issuer))
  if (url.protocol === 'https:' || isPlain) return url
  throw new TypeError('an address of the provider is not https')
}

/** For the library, and for what it does not ask itself. */
export function fetchFrom(provider: IdentityProvider): OpenId.CustomFetch {
  return async (address, { body, method, headers, signal }) => {
    const url = checkAddress(address, provider)
    const limit = AbortSignal.timeout(PROVIDER_TIMEOUT_SECONDS * 1000)
    try {
      const response = await fetch(url, {
        ...{ method, headers, body: body ?? null, redirect: 'manual' },
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      })
      const bytes = await readBounded(response)
      const { status } = response
      return new Response(status === 204 || status === 304 ? null : bytes, { status, headers: response.headers })
    } catch (cause) {
      throw new UnreachableError('the provider could not be asked', { cause })
    }
  }
}

async function readBounded(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    // Leaving the loop cancels the rest.
    if (length > MAX_ANSWER_BYTES) throw new Error('the answer is too large')
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/** What to tell, and what to log: the library's errors name what did not fit, their causes hold tokens and are left out. */
export function providerFailure(provider: IdentityProvider, error: unknown): AppError {
  if (error instanceof AppError) return error
  const { name } = provider
  return isUnreachable(error)
    ? new AppError('upstream_unavailable', `${name} cannot be asked right now. Try again, or sign in another way.`, {
        ...{ cause: reasonOf(error), metadata: { reason: 'provider_unreachable' }, retryAfterSeconds: 5 },
      })
    : new AppError('sign_in_failed', `${name} did not confirm who you are. Begin again.`, {
        ...{ cause: reasonOf(error), metadata: { reason: 'provider_refused' } },
      })
}

function isUnreachable(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof UnreachableError) return true
  return false
}

/** `OAUTH_JWT_CLAIM_COMPARISON_FAILED: unexpected JWT claim value encountered` */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? `${error.code}: ${error.message}` : error.message
}
