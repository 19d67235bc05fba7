/** The race of first requests: a subject that no window was opened for yet, and many requests at the same moment. */
import { nanoUsd } from '../../src/base/money.ts'
import type { WindowSpec } from '../../src/domain/catalog.ts'
import type { Source } from '../../src/ledger/command.ts'
import type { MeterScope } from '../../src/store/meter.ts'
import { sampleViolations } from './checker.ts'
import { dawdle, type Field } from './nodes.ts'
import type { Random } from './random.ts'
import { addBuyer, type Buyer, CENT, capOf, holdCommand, NOON_MS, planOf, type Wish, windowOf } from './world.ts'

export const REQUESTS = 32
export const ROOM = 10
/** Subjects. */
const AT_ONCE = 8

export interface FirstRequests {
  /** What went wrong, by subject. */
  readonly faults: readonly string[]
  readonly violations: readonly string[]
}

/** Each subject's requests come at once, on all nodes; several subjects do at the same time. */
export async function raceFirstRequests(field: Field, subjects: number, random: Random): Promise<FirstRequests> {
  const stopSampling = sampleViolations(field.db)
  const faults: string[] = []
  for (let first = 0; first < subjects; first += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, subjects - first) }, (_, i) => first + i)
    const found = await Promise.all(numbers.map((n) => raceSubject(field, n, random)))
    faults.push(...found.flat())
  }
  return { faults, violations: await stopSampling() }
}

async function raceSubject(field: Field, n: number, random: Random): Promise<string[]> {
  const buyer = await addBuyer(field.db, 10_000n * CENT)
  const wish = wishOf(buyer, n)
  const opened = Promise.withResolvers<void>()
  const clients = Array.from({ length: REQUESTS }, async (_, i) => {
    await opened.promise
    await dawdle(random.below(4))
    // No two clocks agree to the millisecond.
    const command = holdCommand(buyer, { ...wish, amount: CENT, atMs: NOON_MS + random.below(50) })
    return field.nodeOf(i).hold(command)
  })
  opened.resolve()
  const results = await Promise.allSettled(clients)
  const admitted = results.filter((one) => one.status === 'fulfilled' && one.value.ok).length
  const failed = results.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []))
  const rows = await field.db.all<{ name: string; n: bigint; held: bigint }>(
    'SELECT name, COUNT(*) AS n, MAX(held) AS held FROM meter WHERE workspace_id = ? GROUP BY name',
    buyer.workspaceId,
  )
  const doubled = rows.filter((row) => row.n !== 1n).map(({ name, n }) => `${n} rows of ${name}`)
  const over = rows.filter(({ held }) => held !== BigInt(ROOM) * CENT).map(({ name, held }) => `${name} holds ${held}`)
  const wrong = admitted === ROOM ? [] : [`${admitted} were admitted`]
  const none = rows.length > 0 ? [] : ['no window was opened']
  return [...failed, ...doubled, ...over, ...wrong, ...none].map((fault) => `subject ${n}: ${fault}`)
}

const CAP_SCOPES: readonly Exclude<MeterScope, 'seat'>[] = ['key', 'member', 'workspace']

/** By turns a plan with windows of three kinds, and caps of three scopes; the tight one is another each time. */
function wishOf(buyer: Buyer, n: number): Pick<Wish, 'sources' | 'caps'> {
  const tight = Math.floor(n / 2) % 3
  const limitOf = (i: number): bigint => (i === tight ? BigInt(ROOM) : 1000n) * CENT
  if (n % 2 === 0) {
    const kinds = ['session', 'calendar', 'anchored'] as const
    const windows: WindowSpec[] = kinds.map((kind, i) => ({
      ...windowOf(kind, limitOf(i)),
      limit: nanoUsd(limitOf(i)),
    }))
    const plan: Source = planOf(buyer, windows)
    return { sources: [plan] }
  }
  return { caps: CAP_SCOPES.map((scope, i) => capOf(buyer, scope, 'day', limitOf(i))) }
}
