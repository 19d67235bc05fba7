/** How often the API may be asked, by class of operation: each caller for itself, and each address for who is unknown. */
import { AppError } from '../base/errors.ts'
import { type Clock, SECOND_MS } from '../base/time.ts'
import type { RateClass } from '../contract/operation.ts'
import type { ApiRates, RateLimit } from '../domain/catalog.ts'
import { addressGroup } from '../domain/client-address.ts'
import { createRateLimiter, type RateLimiter } from '../gateway/rate-limit.ts'

export interface Asker {
  /** `person:…` or `key:…`; null for whoever has not said who it is. */
  readonly id: string | null
  readonly address: string
}

export interface Rates {
  /** Takes one request. @throws AppError rate_limited, with the seconds until one would be taken */
  check(rate: RateClass, asker: Asker): void
  /** Whether one more refusal of this caller goes on record: a loop of them must not fill the audit log. */
  mayRecord(asker: Asker): boolean
}

export interface RatesOptions {
  /** The rates in force; asked at each request. */
  readonly rates: () => ApiRates
  /** What this process takes of a rate: above 0 to 1, which is all of it. */
  readonly share: () => number
  /** Chooses the buckets that are shared in a flood of addresses. */
  readonly secret: string
  readonly clock: Clock
}

const CLASSES: readonly RateClass[] = ['read', 'write', 'sign_in', 'probe']
const RECORDED_REFUSALS: RateLimit = { requestsPerMinute: 6, burst: 6 }
const DONE: Readonly<Record<RateClass, string>> = {
  read: 'readings',
  write: 'changes',
  sign_in: 'steps of signing in',
  probe: 'requests that reach out to a provider',
}

export function createRates({ rates, share, secret, clock }: RatesOptions): Rates {
  // One for each: a limiter forgets its buckets by one rate.
  const limiters = new Map<RateClass, RateLimiter>(CLASSES.map((rate) => [rate, createRateLimiter({ secret })]))
  const refusals = createRateLimiter({ secret })
  return {
    check(rate, asker) {
      const limit = rates()[rate]
      if (!limit) return
      const ofThisProcess = {
        requestsPerMinute: shareOf(limit.requestsPerMinute, share()),
        burst: shareOf(limit.burst, share()),
      }
      // Whoever signs in chooses the account, so that only the address tells one from another.
      const id = rate === 'sign_in' ? addressId(asker) : idOf(asker)
      const waitMs = limiters.get(rate)?.take(id, ofThisProcess, clock()) ?? 0
      if (waitMs > 0) throw tooOften(rate, limit, waitMs)
    },
    mayRecord: (asker) => refusals.take(idOf(asker), RECORDED_REFUSALS, clock()) === 0,
  }
}

function idOf(asker: Asker): string {
  return asker.id ?? addressId(asker)
}

function addressId({ address }: Asker): string {
  return `address:${addressGroup(address)}`
}

/** At least one; the tolerance is for thirds, which floating point does not have. */
function shareOf(count: number, share: number): number {
  return Math.max(1, Math.floor(count * share + 1e-9))
}

function tooOften(rate: RateClass, { requestsPerMinute }: RateLimit, waitMs: number): AppError {
  const seconds = Math.ceil(waitMs / SECOND_MS)
  return new AppError(
    'rate_limited',
    `There may be ${requestsPerMinute} ${DONE[rate]} a minute. Try again in ${seconds} second${seconds === 1 ? '' : 's'}.`,
    { retryAfterSeconds: seconds },
  )
}
