/**
 * Runs seeds of the simulation: `npm run test:simulation -- --seed 123`, or many with `--seeds 2000`. The same seed
 * always comes to the same trace, so a seed that fails is a bug report.
 */
import { parseArgs } from 'node:util'
import { runLanes, runSeeds, type SeedsOptions } from './seeds.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string', default: '60' },
    engine: { type: 'string', default: 'sqlite' },
    bail: { type: 'boolean', default: false },
    unlimited: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const USAGE = `--seed n       the first seed (1)
--seeds n      how many, one after the other (1)
--steps n      acts in each (60)
--engine name  sqlite or postgres
--bail         stops at the first seed that fails
--unlimited    faults that never end: only safety is asked for
--verbose      prints what happens`

if (values.help) console.log(USAGE)
else {
  const engine: SeedsOptions['engine'] = values.engine === 'postgres' ? 'postgres' : 'sqlite'
  const startedAtMs = performance.now()
  const seeds = Number(values.seeds)
  const wanted = {
    ...{ engine, first: Number(values.seed), count: seeds, steps: Number(values.steps) },
    ...{ isUnlimited: values.unlimited, bails: values.bail },
  }
  const isLong = seeds > 20 && engine === 'sqlite' && !values.bail
  const summary = await (isLong ? runLanes(wanted) : runOneByOne(wanted))
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
  const { commits, requests, ends, failures } = summary
  console.log(`${seeds} seeds on ${engine} in ${seconds} s: ${requests} requests, ${commits} commits, each judged`)
  console.log(`ends: ${JSON.stringify(ends)}`)
  for (const failure of failures.slice(0, 20)) console.log(`FAILED ${failure}`)
  console.log(failures.length === 0 ? 'no violation' : `${failures.length} seeds failed`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

function runOneByOne(wanted: Omit<SeedsOptions, 'log' | 'tell'>) {
  return runSeeds({
    ...wanted,
    log: values.verbose ? console.log : null,
    tell: (seed, { hash, events, commits, requests }) => {
      if (wanted.count <= 20)
        console.log(`seed ${seed}: ${hash}, ${requests} requests, ${commits} commits, ${events} events`)
    },
  })
}
