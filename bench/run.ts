/**
 * `npm run bench`: measures Zendo beside a bare relay and nginx on one core, with mock and load on another.
 *
 * Method and reading of the figures: docs/benchmarks.md. Ends with code 1 when a request failed, a reply differed
 * from the mock's, or a ledger did not agree with what was answered.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { RunRecord } from './cells.ts'
import { LOAD_CORE } from './closed-loop.ts'
import { type Effort, measure } from './measure.ts'
import { ALONE } from './parts.ts'
import { startPinned } from './pinned-process.ts'
import { describeMachine } from './proc.ts'
import { type RunFacts, renderReport, replaceGenerated } from './report.ts'
import { SCENARIOS } from './scenarios.ts'
import { nginxVersion, SUBJECT_NAMES } from './subjects.ts'

const SCENARIO_NAMES: readonly string[] = [...SCENARIOS.map(({ name }) => name), ...ALONE]

const USAGE = `npm run bench -- [options]
  --quick          one round of less than a second per cell, to see that it runs
  --rounds N       interleaved rounds, default 3
  --only a,b       only these subjects (${SUBJECT_NAMES.join(', ')})
                   or scenarios (${SCENARIO_NAMES.join(', ')})
  --out FILE       write the tables into FILE between its markers; without it they are only printed
  --profile DIR    write CPU profiles of Zendo to DIR (slows it down: not for published figures)`

interface Options {
  readonly effort: Effort
  readonly only: readonly string[]
  readonly out: string | undefined
  readonly profile: string | undefined
}

const THOROUGH: Effort = {
  rounds: 3,
  phases: { warmUpMs: 2000, measureMs: 5000 },
  tries: 3,
  turns: { warmUp: 20, measured: 101 },
  ledgerPairs: 8000,
}
const QUICK: Effort = {
  rounds: 1,
  phases: { warmUpMs: 300, measureMs: 500 },
  tries: 1,
  turns: { warmUp: 3, measured: 7 },
  ledgerPairs: 500,
}

function parseOptions(): Options {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string' },
      out: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) stopWith(USAGE, 0)
  const effort = values.quick ? QUICK : THOROUGH
  const rounds = Number(values.rounds ?? effort.rounds)
  const only = values.only?.split(',').filter(Boolean) ?? []
  const known: readonly string[] = [...SUBJECT_NAMES, ...SCENARIO_NAMES]
  const unknown = only.filter((name) => !known.includes(name))
  if (unknown.length > 0) stopWith(`nothing is called ${unknown.join(', ')}\n${USAGE}`, 2)
  if (!Number.isInteger(rounds) || rounds < 1) stopWith(`--rounds takes a whole number\n${USAGE}`, 2)
  return { effort: { ...effort, rounds }, only, out: values.out, profile: values.profile }
}

function stopWith(text: string, code: number): never {
  console.error(text)
  process.exit(code)
}

/** The runner itself sits on the load's core, where it sleeps while anything is measured. */
function takeLoadCore(): void {
  if (cpus().length < 2) stopWith('the benchmark needs two cores: one for the gateway, one for mock and load', 2)
  const { error } = spawnSync('taskset', ['-acp', String(LOAD_CORE), String(process.pid)])
  if (error !== undefined)
    stopWith('the benchmark pins processes with taskset (Debian: util-linux), which is missing', 2)
}

async function main(): Promise<void> {
  const options = parseOptions()
  takeLoadCore()
  const directory = mkdtempSync(join(tmpdir(), 'zendo-bench-'))
  const mock = await startPinned([process.execPath, fileURLToPath(new URL('mock-upstream.ts', import.meta.url))], {
    core: LOAD_CORE,
    ready: /listening on/,
  })
  try {
    const mockPort = Number(/listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(mock.output)?.[1])
    const { effort, only, profile } = options
    const run = await measure({ ...effort, only, mockPort, mockPid: mock.pid, directory, profileDirectory: profile })
    publish(run, options)
  } finally {
    await mock.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

function publish(run: RunRecord, options: Options): void {
  const report = renderReport(run, facts(options))
  if (options.out === undefined) console.log(report)
  else writeFileSync(options.out, replaceGenerated(readFileSync(options.out, 'utf8'), report))
  for (const problem of run.problems) console.error(`problem: ${problem}`)
  process.exitCode = run.problems.length === 0 ? 0 : 1
}

function facts(options: Options): RunFacts {
  const { rounds, phases, turns } = options.effort
  const [warmUp, measured] = [phases.warmUpMs / 1000, phases.measureMs / 1000]
  const undici = readVersion('../node_modules/undici/package.json')
  const nginx = nginxVersion()
  const zendo = `zendo ${readVersion('../package.json')}`
  return {
    command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    versions: [zendo, `node ${process.versions.node}`, `undici ${undici}`, ...(nginx ? [nginx] : [])].join(', '),
    phases: `${rounds}, interleaved, each ${warmUp} s warm-up and ${measured} s measured, ${turns.measured} bodies translated alone; medians`,
  }
}

function readVersion(packageFile: string): string {
  const text = readFileSync(new URL(packageFile, import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

await main()
