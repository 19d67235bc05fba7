/** Windows that end while requests are under way, and nodes whose clocks do not agree when. */
import assert from 'node:assert/strict'
import { MINUTE_MS } from '../../src/base/time.ts'
import type { WindowSpec } from '../../src/domain/catalog.ts'
import type { HoldCommand } from '../../src/ledger/command.ts'
import { dawdle, type Field } from './nodes.ts'
import type { Random } from './random.ts'
import {
  type Admitted,
  addBuyer,
  type Buyer,
  CENT,
  endCommand,
  holdCommand,
  NOON_MS,
  planOf,
  windowOf,
} from './world.ts'

const OPEN = 50
const LIMIT = 60n * CENT
const SKEW_MS = 5 * MINUTE_MS

export interface MeterBook {
  readonly starts_at: bigint
  readonly ends_at: bigint
  readonly settled: bigint
  readonly held: bigint
}

async function metersOf({ db }: Field, { workspaceId }: Buyer): Promise<MeterBook[]> {
  return db.all<MeterBook>(
    'SELECT starts_at, ends_at, settled, held FROM meter WHERE workspace_id = ? ORDER BY starts_at',
    workspaceId,
  )
}

async function holdOne(
  field: Field,
  i: number,
  command: HoldCommand,
): Promise<{ command: HoldCommand; held: Admitted }> {
  const held = await field.nodeOf(i).hold(command)
  assert.ok(held.ok, 'it has room')
  return { command, held }
}

/** Fifty are admitted in the last millisecond of a window and end after it, while others fill the next. */
export async function rollWindow(
  field: Field,
  kind: Exclude<WindowSpec['kind'], 'sliding'>,
  random: Random,
): Promise<void> {
  const buyer = await addBuyer(field.db, 0n)
  const sources = [planOf(buyer, [windowOf(kind, LIMIT)])]
  const first = await holdOne(field, 0, holdCommand(buyer, { sources, amount: CENT }))
  await field.nodeOf(1).end(endCommand(first.command, first.held, CENT))
  const endsAtMs = Number((await metersOf(field, buyer))[0]?.ends_at)
  const late = Array.from({ length: OPEN }, (_, i) =>
    holdOne(field, i, holdCommand(buyer, { sources, amount: CENT, atMs: endsAtMs - 1 })),
  )
  const open = await Promise.all(late)
  // Now the window is over: half of the open ones end, while new ones come, and then the rest.
  const endAt = async (i: number): Promise<void> => {
    await dawdle(random.below(8))
    const one = open[i]
    assert.ok(one)
    const ended = await field.nodeOf(i + 1).end(endCommand(one.command, one.held, CENT, { atMs: endsAtMs + 1000 + i }))
    assert.equal(ended.kind, 'ended')
  }
  const next = Array.from({ length: 64 }, async (_, i) => {
    await dawdle(random.below(8))
    const result = await field
      .nodeOf(i)
      .hold(holdCommand(buyer, { sources, amount: CENT, atMs: endsAtMs + random.below(500) }))
    return result.ok
  })
  const admitted = await Promise.all([...next, ...open.map((_, i) => endAt(i).then(() => false))])
  assert.equal(admitted.filter(Boolean).length, 60, 'the next window is as large as the first, whatever is still open')
  const meters = await metersOf(field, buyer)
  assert.deepEqual(
    meters.map(({ settled, held }) => [settled / CENT, held / CENT]),
    [
      [51n, 0n],
      [0n, 60n],
    ],
    'what was admitted in a window counts in it',
  )
}

/** Three nodes whose clocks are five minutes apart; room for ten. */
export async function skewedFirstRequests(field: Field, random: Random): Promise<void> {
  const buyer = await addBuyer(field.db, 0n)
  const sources = [planOf(buyer, [windowOf('session', 10n * CENT)])]
  const results = await Promise.all(
    Array.from({ length: 64 }, async (_, i) => {
      await dawdle(random.below(8))
      const atMs = NOON_MS + ((i % 3) - 1) * SKEW_MS + random.below(100)
      return (await field.nodeOf(i).hold(holdCommand(buyer, { sources, amount: CENT, atMs }))).ok
    }),
  )
  assert.equal(results.filter(Boolean).length, 10)
  const meters = await metersOf(field, buyer)
  assert.equal(meters.length, 1, 'there is one window')
  assert.equal(meters[0]?.held, 10n * CENT)
}

/** The same around a midnight: some clocks are before it, some after it. No day is had twice. */
export async function skewedMidnight(field: Field, random: Random): Promise<void> {
  const buyer = await addBuyer(field.db, 0n)
  const day: WindowSpec = { ...windowOf('calendar', 10n * CENT), unit: 'day' }
  const sources = [planOf(buyer, [day])]
  const midnight = Date.UTC(2026, 10, 21)
  const results = await Promise.all(
    Array.from({ length: 96 }, async (_, i) => {
      await dawdle(random.below(8))
      const atMs = midnight + ((i % 3) - 1) * SKEW_MS
      return (await field.nodeOf(i).hold(holdCommand(buyer, { sources, amount: CENT, atMs }))).ok
    }),
  )
  const meters = await metersOf(field, buyer)
  const held = meters.map((meter) => meter.held / CENT)
  assert.ok(meters.length <= 2 && held.every((amount) => amount <= 10n), `${held.join(' and ')} are held`)
  const sum = held.reduce((total, amount) => total + amount, 0n)
  assert.equal(BigInt(results.filter(Boolean).length), sum)
}
