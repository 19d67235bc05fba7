/** A data directory on which the real gateway is started, killed and started again, as power cuts and operators do. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until } from './until.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const START_LIMIT_MS = 30_000
const KEY = /sk-zendo-[0-9A-Za-z]{34}/
/** A test that dies takes its gateways with it. */
const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

export interface Instance {
  readonly dataDir: string
  /** The key that the first start printed. */
  readonly apiKey: string
  /** `http://127.0.0.1:PORT` of the running process; another one after each start. */
  baseUrl(): string
  port(): number
  /** Of the running process. */
  pid(): number
  /** Everything printed by all starts so far, both streams. */
  output(): string
  /** Resident memory of the running process in MiB. */
  residentMiB(): number
  /** Starts a process on the directory; resolves once it listens. @throws with what it printed when it does not. */
  start(): Promise<void>
  /** Begins a start and does not wait for it. */
  startWithoutWaiting(): void
  /** Whether a process listens. */
  isUp(): boolean
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  signal(name: 'SIGTERM' | 'SIGINT'): void
  /** The exit code of the process, once it has ended. */
  readonly exited: () => Promise<number | null>
  /** Replaces the configuration file in one step. */
  writeConfig(config: object): Promise<void>
  /** Runs `zendo <command> --json` on the directory; the exit code does not matter. */
  cli(...command: string[]): Promise<unknown>
  /** Kills what still runs and deletes the directory. */
  remove(): Promise<void>
}

export interface InstanceOptions {
  readonly config: object
  readonly env?: Readonly<Record<string, string>>
}

/** A running process and what is known of it. */
interface Run {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  baseUrl: string | null
}

/** Makes a directory and starts the gateway on it for the first time. */
export async function startInstance(options: InstanceOptions): Promise<Instance> {
  const instance = await prepareInstance(options)
  try {
    await instance.start()
    await until('the first start printed its key', () => KEY.test(instance.output()))
    return instance
  } catch (error) {
    await instance.remove()
    throw error
  }
}

/** Makes a directory on which nothing was started yet. */
export async function prepareInstance(options: InstanceOptions): Promise<Instance> {
  const dataDir = await mkdtemp(join(tmpdir(), 'zendo-fault-'))
  const configFile = join(dataDir, 'zendo.jsonc')
  const env = {
    ...environmentWithoutZendo(),
    ZENDO_HOST: '127.0.0.1',
    ZENDO_PORT: '0',
    ZENDO_DATA_DIR: dataDir,
    ZENDO_CONFIG: configFile,
    ...options.env,
  }
  let output = ''
  let run: Run | null = null
  const running = (): Run => {
    if (run === null) throw new Error('no process was started yet')
    return run
  }
  const kill = async (): Promise<void> => {
    running().child.kill('SIGKILL')
    await running().exited
  }
  const begin = (): Run => {
    run = spawnGateway(env, (text) => {
      output += text
    })
    return run
  }
  const start = async (): Promise<void> => {
    const started = begin()
    await untilListening(started, () => output)
  }
  const writeConfig = async (config: object): Promise<void> => {
    await writeFile(`${configFile}.new`, JSON.stringify(config, null, 2))
    await rename(`${configFile}.new`, configFile)
  }
  const remove = async (): Promise<void> => {
    if (run !== null) await kill()
    await rm(dataDir, { recursive: true, force: true })
  }
  await writeConfig(options.config)
  return {
    dataDir,
    get apiKey() {
      return KEY.exec(output)?.[0] ?? ''
    },
    baseUrl: () => running().baseUrl ?? '',
    port: () => Number(new URL(running().baseUrl ?? '').port),
    output: () => output,
    pid: () => running().child.pid ?? 0,
    residentMiB: () => residentMiB(running().child.pid ?? 0),
    start,
    startWithoutWaiting: () => void begin(),
    isUp: () => run !== null && run.baseUrl !== null && run.child.exitCode === null && run.child.signalCode === null,
    kill,
    signal: (name) => void running().child.kill(name),
    exited: () => running().exited,
    writeConfig,
    cli: (...command) => runCli(command, env),
    remove,
  }
}

/** Settings of the developer's own instance must not reach the one under test. */
function environmentWithoutZendo(): NodeJS.ProcessEnv {
  const foreign = (name: string): boolean => !name.startsWith('ZENDO_') && name !== 'DATABASE_URL'
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => foreign(name)))
}

function spawnGateway(env: NodeJS.ProcessEnv, print: (text: string) => void): Run {
  const child = spawn(process.execPath, ['src/main.ts'], { cwd: REPOSITORY, env, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  const run: Run = {
    child,
    exited: new Promise((resolve) => child.once('exit', resolve)),
    baseUrl: null,
  }
  let own = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      own += chunk.toString()
      print(chunk.toString())
      run.baseUrl ??= /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(own)?.[1] ?? null
    })
  }
  return run
}

function untilListening(run: Run, output: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer)
      reject(new Error(`the gateway ${reason}; it printed:\n${output()}`))
    }
    const timer = setTimeout(() => fail(`was not ready within ${START_LIMIT_MS} ms`), START_LIMIT_MS)
    const look = (): void => {
      if (run.baseUrl === null) return
      clearTimeout(timer)
      resolve()
    }
    run.child.stdout?.on('data', look)
    void run.exited.then((code) => fail(`ended with code ${code} before it was ready`))
  })
}

function residentMiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) / 1024
}

async function runCli(command: readonly string[], env: NodeJS.ProcessEnv): Promise<unknown> {
  const args = ['bin/zendo.js', ...command, '--json']
  const options = { cwd: REPOSITORY, env, maxBuffer: 1 << 28 }
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, options)
    return JSON.parse(stdout)
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    if (stdout) return JSON.parse(stdout)
    throw new Error(`zendo ${command.join(' ')} failed: ${stderr ?? String(error)}`)
  }
}
