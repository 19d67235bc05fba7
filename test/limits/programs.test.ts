/** L01: windows decide, count and reset as an independent oracle says, in random programs (PP-33, PP-34). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { resetsAtOf, windowStateOf } from '../../src/domain/window.ts'
import { MAX_STEPS, newTally, program, type Rules, runProgram } from './program.ts'
import { WRONG_RULES } from './wrong-rules.ts'

const RUNS = 20_000
/** A wrong rule must be found out in a tenth of what the right ones stand. */
const WRONG_RUNS = RUNS / 10
const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 2 ** 31)
const RULES: Rules = { windowStateOf, resetsAtOf }

describe('windows', () => {
  it(`${RUNS} programs of up to ${MAX_STEPS} steps end as the oracle says (ZENDO_TEST_SEED=${seed})`, (t) => {
    const tally = newTally()
    fc.assert(
      fc.property(program, (random) => runProgram(random, RULES, tally)),
      { seed, numRuns: RUNS },
    )
    t.diagnostic(JSON.stringify(tally))
    for (const [what, count] of Object.entries(tally)) assert.ok(count > RUNS, `the programs hardly ${what}`)
  })
})

describe('the oracle refuses', () => {
  for (const [mistake, rules] of Object.entries(WRONG_RULES)) {
    it(`that ${mistake}`, (t) => {
      const verdict = fc.check(
        fc.property(program, (random) => runProgram(random, rules, newTally())),
        { seed, numRuns: WRONG_RUNS, endOnFailure: true },
      )
      assert.ok(verdict.failed, `${WRONG_RUNS} programs found nothing (seed ${seed})`)
      t.diagnostic(`program ${verdict.numRuns}: ${verdict.errorInstance}`)
    })
  }
})
