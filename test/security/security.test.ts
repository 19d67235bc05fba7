/** Every class of attacks in its smaller measure, and that each of them sees a planted fault. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ATTACKS } from './suite.ts'

const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 1_000_000)
const context = { seed, isLong: false }

for (const { id, title, run, control } of ATTACKS) {
  describe(`${id} (ZENDO_TEST_SEED=${seed})`, () => {
    it(title, async (t) => {
      const { figures, violations, skipped } = await run(context)
      assert.deepEqual(violations, [])
      t.diagnostic(JSON.stringify(figures))
      for (const reason of skipped ?? []) t.diagnostic(`skipped: ${reason}`)
    })

    it('its control finds what was planted', async () => {
      const { violations } = await control(context)
      assert.notDeepEqual(violations, [])
    })
  })
}
