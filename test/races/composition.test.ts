/**
 * L05: a request is admitted exactly when all limits of one of its sources have room. The limit that a refusal names is
 * one that refuses, and the one that lasts longest. What is shown as left is the largest hold that is admitted (PP-78).
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { largestHold, type Payer } from '../../src/control/left.ts'
import { UTC_CALENDAR } from '../../src/domain/window.ts'
import { applyHold } from '../../src/ledger/hold.ts'
import { createTree, hasRoom, type PlainLimit, refusesUntil, type Tree } from './composition.ts'
import { createRandom, type Random } from './random.ts'
import { IS_LONG, NOON_MS, SEED } from './world.ts'

const CASES = (IS_LONG ? 50 : 1) * 20_000

interface Verdict {
  readonly isAdmitted: boolean
  /** Of the limits of the last source, those that refuse and last longest. */
  readonly names: readonly string[]
}

function oracle(tree: Tree, amount: number, fits: typeof hasRoom = hasRoom): Verdict {
  const isAdmitted = tree.limits.some((limits) => limits.every((limit) => fits(limit, amount)))
  const refusing = (tree.limits.at(-1) ?? []).filter((limit) => !fits(limit, amount))
  const longest = Math.max(...refusing.map((limit) => refusesUntil(limit, amount)))
  return {
    isAdmitted,
    names: refusing.filter((limit) => refusesUntil(limit, amount) === longest).map(({ name }) => name),
  }
}

function checkTree(random: Random, fits?: (limit: PlainLimit, amount: number) => boolean): boolean {
  const tree = createTree(random)
  const amount = random.below(50)
  const wanted = oracle(tree, amount, fits)
  const result = applyHold(tree.books(), tree.command(BigInt(amount)), true)
  const text = JSON.stringify({ amount, limits: tree.limits })
  assert.equal(result.ok, wanted.isAdmitted, text)
  if (result.ok) return true
  assert.ok(result.refusal.kind === 'limit')
  assert.ok(wanted.names.includes(result.refusal.limit.name), `${result.refusal.limit.name} is named for ${text}`)
  return false
}

describe('the composition of limits', () => {
  it(`${CASES} random trees are decided as each of their limits says (ZENDO_TEST_SEED=${SEED})`, () => {
    const random = createRandom(SEED)
    let admitted = 0
    for (let n = 0; n < CASES; n++) if (checkTree(random)) admitted++
    assert.ok(admitted > CASES / 10 && admitted < (CASES * 9) / 10, `${admitted} were admitted`)
  })

  it('control: an oracle that forgets what others hold disagrees', () => {
    const random = createRandom(SEED)
    const forgetful = (limit: PlainLimit, amount: number): boolean => hasRoom({ ...limit, held: 0 }, amount)
    assert.throws(() => {
      for (let n = 0; n < 1000; n++) checkTree(random, forgetful)
    }, assert.AssertionError)
  })

  it(`what is shown as left is the largest hold that fits, and no more than that (ZENDO_TEST_SEED=${SEED})`, () => {
    const random = createRandom(SEED)
    for (let n = 0; n < CASES / 4; n++) {
      const tree = createTree(random)
      if (tree.weight !== 1000) continue
      const { workspaceId, accountId } = tree.buyer
      const payer: Payer = { workspaceId, accountId, caps: tree.caps, calendar: UTC_CALENDAR }
      const shown = largestHold(tree.books(), payer, tree.sources, NOON_MS)
      const amount = shown?.amount
      assert.ok(shown && amount !== null && amount !== undefined)
      const text = JSON.stringify({ shown: String(amount), limits: tree.limits })
      assert.equal(
        applyHold(tree.books(), tree.command(amount), true).ok,
        amount > 0n || oracle(tree, 0).isAdmitted,
        text,
      )
      assert.equal(applyHold(tree.books(), tree.command(amount + 1n), true).ok, false, text)
      const binding = tree.limits.flat().filter((limit) => !hasRoom(limit, Number(amount) + 1))
      assert.ok(
        binding.some(({ name }) => name === shown.binding?.name),
        `${shown.binding?.name} binds in ${text}`,
      )
    }
  })
})
