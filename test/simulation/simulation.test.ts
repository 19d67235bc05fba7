import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findPostgres } from '../support/postgres.ts'
import { runSeeds } from './seeds.ts'

/** A few, so that a broken simulation is noticed; `npm run test:simulation -- --seeds 300` is the real thing. */
const FEW = { first: 1, count: 12, steps: 60, isUnlimited: false, log: null }

describe('the simulation', () => {
  it('finds no wrong commit, and every kind of end comes about', async () => {
    const { failures, ends, commits } = await runSeeds({ ...FEW, engine: 'sqlite' })
    assert.deepEqual(failures, [])
    assert.ok(commits > 500)
    for (const state of ['ended', 'refused', 'failed', 'open']) assert.ok((ends[state] ?? 0) > 0, state)
  })

  it('finds no wrong commit under faults without end', async () => {
    const { failures } = await runSeeds({ ...FEW, engine: 'sqlite', isUnlimited: true })
    assert.deepEqual(failures, [])
  })

  it('comes to the same trace for the same seed, three times of three', async () => {
    const runs = []
    for (let n = 0; n < 3; n++) runs.push((await runSeeds({ ...FEW, engine: 'sqlite', first: 77, count: 2 })).hashes)
    assert.equal(runs[0]?.size, 2)
    assert.deepEqual(runs[1], runs[0])
    assert.deepEqual(runs[2], runs[0])
  })

  it('comes to the same trace on both engines', {
    skip: findPostgres() === null && 'PostgreSQL is not installed',
  }, async () => {
    const [sqlite, postgres] = await Promise.all(
      (['sqlite', 'postgres'] as const).map((engine) => runSeeds({ ...FEW, engine, first: 5, count: 1, steps: 30 })),
    )
    assert.deepEqual(postgres?.failures, [])
    assert.deepEqual(postgres?.hashes, sqlite?.hashes)
  })
})
