/** A gateway on a data directory, started, killed, frozen and started again. */
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until, within } from '../../support/until.ts'
import { cleanEnvironment, isAlive, killGroup, listGroup, startNode, trySignal } from './children.ts'

const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 30_000
const LISTENING = /listening on (http:\/\/127\.0\.0\.1:\d+)/g

export type Environment = Readonly<Record<string, string>>

export interface Gateway {
  readonly dataDir: string
  /** Of the process that runs; null while none listens. */
  baseUrl(): string | null
  /** Of the first process, not of its workers. */
  pid(): number
  workers(): number[]
  /** Starts a process; resolves once it listens. @throws Error with what it printed */
  start(more?: Environment): Promise<void>
  /** Starts a process and does not wait; resolves when it has ended by itself. */
  startToEnd(more?: Environment): Promise<NodeJS.Signals | number | null>
  /** SIGKILL to all of it; resolves when every process is gone. */
  kill(): Promise<void>
  /** SIGKILL to the first process alone; its workers go on until they see it. */
  killFirst(): Promise<void>
  /** Resolves when all of it is gone. */
  gone(): Promise<void>
  freeze(): void
  thaw(): void
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  /** Everything printed by all starts so far. */
  output(): string
  /** What its processes get beside their own settings. */
  readonly environment: NodeJS.ProcessEnv
}

export interface GatewayOptions {
  readonly dataDir: string
  readonly config: object
  /** Where starts leave for each other what they have compiled. */
  readonly compiled: string
  readonly env?: Environment
}

interface Run {
  readonly child: ChildProcess
  readonly exited: Promise<NodeJS.Signals | number | null>
  /** Every process of it that was ever seen. */
  readonly family: Set<number>
  baseUrl: string | null
  printed: string
}

export function prepareGateway({ dataDir, config, compiled, env = {} }: GatewayOptions): Gateway {
  mkdirSync(dataDir, { recursive: true })
  const configFile = join(dataDir, 'zendo.jsonc')
  writeFileSync(configFile, JSON.stringify(config, null, 2))
  const environment: NodeJS.ProcessEnv = {
    ...cleanEnvironment(),
    // Many starts of the same sources: what the first has compiled, the others read.
    NODE_COMPILE_CACHE: compiled,
    ZENDO_HOST: '127.0.0.1',
    ZENDO_PORT: '0',
    ZENDO_DATA_DIR: dataDir,
    ZENDO_CONFIG: configFile,
    ZENDO_LOG_LEVEL: 'error',
    ...env,
  }
  let before = ''
  let run: Run | null = null

  function begin(more: Environment): Run {
    before += run?.printed ?? ''
    run = runOf(startNode(['src/main.ts'], { env: { ...environment, ...more }, stdio: ['ignore', 'pipe', 'pipe'] }))
    return run
  }

  function familyOf({ child, family }: Run): number[] {
    for (const pid of [child.pid ?? 0, ...listGroup(child.pid ?? 0)]) family.add(pid)
    return [...family]
  }

  function signalAll(name: NodeJS.Signals): void {
    if (run) for (const pid of familyOf(run)) trySignal(pid, name)
  }

  async function gone(): Promise<void> {
    if (run === null) return
    const family = familyOf(run)
    await run.exited
    await until('all processes of a gateway are gone', () => !family.some(isAlive), STOP_LIMIT_MS)
  }

  return {
    dataDir,
    environment,
    baseUrl: () => (run !== null && isRunning(run) ? run.baseUrl : null),
    pid: () => run?.child.pid ?? 0,
    workers: () => listGroup(run?.child.pid ?? 0),
    start: (more = {}) => listening(begin(more)),
    startToEnd: (more = {}) => within('a start ends by itself', begin(more).exited, START_LIMIT_MS),
    async kill() {
      if (run === null) return
      familyOf(run)
      killGroup(run.child.pid ?? 0)
      await gone()
    },
    async killFirst() {
      if (run === null) return
      familyOf(run)
      trySignal(run.child.pid ?? 0, 'SIGKILL')
      await run.exited
    },
    gone,
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    async stop() {
      if (run === null) return null
      familyOf(run)
      run.child.kill('SIGTERM')
      const code = await within('a gateway stops', run.exited, STOP_LIMIT_MS)
      await gone()
      return typeof code === 'number' ? code : null
    },
    output: () => before + (run?.printed ?? ''),
  }
}

function isRunning({ child }: Run): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** Where all that gateways print is kept, for whoever looks for a cause. */
const logFile = process.env.CHAOS_LOG

function runOf(child: ChildProcess): Run {
  const exited = new Promise<NodeJS.Signals | number | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code))
  })
  const run: Run = { child, exited, family: new Set(), baseUrl: null, printed: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (piece: Buffer) => {
      run.printed += piece.toString()
      if (logFile !== undefined) appendFileSync(logFile, piece)
      // The newest: when all workers have ended at once, the next ones get another port.
      run.baseUrl = [...run.printed.matchAll(LISTENING)].at(-1)?.[1] ?? null
    })
  }
  return run
}

async function listening(run: Run): Promise<void> {
  const listens = async (): Promise<boolean> => {
    if (!isRunning(run)) throw new Error(`a gateway ended before it listened; it printed:\n${run.printed.slice(-4000)}`)
    return run.baseUrl !== null
  }
  await until('a gateway listens', listens, START_LIMIT_MS)
}
