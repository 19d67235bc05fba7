/** The schema of `limits`: how many requests, how many at once, how often the same; and what an absent key means. */
import { z } from 'zod'
import type { ApiRates, RateLimit, TrafficLimits } from './catalog.ts'
import { count } from './config-values.ts'

/** Chosen so that no honest agent meets them; the reason of each stands in its description below. */
const LIMIT_DEFAULTS = {
  key: { requestsPerMinute: null, inFlight: 200 },
  address: { requestsPerMinute: 600 },
  loop: { repeats: 20, seconds: 60 },
  api: { read: 600, write: 120, signIn: 30, probe: 10 },
  burst: 100,
} as const

const requestsPerMinute = count(0, 1_000_000).nullable().optional()
const burst = count(1, 1_000_000)
  .optional()
  .describe(
    'How many of them may come at once, after as long a silence. Absent: 100, or `requestsPerMinute` where that is less.',
  )
  .meta({ default: LIMIT_DEFAULTS.burst })

const keyLimits = z.strictObject({
  requestsPerMinute: requestsPerMinute
    .describe(
      'Requests a minute of one key, counts of tokens among them; 0 or null: no limit. By default there is none, since what a key may use up is limited in dollars.',
    )
    .meta({ default: LIMIT_DEFAULTS.key.requestsPerMinute }),
  burst,
  inFlight: count(0, 1_000_000)
    .nullable()
    .optional()
    .describe(
      'Requests of one key under way at once; 0 or null: no limit. The default is far above what a team of agents has, and below the `maxConnections` of a provider, so that one key never takes them all.',
    )
    .meta({ default: LIMIT_DEFAULTS.key.inFlight }),
})

const addressLimits = z.strictObject({
  requestsPerMinute: requestsPerMinute
    .describe(
      'Requests a minute from one client address (IPv6: per /64) that carry no key, or one that is refused; 0 or null: no limit. By default ten a second: enough for an office behind one address, too few to guess keys or to wear the server out.',
    )
    .meta({ default: LIMIT_DEFAULTS.address.requestsPerMinute }),
  burst,
})

const loopLimits = z.strictObject({
  repeats: count(0, 1000)
    .nullable()
    .refine((repeats) => repeats !== 1, { error: 'must be 0 (off) or at least 2' })
    .optional()
    .describe(
      'How often one key (without a key: one address) may send the very same body within `seconds`; 0 or null: as often as it likes. The body of an agent grows with every turn, so that only retries and side calls repeat one, a few times.',
    )
    .meta({ default: LIMIT_DEFAULTS.loop.repeats }),
  seconds: count(1, 3600)
    .optional()
    .describe('The time in which the same bodies are counted.')
    .meta({ default: LIMIT_DEFAULTS.loop.seconds }),
})

const apiRate = (byDefault: number, what: string) =>
  requestsPerMinute.describe(`${what} a minute, and as many at once; 0 or null: no limit.`).meta({ default: byDefault })

const apiLimits = z.strictObject({
  read: apiRate(LIMIT_DEFAULTS.api.read, 'Readings by one person or key'),
  write: apiRate(LIMIT_DEFAULTS.api.write, 'Changes by one person or key'),
  signIn: apiRate(LIMIT_DEFAULTS.api.signIn, 'Steps of signing in from one client address (IPv6: per /64)'),
  probe: apiRate(LIMIT_DEFAULTS.api.probe, 'Requests by one person or key that make Zendo ask a provider'),
})

export const limitsEntry = z.strictObject({
  key: keyLimits.optional().describe('For each key.'),
  address: addressLimits.optional().describe('For each client address, where there is no valid key.'),
  loop: loopLimits.optional().describe('Against agents that send the same request again and again.'),
  api: apiLimits.optional().describe('For the API that people and scripts manage the gateway by.'),
})

export type LimitsEntry = z.infer<typeof limitsEntry>

/** The limits in force, with defaults where the file says nothing. */
export function trafficLimits({ key = {}, address = {}, loop = {} }: LimitsEntry = {}): TrafficLimits {
  const { inFlight = LIMIT_DEFAULTS.key.inFlight } = key
  const { repeats = LIMIT_DEFAULTS.loop.repeats, seconds = LIMIT_DEFAULTS.loop.seconds } = loop
  return {
    key: rateLimit(key, LIMIT_DEFAULTS.key.requestsPerMinute),
    inFlight: inFlight === 0 ? null : inFlight,
    address: rateLimit(address, LIMIT_DEFAULTS.address.requestsPerMinute),
    loop: repeats === 0 || repeats === null ? null : { repeats, seconds },
  }
}

function rateLimit(entry: NonNullable<LimitsEntry['address']>, byDefault: number | null): RateLimit | null {
  const { requestsPerMinute = byDefault } = entry
  if (requestsPerMinute === null || requestsPerMinute === 0) return null
  return { requestsPerMinute, burst: entry.burst ?? Math.min(LIMIT_DEFAULTS.burst, requestsPerMinute) }
}

/** How often the API may be asked, with defaults where the file says nothing. */
export function apiRates({ api = {} }: LimitsEntry = {}): ApiRates {
  const byDefault = LIMIT_DEFAULTS.api
  const { read = byDefault.read, write = byDefault.write, signIn = byDefault.signIn, probe = byDefault.probe } = api
  const rateOf = (perMinute: number | null): RateLimit | null =>
    perMinute === null || perMinute === 0 ? null : { requestsPerMinute: perMinute, burst: perMinute }
  return { read: rateOf(read), write: rateOf(write), sign_in: rateOf(signIn), probe: rateOf(probe) }
}
