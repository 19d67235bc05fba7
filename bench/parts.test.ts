/** Naming a part runs that part and no more; translation is never measured without a ledger. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseParts } from './parts.ts'
import { SCENARIOS } from './scenarios.ts'
import { SUBJECT_NAMES } from './subjects.ts'

const namesOf = (only: string[]): string[] => chooseParts(only).scenarios.map(({ name }) => name)

test('everything is run when nothing is named', () => {
  const { scenarios, names, isTimedAlone } = chooseParts([])
  assert.deepEqual([scenarios.length, names, isTimedAlone], [SCENARIOS.length, SUBJECT_NAMES, true])
})

test('a translated scenario needs the one Zendo that translates, and no other subject is started', () => {
  const { scenarios, names, isTimedAlone } = chooseParts(['translated-stream'])
  assert.deepEqual(names, ['direct', 'zendo-balance'])
  assert.deepEqual([scenarios.length, isTimedAlone], [1, false])
})

test('what the named subjects are not asked is left out', () => {
  assert.ok(namesOf(['zendo-balance']).includes('translated-large'))
  assert.ok(!namesOf(['floor', 'zendo-plan']).some((name) => name.startsWith('translated')))
  assert.equal(chooseParts(['floor']).isTimedAlone, false)
})

test('translation can be timed without starting anything', () => {
  assert.deepEqual(chooseParts(['translation-alone']), {
    ...{ scenarios: [], names: ['direct'], isTimedAlone: true },
    ...{ measuresMoney: false, timesLedger: false },
  })
})
