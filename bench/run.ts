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
import { measure } from './measure.ts'
import { startPinned } from './pinned-process.ts'
import { describeMachine } from './proc.ts'
import { type RunFacts, renderReport, replaceGenerated } from './report.ts'
import { type Phases, SCENARIOS } from './scenarios.ts'
import { nginxVersion, SUBJECT_NAMES } from './subjects.ts'

const USAGE = `npm run bench -- [options]
  --quick          one round of 1 s warm-up and 2 s measurement, to see that it runs
  --rounds N       interleaved rounds, default 3
  --only a,b       only these subjects (${SUBJECT_NAMES.join(', ')})
                   or scenarios (${SCENARIOS.map(({ name }) => name).join(', ')})
  --out FILE       write the tables into FILE between its markers; without it they are only printed
  --profile DIR    write CPU profiles of Zendo to DIR (slows it down: not for published figures)`

interface Options {
  readonly rounds: number
  readonly phases: Phases
  readonly only: readonly string[]
  readonly out: string | undefined
  readonly profile: string | undefined
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
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
  const only = values.only?.split(',').filter(Boolean) ?? []
  const known = [...SUBJECT_NAMES, ...SCENARIOS.map(({ name }) => name)] as readonly string[]
  const unknown = only.filter((name) => !known.includes(name))
  if (unknown.length > 0) stopWith(`nothing is called ${unknown.join(', ')}\n${USAGE}`, 2)
  if (!Number.isInteger(rounds) || rounds < 1) stopWith(`--rounds takes a whole number\n${USAGE}`, 2)
  const phases = values.quick ? { warmUpMs: 1000, measureMs: 2000 } : { warmUpMs: 2000, measureMs: 5000 }
  return { rounds, phases, only, out: values.out, profile: values.profile }
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
    const run = await measure({ ...options, mockPort, mockPid: mock.pid, directory, profileDirectory: options.profile })
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
  const { warmUpMs, measureMs } = options.phases
  const undici = readVersion('../node_modules/undici/package.json')
  const nginx = nginxVersion()
  const zendo = `zendo ${readVersion('../package.json')}`
  return {
    command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    versions: [zendo, `node ${process.versions.node}`, `undici ${undici}`, ...(nginx ? [nginx] : [])].join(', '),
    phases: `${options.rounds}, interleaved, each ${warmUpMs / 1000} s warm-up and ${measureMs / 1000} s measured; medians`,
  }
}

function readVersion(packageFile: string): string {
  const text = readFileSync(new URL(packageFile, import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

await main()
