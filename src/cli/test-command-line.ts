/** For tests: runs commands in this process, on the files of a test instance, and catches what they print. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createTestInstance, NOON_MS, type TestInstance } from '../control/test-instance.ts'
import { openOperator } from '../operate.ts'
import { readSettings } from '../settings.ts'
import type { CommandLine, Environment } from './command-line.ts'
import { runCommandLine } from './main.ts'

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface TestCommandLine extends TestInstance {
  /** Moves what the commands take for now. */
  nowMs: number
  /** What `serve` was called with. */
  readonly served: Environment[]
  run(...args: string[]): Promise<Ran>
  /** Runs with `--json` and parses the one document. @throws Error when it failed or printed anything else. */
  json(...args: string[]): Promise<Record<string, unknown>>
}

/** Reads a configuration of its own, so that a developer's zendo.jsonc changes no test. */
export async function createTestCommandLine(t: TestContext, config: object = {}): Promise<TestCommandLine> {
  const instance = await createTestInstance(t)
  const configFile = join(instance.dataDir, 'zendo.jsonc')
  writeFileSync(configFile, JSON.stringify(config))
  const self: TestCommandLine = {
    ...instance,
    nowMs: NOON_MS,
    served: [],
    run: (...args) => {
      const env = { ZENDO_DATA_DIR: instance.dataDir, ZENDO_CONFIG: configFile }
      return runIn({ env, cwd: instance.dataDir, clock: () => self.nowMs, served: self.served }, args)
    },
    json: async (...args) => {
      const ran = await self.run(...args, '--json')
      if (ran.stderr !== '') throw new Error(`zendo ${args.join(' ')}: ${ran.stderr}`)
      return JSON.parse(ran.stdout)
    },
  }
  return self
}

export async function runIn(
  place: Pick<CommandLine, 'env' | 'cwd' | 'clock'> & { readonly served?: Environment[] },
  args: readonly string[],
): Promise<Ran> {
  let [stdout, stderr] = ['', '']
  const exitCode = await runCommandLine(args, {
    env: place.env,
    cwd: place.cwd,
    clock: place.clock,
    randomBytes,
    stdout: (text) => {
      stdout += text
    },
    stderr: (text) => {
      stderr += text
    },
    serve: async (env) => {
      place.served?.push(env)
    },
    operate: (env, database, clock) => openOperator(readSettings(env), database, env, clock),
  })
  return { exitCode, stdout, stderr }
}
