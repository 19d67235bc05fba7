/**
 * `npm run test:chaos`: kills, freezes, cuts and fills everything that money depends on, on both engines, and compares
 * the books with what upstream and clients wrote down. Exit code 1 on any contradiction.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findPostgres, type PostgresCluster, startPostgres } from '../support/postgres.ts'
import { within } from '../support/until.ts'
import { drain } from './drain.ts'
import { formatReport, type Result } from './harness/report.ts'
import type { ChaosTest, Outcome } from './harness/suite.ts'
import type { Engine } from './harness/world.ts'
import { m01 } from './m01.ts'
import { m02 } from './m02.ts'
import { m03 } from './m03.ts'
import { m06 } from './m06.ts'
import { m07 } from './m07.ts'
import { m08 } from './m08.ts'
import { m13 } from './m13.ts'

const TESTS: readonly ChaosTest[] = [m01, m02, m03, m06, m07, m08, m13, drain]
const ENGINES: readonly Engine[] = ['sqlite', 'postgres']
const MINUTE_MS = 60_000
const LIMIT_MS = 10 * MINUTE_MS
const LONG_LIMIT_MS = 60 * MINUTE_MS
/** On each engine. */
const KILLS = 50
const LONG_KILLS = 250

interface Options {
  readonly engines: readonly Engine[]
  readonly only: readonly string[]
  readonly seed: number
  /** Over all engines. */
  readonly kills: number | null
  readonly isLong: boolean
  readonly isQuick: boolean
  /** PostgreSQL must be there. */
  readonly isRequired: boolean
  readonly out: string | null
}

process.exitCode = await main(readOptions())
// Whatever a test may have left open must not keep the run.
process.exit()

async function main(options: Options): Promise<number> {
  const { seed, out, isLong } = options
  console.log(`seed ${seed}`)
  const scratch = mkdtempSync(join(tmpdir(), 'zendo-chaos-'))
  // PostgreSQL runs as somebody else, below it.
  chmodSync(scratch, 0o711)
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true, maxRetries: 3 }))
  const beganAt = performance.now()
  const results: Result[] = []
  const lanes = options.engines.map((engine) => runLane(engine, options, scratch, (result) => results.push(result)))
  const limitMs = isLong ? LONG_LIMIT_MS : LIMIT_MS
  const late = await within('the whole run', Promise.all(lanes), limitMs).then(
    () => null,
    (error: unknown) => String(error),
  )
  const seconds = Math.round((performance.now() - beganAt) / 1000)
  const failed = results.filter(({ outcome }) => outcome.violations.length > 0)
  console.log(formatReport(results, { seed, seconds }))
  if (late) console.log(`FAILED ${late}`)
  if (out) writeFileSync(out, `${JSON.stringify({ seed, seconds, late, results }, null, 2)}\n`)
  return failed.length === 0 && late === null ? 0 : 1
}

/** One engine, one test after the other; the engines side by side. */
async function runLane(
  engine: Engine,
  options: Options,
  scratch: string,
  add: (result: Result) => void,
): Promise<void> {
  const tests = TESTS.filter(({ id, engines }) => engines.includes(engine) && isChosen(options, id))
  if (engine === 'postgres' && findPostgres() === null) {
    const reason = 'PostgreSQL is not installed'
    const violations = options.isRequired ? [reason] : []
    for (const test of tests) add({ engine, test, seconds: 0, outcome: { figures: {}, violations, skipped: reason } })
    return
  }
  for (const test of tests) {
    const beganAt = performance.now()
    const outcome = await runTest(test, engine, options, scratch)
    const seconds = (performance.now() - beganAt) / 1000
    const verdict =
      outcome.skipped ?? (outcome.violations.length === 0 ? 'ok' : `${outcome.violations.length} VIOLATIONS`)
    console.log(`${engine} ${test.id} ${verdict} in ${seconds.toFixed(1)} s`)
    for (const violation of outcome.violations.slice(0, 20)) console.log(`  ${violation}`)
    add({ engine, test, seconds, outcome })
  }
}

function isChosen({ only }: Options, id: string): boolean {
  return only.length === 0 || only.includes(id)
}

async function runTest(test: ChaosTest, engine: Engine, options: Options, scratch: string): Promise<Outcome> {
  let cluster: PostgresCluster | null = null
  try {
    cluster = engine === 'postgres' ? await startPostgres() : null
    return await test.run({
      engine,
      seed: options.seed,
      scratch,
      kills: killsOf(options),
      isLong: options.isLong,
      isQuick: options.isQuick,
      cluster,
      say: (text) => console.log(`${engine} ${test.id} ${text}`),
    })
  } catch (error) {
    return { figures: {}, violations: [error instanceof Error ? (error.stack ?? error.message) : String(error)] }
  } finally {
    await cluster?.close()
  }
}

function killsOf({ kills, isLong, engines }: Options): number {
  if (kills !== null) return Math.ceil(kills / engines.length)
  return isLong ? LONG_KILLS : KILLS
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string', default: 'both' },
      only: { type: 'string', default: '' },
      seed: { type: 'string' },
      kills: { type: 'string' },
      long: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      require: { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  })
  const engines = values.engine === 'both' ? ENGINES : ENGINES.filter((engine) => engine === values.engine)
  if (engines.length === 0) throw new Error('--engine takes sqlite, postgres or both')
  const only = values.only.split(',').filter((id) => id !== '')
  const unknown = only.filter((id) => !TESTS.some((test) => test.id === id))
  if (unknown.length > 0)
    throw new Error(`--only knows ${TESTS.map(({ id }) => id).join(', ')}, not ${unknown.join(', ')}`)
  return {
    engines,
    only,
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber(values.seed, 'seed'),
    kills: values.kills === undefined ? null : wholeNumber(values.kills, 'kills'),
    isLong: values.long,
    isQuick: values.quick,
    isRequired: values.require,
    out: values.out ?? null,
  }
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`--${name} takes a whole number, not ${text}`)
  return Number(text)
}
