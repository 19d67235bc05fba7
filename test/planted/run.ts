/**
 * Plants bugs in a copy of the code, one at a time, and asks whether the tests notice. A test that never failed proves
 * nothing. `npm run test:planted`, or `-- <part of a name>` for some of them.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Edit, PLANTED_BUGS, type PlantedBug } from './bugs.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COPIED = ['src', 'test', 'package.json', 'tsconfig.json']
const LIMIT_MS = 180_000
const LANES = 2

interface Outcome {
  readonly bug: PlantedBug
  readonly seconds: number
  /** Null: the test noticed it. */
  readonly problem: string | null
}

function makeCopy(): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-planted-'))
  for (const name of COPIED) cpSync(join(ROOT, name), join(directory, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  return directory
}

/** Changes the copy; the returned function undoes it. @throws Error when a change does not fit. */
function plant(directory: string, edits: readonly Edit[]): () => void {
  const before = edits.map(({ file }) => [join(directory, file), readFileSync(join(directory, file), 'utf8')] as const)
  const undo = (): void => {
    for (const [path, text] of before) writeFileSync(path, text)
  }
  for (const { file, find, put } of edits) {
    const path = join(directory, file)
    const text = readFileSync(path, 'utf8')
    if (text.split(find).length !== 2) {
      undo()
      throw new Error(`the change of ${file} does not fit any more`)
    }
    writeFileSync(
      path,
      text.replace(find, () => put),
    )
  }
  return undo
}

interface Run {
  readonly hasPassed: boolean
  readonly output: string
}

function run(directory: string, args: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    // Node tells tests that they run within tests, and they would then report in another form.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const child = spawn(process.execPath, args, { cwd: directory, env, timeout: LIMIT_MS, killSignal: 'SIGKILL' })
    const parts: Buffer[] = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => parts.push(part))
    child.on('close', (code) => resolve({ hasPassed: code === 0, output: Buffer.concat(parts).toString() }))
  })
}

async function judge(directory: string, bug: PlantedBug): Promise<Outcome> {
  const startedAtMs = performance.now()
  const outcome = (problem: string | null): Outcome => {
    return { bug, seconds: (performance.now() - startedAtMs) / 1000, problem }
  }
  let undo: () => void
  try {
    undo = plant(directory, bug.edits)
  } catch (error) {
    return outcome(error instanceof Error ? error.message : String(error))
  }
  try {
    const { hasPassed, output } = await run(directory, bug.test)
    if (hasPassed) return outcome('SURVIVED')
    return outcome(bug.says.test(output) ? null : `failed for another reason: ${output.slice(-300)}`)
  } finally {
    undo()
  }
}

/** Without a bug every one of the tests must pass. Returns what does not. */
async function findBroken(directory: string, tests: readonly (readonly string[])[]): Promise<string[]> {
  const broken: string[] = []
  for (const test of tests) {
    const { hasPassed, output } = await run(directory, test)
    if (!hasPassed) broken.push(`${test.join(' ')}: ${output.slice(-600)}`)
    if (hasPassed && /^ℹ tests 0$/m.test(output)) broken.push(`${test.join(' ')}: there is no such test`)
  }
  return broken
}

/** Does works side by side, each on a copy of its own. */
async function inLanes<T, R>(items: readonly T[], work: (directory: string, item: T) => Promise<R>): Promise<R[]> {
  const waiting = [...items.entries()]
  const results: R[] = []
  const lane = async (): Promise<void> => {
    const directory = makeCopy()
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        results[next[0]] = await work(directory, next[1])
      }
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return results
}

async function main(): Promise<void> {
  const startedAtMs = performance.now()
  const wanted = process.argv[2]
  const bugs = PLANTED_BUGS.filter(({ name }) => wanted === undefined || name.includes(wanted))
  const tests = [...new Map(bugs.map(({ test }) => [test.join(' '), test])).values()]
  const broken = (await inLanes(tests, (directory, test) => findBroken(directory, [test]))).flat()
  for (const one of broken) console.log(`fails without any bug: ${one}`)
  const outcomes = await inLanes(bugs, async (directory, bug) => {
    const outcome = await judge(directory, bug)
    const { problem, seconds } = outcome
    console.log(`${problem ?? 'caught'} | ${bug.name} | ${bug.test.join(' ')} | ${seconds.toFixed(1)} s`)
    return outcome
  })
  const survived = outcomes.filter(({ problem }) => problem !== null)
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0)
  console.log(`${outcomes.length - survived.length} of ${outcomes.length} planted bugs caught in ${seconds} s`)
  process.exitCode = survived.length + broken.length > 0 ? 1 : 0
}

await main()
