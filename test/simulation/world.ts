/** What a simulated run works on: workspaces with money, people, keys, seats and caps, and the prices. */

import { asTokenPrice, nanoUsd, parseUsd, priceTokens, WEIGHT_ONE } from '../../src/base/money.ts'
import { HOUR_MS, MINUTE_MS } from '../../src/base/time.ts'
import type { Cap } from '../../src/domain/cap.ts'
import type { Price, WindowSpec } from '../../src/domain/catalog.ts'
import type { HoldSize } from '../../src/domain/hold-size.ts'
import type { Calendar } from '../../src/domain/window.ts'
import { createBalance, ensureSystemAccounts } from '../../src/store/account.ts'
import type { Database } from '../../src/store/database.ts'
import { savePriceVersions } from '../../src/store/price-version.ts'
import { insertWorkspace } from '../../src/store/workspace.ts'
import { ratesOf } from '../support/rates.ts'
import type { Random } from './random.ts'

export const START_MS = Date.UTC(2026, 10, 20, 12)

export const PRICES: readonly Price[] = [
  { version: 'cheap@1', base: ratesOf('0.1', '0.4', '0.01', '0.125', '0.2'), tiers: [] },
  {
    version: 'odd@1',
    base: ratesOf('1.40', '4.40', '0.260000003', '1.75', '2.80'),
    tiers: [
      { above: 1000, ...ratesOf('2.80', '8.80', '0.52', '3.50', '5.60') },
      { above: 5000, ...ratesOf('2.800000001', '17.6', '0.53', '3.50', '5.60') },
    ],
  },
]

export interface Tenant {
  readonly workspaceId: string
  readonly balanceId: string
  readonly memberIds: readonly string[]
  readonly keyIds: readonly string[]
  readonly seatIds: readonly string[]
  calendar: Calendar
  caps: Cap[]
  useBalance: boolean
}

/** Short, so that many of them come and go in a run. */
export const WINDOWS: readonly WindowSpec[] = [
  { name: 'session', kind: 'session', lengthMs: 2 * MINUTE_MS, unit: null, limit: parseUsd('0.3') },
  { name: 'sliding', kind: 'sliding', lengthMs: 5 * MINUTE_MS, unit: null, limit: parseUsd('0.5') },
  { name: 'weekly', kind: 'calendar', lengthMs: 0, unit: 'week', limit: parseUsd('2') },
  { name: 'monthly', kind: 'anchored', lengthMs: 0, unit: 'month', limit: parseUsd('3') },
]
export const ANCHOR_MS = START_MS - 50 * HOUR_MS
export const WEIGHTS: readonly bigint[] = [WEIGHT_ONE, 0n, 500_000n, 333_333n, 4_000_001n]
export const CALENDARS: readonly Calendar[] = [
  { timeZone: 'UTC', weekStart: 1 },
  { timeZone: 'Europe/Berlin', weekStart: 7 },
  { timeZone: 'Pacific/Auckland', weekStart: 3 },
  { timeZone: 'America/St_Johns', weekStart: 6 },
]

export function createTenants(): Tenant[] {
  return ['a', 'b'].map((name) => ({
    workspaceId: `wrk_${name}`,
    balanceId: `acc_${name}`,
    memberIds: [`mem_${name}1`, `mem_${name}2`],
    keyIds: [`key_${name}1`, `key_${name}2`],
    seatIds: [`seat_${name}1`, `seat_${name}2`],
    calendar: { timeZone: 'UTC', weekStart: 1 },
    caps: [],
    useBalance: true,
  }))
}

/** Writes what must be there before the first request. */
export async function furnish(database: Database): Promise<void> {
  await database.write(async (sql) => {
    await ensureSystemAccounts(sql)
    for (const { workspaceId, balanceId } of createTenants()) {
      await insertWorkspace(sql, { id: workspaceId, name: workspaceId }, START_MS)
      await createBalance(sql, balanceId, workspaceId)
    }
    await savePriceVersions(sql, PRICES, START_MS)
  })
}

/** A hold's size as an admission makes it: a prompt and an output, each at the dearest rate in reach. */
export function sizeOf(price: Price, prompt: number, output: number, isStream: boolean): HoldSize {
  const reached = [price.base, ...price.tiers.filter(({ above }) => prompt > above)]
  const input = reached.flatMap((rates) => [rates.input, rates.cachedRead, rates.cacheWrite5m, rates.cacheWrite1h])
  const dearest = (rates: readonly bigint[]): bigint => rates.reduce((a, b) => (b > a ? b : a))
  const leastOutput = Math.min(output, 64)
  return {
    prompt: priceTokens(prompt, nanoUsd(dearest(input))),
    outputRate: nanoUsd(dearest(reached.map((rates) => rates.output))),
    output,
    leastOutput,
    slice: isStream ? 256 : null,
  }
}

/** A cap that often refuses. */
export function randomCap(random: Random, tenant: Tenant, n: number): Cap {
  const scope = random.pick(['workspace', 'member', 'key'] as const)
  const subjects = { workspace: [tenant.workspaceId], member: tenant.memberIds, key: tenant.keyIds }
  return {
    id: `cap_${n}`,
    workspaceId: tenant.workspaceId,
    scope,
    subjectId: random.pick(subjects[scope]),
    unit: random.pick(['day', 'week', 'month']),
    limit: random.chance(0.1) ? nanoUsd(0) : nanoUsd(random.int(1_000_000, 800_000_000)),
  }
}

/** All of it at once, as a request that is not streamed. */
export function wholeSize(hold: bigint): HoldSize {
  return { prompt: asTokenPrice(nanoUsd(hold)), outputRate: nanoUsd(0), output: 0, leastOutput: 0, slice: null }
}
