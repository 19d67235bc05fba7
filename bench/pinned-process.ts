/** Starts processes pinned to one core and ends them by their own id. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface PinnedProcess {
  readonly child: ChildProcess
  readonly pid: number
  /** Everything printed until it was ready. */
  readonly output: string
  /** From the start to being ready, in milliseconds. */
  readonly startMs: number
  readonly stop: () => Promise<void>
}

export interface StartOptions {
  /** One core, or several as `taskset` lists them: `0,1`. */
  readonly core: number | string
  readonly env?: Readonly<Record<string, string>>
  readonly ipc?: boolean
  /** Ready when the output matches; ready at once without it. */
  readonly ready?: RegExp
}

const READY_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 20_000

/** @throws Error with the output when the process ends or stays silent before it is ready. */
export async function startPinned(command: readonly string[], options: StartOptions): Promise<PinnedProcess> {
  const startedAtMs = performance.now()
  const child = spawn('taskset', ['-c', String(options.core), ...command], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', ...(options.ipc === true ? (['ipc'] as const) : [])],
  })
  const output = await untilReady(child, options.ready)
  if (child.pid === undefined) throw new Error(`${command[0]} did not start`)
  return { child, pid: child.pid, output, startMs: performance.now() - startedAtMs, stop: () => stop(child) }
}

function untilReady(child: ChildProcess, ready: RegExp | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    const fail = (reason: string): void => {
      child.kill('SIGKILL')
      reject(new Error(`${child.spawnargs.slice(3).join(' ')} ${reason}\n${output.slice(-2000)}`))
    }
    const timer = setTimeout(() => fail(`was not ready within ${READY_LIMIT_MS} ms`), READY_LIMIT_MS)
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code) => fail(`ended early with code ${code}`))
    const onOutput = (text: Buffer): void => {
      output += text.toString()
      if (ready === undefined || ready.test(output)) settle()
    }
    const settle = (): void => {
      clearTimeout(timer)
      child.removeAllListeners('exit')
      resolve(output)
    }
    // Stays attached, so that a chatty subject never blocks on a full pipe.
    child.stdout?.on('data', onOutput)
    child.stderr?.on('data', onOutput)
    if (ready === undefined) settle()
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
  await once(child, 'exit')
  clearTimeout(timer)
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

/** For servers that do not say when they are ready. */
export async function untilAnswering(url: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const answered = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answered) return
    await delay(50)
  }
  throw new Error(`${url} does not answer`)
}
