/** How long a refusal takes says nothing of how near a guess was: a key that begins as a real one, against any other. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { setUpInstance } from '../../src/control/setup.ts'
import { formatKey } from '../../src/domain/api-key.ts'
import { createKeyCache } from '../../src/gateway/key-cache.ts'
import { openDatabase } from '../../src/store/open-database.ts'

const SAMPLES = 10_000
const WARM_UP = 2000
/** Of each kind, dropped from both: what the collector and the other processes of the machine did. */
const SLOWEST_SHARE = 0.05
/** On an idle machine it is below 4.5; tests run beside others. */
const BOUND = 10

it(`a key that is nearly right is refused no sooner or later than any other: ${2 * SAMPLES} samples`, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-timing-'))
  const database = await openDatabase({ path: join(directory, 'zendo.db') }, { nowMs: 0 })
  t.after(async () => {
    await database.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const real = randomBytes(20)
  await setUpInstance(database, { nowMs: 0, randomBytes: () => real, trailKey: 'a trail key' })
  const cache = createKeyCache(database)
  assert.ok(await cache.find(formatKey(real)))
  // Both kinds begin alike among themselves: a processor that has seen a text before is quicker at it, whose it is or not.
  const other = randomBytes(20)
  // By chance, so that nothing periodic falls on one kind; made before, so that making them is not measured.
  const guesses = Array.from({ length: WARM_UP + 2 * SAMPLES }, () => {
    const isNear = (randomBytes(1)[0] ?? 0) % 2 === 0
    return { isNear, key: formatKey(Buffer.concat([(isNear ? real : other).subarray(0, 17), randomBytes(3)])) }
  })
  const near: number[] = []
  const far: number[] = []
  for (const [n, { isNear, key }] of guesses.entries()) {
    const beganAt = process.hrtime.bigint()
    await cache.find(key)
    const tookNs = Number(process.hrtime.bigint() - beganAt)
    if (n >= WARM_UP) (isNear ? near : far).push(tookNs)
  }
  const score = welch(trimmed(near), trimmed(far))
  t.diagnostic(`t = ${score.toFixed(2)}`)
  assert.ok(Math.abs(score) < BOUND, `t = ${score}`)
})

function trimmed(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b).slice(0, Math.floor(values.length * (1 - SLOWEST_SHARE)))
}

/** Welch's t of two samples. */
function welch(a: readonly number[], b: readonly number[]): number {
  const [first, second] = [momentsOf(a), momentsOf(b)]
  return (first.mean - second.mean) / Math.sqrt(first.variance / a.length + second.variance / b.length)
}

function momentsOf(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
  return { mean, variance }
}
