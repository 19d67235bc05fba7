/** Starts the real gateway as a child process on a data directory of its own, for tests that look from outside. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const START_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 20_000

export interface Gateway {
  /** `http://127.0.0.1:PORT` */
  readonly baseUrl: string
  /** The key that the first start printed. */
  readonly apiKey: string
  readonly dataDir: string
  /** Everything that the process has printed so far, both streams. */
  output(): string
  /** Runs `zendo <command> --json` on the same data directory and parses what it prints. */
  cli(...command: string[]): Promise<unknown>
  /** Drains with SIGTERM and resolves with the exit code. Stopping twice is harmless. */
  stop(): Promise<number | null>
  /** Stops if need be and deletes the data directory. */
  remove(): Promise<void>
}

export interface GatewayOptions {
  /** The content of `zendo.jsonc`. */
  readonly config: object
  readonly env?: Readonly<Record<string, string>>
}

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const dataDir = await mkdtemp(join(tmpdir(), 'zendo-test-'))
  const configFile = join(dataDir, 'zendo.jsonc')
  await writeFile(configFile, JSON.stringify(options.config, null, 2))
  const env = {
    ...environmentWithoutZendo(),
    ZENDO_HOST: '127.0.0.1',
    // Chosen by the system at the moment of binding: a port that was free a moment ago may be somebody else's now.
    ZENDO_PORT: '0',
    ZENDO_DATA_DIR: dataDir,
    ZENDO_CONFIG: configFile,
    ...options.env,
  }
  const child = spawn(process.execPath, ['src/main.ts'], { cwd: REPOSITORY, env, stdio: ['ignore', 'pipe', 'pipe'] })
  // A test run that crashes must not leave its gateway behind.
  const killAtExit = () => child.kill('SIGKILL')
  process.once('exit', killAtExit)
  child.once('exit', () => process.off('exit', killAtExit))
  const output = collectOutput(child)
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const stop = () => stopChild(child, exited)
  try {
    const started = await waitForStart(child, output, exited)
    return {
      ...started,
      dataDir,
      output,
      stop,
      cli: (...command) => runCli(command, env),
      remove: async () => {
        await stop()
        await rm(dataDir, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await stop()
    await rm(dataDir, { recursive: true, force: true })
    throw error
  }
}

/** Settings of the developer's own instance must not reach the one under test. */
function environmentWithoutZendo(): NodeJS.ProcessEnv {
  const foreign = (name: string) => !name.startsWith('ZENDO_') && name !== 'DATABASE_URL'
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => foreign(name)))
}

function collectOutput(child: ChildProcess): () => string {
  let text = ''
  const append = (chunk: Buffer) => {
    text += chunk.toString('utf8')
  }
  child.stdout?.on('data', append)
  child.stderr?.on('data', append)
  return () => text
}

async function waitForStart(
  child: ChildProcess,
  output: () => string,
  exited: Promise<number | null>,
): Promise<{ baseUrl: string; apiKey: string }> {
  const failed = (reason: string) => new Error(`the gateway ${reason}; it printed:\n${output()}`)
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(failed(`was not ready within ${START_LIMIT_MS} ms`)), START_LIMIT_MS)
    const look = () => {
      const baseUrl = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(output())?.[1]
      const apiKey = /sk-zendo-[0-9A-Za-z_-]+/.exec(output())?.[0]
      if (baseUrl === undefined || apiKey === undefined) return
      clearTimeout(timer)
      resolve({ baseUrl, apiKey })
    }
    child.stdout?.on('data', look)
    void exited.then((code) => {
      clearTimeout(timer)
      reject(failed(`ended with code ${code} before it was ready`))
    })
  })
}

async function stopChild(child: ChildProcess, exited: Promise<number | null>): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
  child.kill('SIGTERM')
  const code = await exited
  clearTimeout(timer)
  return code
}

/** A command that found something wrong (exit code 1) has still answered. @throws when it printed no JSON. */
async function runCli(command: readonly string[], env: NodeJS.ProcessEnv): Promise<unknown> {
  const args = ['bin/zendo.js', ...command, '--json']
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: REPOSITORY, env, maxBuffer: 1 << 28 }, (_, stdout, stderr) =>
      resolve({ stdout, stderr }),
    )
  })
  try {
    return JSON.parse(stdout)
  } catch (cause) {
    throw new Error(`zendo ${command.join(' ')} printed no JSON: ${stdout}${stderr}`, { cause })
  }
}
