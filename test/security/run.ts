/**
 * `npm run test:security`: every class of attacks against a real server with the routes that the code has today, each
 * with a control that must find a planted fault, and the tests of sign-in. Exit code 1 on any find, or a blind control.
 */
import { spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { within } from '../support/until.ts'
import type { AttackClass } from './outcome.ts'
import { formatReport, isGood, type Result } from './report.ts'
import { ATTACKS } from './suite.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const CLASS_LIMIT_MS = 180_000
/** They wait for clocks and processes, and take longer where the machine is busy. */
const TEST_FILES_LIMIT_MS = 900_000
const SHOWN = 20
/** Classes that stand as tests of their own beside what they guard. */
const TEST_FILES = ['test/sign-in/*.test.ts', 'test/byok/*.test.ts', 'tools/dependency-policy.test.ts']

interface Options {
  readonly seed: number
  readonly isLong: boolean
  readonly only: readonly string[]
}

process.exitCode = await main(readOptions())
// Whatever an attack may have left open must not keep the run.
process.exit()

async function main({ seed, isLong, only }: Options): Promise<number> {
  console.log(`seed ${seed}`)
  const chosen = ATTACKS.filter(({ id }) => only.length === 0 || only.some((part) => id.includes(part)))
  const results: Result[] = []
  for (const attack of chosen) results.push(await runClass(attack, { seed, isLong }))
  const tests = only.length === 0 ? await runTestFiles() : null
  console.log(formatReport(results, seed))
  if (tests) console.log(`tests of sign-in, own keys and dependencies: ${tests.text}`)
  return results.every(isGood) && tests?.isGood !== false ? 0 : 1
}

async function runClass(attack: AttackClass, context: { seed: number; isLong: boolean }): Promise<Result> {
  const beganAt = performance.now()
  const [outcome, control] = [
    await limited(attack.id, attack.run(context)),
    await limited(`the control of ${attack.id}`, attack.control({ ...context, isLong: false })),
  ]
  const seconds = (performance.now() - beganAt) / 1000
  const verdict = outcome.violations.length === 0 ? 'ok' : `${outcome.violations.length} VIOLATIONS`
  console.log(`${attack.id}: ${attack.title}: ${verdict} in ${seconds.toFixed(1)} s`)
  for (const violation of outcome.violations.slice(0, SHOWN)) console.log(`  ${violation}`)
  return { id: attack.id, seconds, outcome, controlFound: control.violations.length }
}

/** A class that breaks has found nothing, which is no success. */
async function limited(what: string, run: ReturnType<AttackClass['run']>): ReturnType<AttackClass['run']> {
  try {
    return await within(what, run, CLASS_LIMIT_MS)
  } catch (error) {
    console.log(`${what} broke: ${error instanceof Error ? error.stack : String(error)}`)
    const isControl = what.startsWith('the control')
    return { figures: {}, violations: isControl ? [] : [String(error)] }
  }
}

async function runTestFiles(): Promise<{ isGood: boolean; text: string }> {
  const files = globSync(TEST_FILES, { cwd: REPOSITORY }).filter((name) => existsSync(join(REPOSITORY, name)))
  const args = ['--test', '--test-concurrency=2', '--test-reporter=tap', ...files]
  const child = spawn(process.execPath, args, { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const timer = setTimeout(() => child.kill('SIGINT'), TEST_FILES_LIMIT_MS)
  const code = await exited
  clearTimeout(timer)
  const count = (name: string): string => new RegExp(`^# ${name} (\\d+)`, 'm').exec(output)?.[1] ?? '?'
  for (const line of output.split('\n').filter((text) => /^\s*not ok /.test(text))) console.log(line)
  const text = `${files.length} files, ${count('tests')} tests, ${count('pass')} passed, ${count('fail')} failed, ${count('skipped')} skipped`
  return { isGood: code === 0, text }
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      only: { type: 'string', default: '' },
      quick: { type: 'boolean', default: false },
    },
  })
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error(`--seed takes a whole number, not ${values.seed}`)
  return { seed, isLong: !values.quick, only: values.only.split(',').filter((id) => id !== '') }
}
