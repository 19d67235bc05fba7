/** M10: parallel turns of one agent never spend more than the tightest of its limits, and all of that. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createField, forEachField } from './nodes.ts'
import { createRandom } from './random.ts'
import { type Limit, raceTurns } from './turns.ts'
import { addBuyer, type Buyer, CENT, capOf, IS_LONG, planOf, SEED, windowOf } from './world.ts'

const LIMIT = 40n * CENT
const WIDE = 1000n * CENT
const REPEATS = IS_LONG ? 20 : 1

type LimitOf = (buyer: Buyer) => Limit

const BY_CAP = (['key', 'member', 'workspace'] as const).flatMap((scope) =>
  (['day', 'week', 'month'] as const).map((unit): [string, LimitOf] => [
    `a cap of the ${scope} by ${unit}`,
    (buyer) => {
      const wide = capOf(buyer, scope === 'key' ? 'member' : 'key', unit, WIDE)
      return { wish: { caps: [wide, capOf(buyer, scope, unit, LIMIT)] }, limit: LIMIT }
    },
  ]),
)
const BY_WINDOW = (['session', 'calendar', 'anchored', 'sliding'] as const).map((kind): [string, LimitOf] => [
  `a window by ${kind}`,
  (buyer) => {
    const wide = { ...windowOf('calendar', WIDE), name: 'wide' }
    return { wish: { sources: [planOf(buyer, [wide, windowOf(kind, LIMIT)])] }, limit: LIMIT }
  },
])
const LIMITS: readonly [string, LimitOf][] = [
  ['the balance', () => ({ wish: {}, limit: WIDE / 10n })],
  ...BY_CAP,
  ...BY_WINDOW,
]

forEachField((engine, setting) => {
  it(`is never overspent, whichever limit is the tight one (ZENDO_TEST_SEED=${SEED})`, async (t) => {
    const field = await createField(t, engine, setting)
    const random = createRandom(SEED)
    for (const [name, limitOf] of LIMITS) {
      for (let repeat = 0; repeat < REPEATS; repeat++) {
        const buyer = await addBuyer(field.db, name === 'the balance' ? WIDE / 10n : WIDE * 10n)
        assert.deepEqual(await raceTurns(field, buyer, limitOf(buyer), random), [], name)
      }
    }
  })
})
