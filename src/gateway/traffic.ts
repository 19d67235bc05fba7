/** What a caller may send whatever it is charged: a rate, a number at once, and not the same for ever. Held in memory. */
import type { Logger } from 'pino'
import { AppError } from '../base/errors.ts'
import { type Clock, SECOND_MS } from '../base/time.ts'
import type { RateLimit, TrafficLimits } from '../domain/catalog.ts'
import { addressGroup } from '../domain/client-address.ts'
import { createInFlight } from './in-flight.ts'
import { createLoopBreaker, type Loop, type LoopLimit, type Sent } from './loop-breaker.ts'
import { createRateLimiter, type RateLimiter } from './rate-limit.ts'

export interface Caller {
  /** Null for a request without a key. */
  readonly keyId: string | null
  /** The client's address, already seen through trusted proxies. */
  readonly address: string
}

export interface Traffic {
  /**
   * Takes a request before anything is done for it. What is returned must be called when the request has ended,
   * however it did; twice is once. @throws AppError rate_limited, loop_detected
   * @param target the model where it stands in the path and not in the body, as Google has it
   */
  enter(who: Caller, body: Buffer, target?: string): () => void
  /** Takes a request that ends at once and is not kept track of, as a count of tokens. @throws AppError rate_limited */
  check(who: Caller): void
  /** The same for a request whose key was refused: whoever guesses keys does so slowly. @throws AppError rate_limited */
  checkAddress(address: string): void
}

export interface TrafficOptions {
  /** The limits in force; asked at each request. */
  readonly limits: () => TrafficLimits
  /** What this process takes of a rate and of the requests under way: above 0 to 1, which is all of it. */
  readonly share: number
  /** Keys the hashes of bodies and addresses. */
  readonly secret: string
  readonly clock: Clock
  readonly log: Pick<Logger, 'warn'>
}

/** When a request under way may have ended; nobody knows. */
const IN_FLIGHT_RETRY_SECONDS = 1

export function createTraffic({ limits, share, secret, clock, log }: TrafficOptions): Traffic {
  if (!(share > 0 && share <= 1)) throw new RangeError('the share of a process is above 0 to 1')
  const keys = createRateLimiter({ secret })
  const addresses = createRateLimiter({ secret })
  const inFlight = createInFlight()
  const loops = createLoopBreaker({ secret })

  function check({ keyId, address }: Caller): void {
    if (keyId === null) takeOne(addresses, 'address', addressGroup(address), limits().address)
    else takeOne(keys, 'key', keyId, limits().key)
  }

  function takeOne(limiter: RateLimiter, scope: Scope, id: string, limit: RateLimit | null): void {
    if (!limit) return
    const rate = {
      requestsPerMinute: shareOf(limit.requestsPerMinute, share),
      burst: shareOf(limit.burst, share),
    }
    const nowMs = clock()
    const waitMs = limiter.take(id, rate, nowMs)
    if (waitMs > 0) throw rateLimited(scope, rate, waitMs, nowMs)
  }

  /** Also counts where there is no limit: the next configuration may have one. */
  function enterInFlight(keyId: string): () => void {
    const { inFlight: limit } = limits()
    const max = limit === null ? Number.POSITIVE_INFINITY : shareOf(limit, share)
    const leave = inFlight.enter(keyId, max)
    if (!leave) throw tooManyAtOnce(max)
    return leave
  }

  /** An address stands for whoever uses it: without a key there is nothing else to tell callers by. */
  function checkLoop({ keyId, address }: Caller, sent: Sent): void {
    const limit = limits().loop
    if (!limit) return
    const nowMs = clock()
    // Not a share of it: callers keep their connections, and with them their process, and a few retries must be fine.
    const loop = loops.judge(keyId ?? addressGroup(address), sent, limit, nowMs)
    if (!loop) return
    const { count, hash, isNew } = loop
    const { seconds } = limit
    if (isNew) log.warn({ keyId, body: hash, count, seconds }, 'a loop: the same request body again and again')
    throw loopDetected(keyId === null ? 'address' : 'key', loop, limit, nowMs)
  }

  return {
    check,
    checkAddress: (address) => check({ keyId: null, address }),
    enter(who, body, target = '') {
      // First of all, for it takes nothing from a request that it refuses.
      const leave = who.keyId === null ? () => {} : enterInFlight(who.keyId)
      try {
        check(who)
        checkLoop(who, { target, body })
        return leave
      } catch (error) {
        leave()
        throw error
      }
    },
  }
}

type Scope = 'key' | 'address'

/** At least one; the tolerance is for thirds, which floating point does not have. */
function shareOf(count: number, share: number): number {
  return Math.max(1, Math.floor(count * share + 1e-9))
}

function rateLimited(scope: Scope, rate: RateLimit, waitMs: number, nowMs: number): AppError {
  const { requestsPerMinute, burst } = rate
  const who = scope === 'key' ? 'This key' : 'An address without a valid key'
  const seconds = Math.ceil(waitMs / SECOND_MS)
  return new AppError(
    'rate_limited',
    `${who} may send ${requestsPerMinute} requests a minute, and ${burst} at once. Try again in ${counted(seconds, 'second')}.`,
    {
      // Of what may come at once all is used up: that is what a rate refuses by.
      limit: {
        name: 'request rate',
        kind: 'rate',
        scope,
        used: String(burst),
        limit: String(burst),
        unit: 'requests',
        resetsAtMs: nowMs + waitMs,
      },
      retryAfterSeconds: seconds,
    },
  )
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function tooManyAtOnce(max: number): AppError {
  return new AppError(
    'rate_limited',
    `This key has ${counted(max, 'request')} under way, as many as it may have at once. Try again when one has ended.`,
    {
      limit: {
        name: 'requests at once',
        kind: 'concurrency',
        scope: 'key',
        used: String(max),
        limit: String(max),
        unit: 'requests',
        resetsAtMs: null,
      },
      retryAfterSeconds: IN_FLIGHT_RETRY_SECONDS,
    },
  )
}

function loopDetected(scope: Scope, loop: Loop, { repeats, seconds: span }: LoopLimit, nowMs: number): AppError {
  const { count, hash, retryAfterMs } = loop
  const seconds = Math.ceil(retryAfterMs / SECOND_MS)
  return new AppError(
    'loop_detected',
    `The very same request was sent ${count} times within ${counted(span, 'second')} (body ${hash}), as by an agent that is stuck in a loop. ` +
      `It was not sent on, and nothing was charged. Change it, or try again in ${counted(seconds, 'second')}.`,
    {
      limit: {
        name: 'identical requests',
        kind: 'loop',
        scope,
        used: String(count),
        limit: String(repeats),
        unit: 'requests',
        resetsAtMs: nowMs + retryAfterMs,
      },
      retryAfterSeconds: seconds,
    },
  )
}
