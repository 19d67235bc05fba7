/**
 * Runs an agent once, without a person: an empty home, closed stdin, nothing but loopback to reach, a hard time limit,
 * and nothing left running afterwards.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from './agent.ts'
import { endLeftovers, RUN_MARK } from './leftover.ts'

export interface AgentResult {
  /** Null when it was ended from outside. */
  readonly exitCode: number | null
  readonly ending: 'by itself' | 'time limit'
  readonly stdout: string
  readonly stderr: string
  readonly tookMs: number
  /** Processes that it had left behind. */
  readonly leftBehind: number
}

export interface Surroundings {
  readonly workDir: string
  readonly limitMs: number
}

/** Nothing listens there, so that whatever is meant for the world fails at once. */
const REFUSING_PROXY = 'http://127.0.0.1:9'
const LOOPBACK = '127.0.0.1,localhost,::1'

export async function runAgent(command: Command, surroundings: Surroundings): Promise<AgentResult> {
  const home = await mkdtemp(join(tmpdir(), 'zendo-client-'))
  try {
    for (const [path, text] of Object.entries(command.files)) {
      const file = join(home, path)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
    }
    return await runIn(home, command, surroundings)
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function runIn(home: string, command: Command, { workDir, limitMs }: Surroundings): Promise<AgentResult> {
  const mark = randomUUID()
  const startedAt = performance.now()
  const child = spawn(command.file, command.args, {
    cwd: workDir,
    env: { ...environmentIn(home), ...command.env, [RUN_MARK]: mark },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A session of its own: its members are this run's processes.
    detached: true,
  })
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  const closed = new Promise((resolve) => child.once('close', resolve))
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
    })
  }
  let ending: AgentResult['ending'] = 'by itself'
  const limit = setTimeout(() => {
    ending = 'time limit'
    child.kill('SIGKILL')
  }, limitMs)
  const endAll = () => endLeftovers(child.pid ?? -1, mark)
  const stopWatching = onInterrupt(endAll)
  const exitCode = await exited.finally(() => clearTimeout(limit))
  const tookMs = performance.now() - startedAt
  // Whoever is left holds its output open.
  const leftBehind = endAll()
  await closed
  stopWatching()
  return { exitCode, ending, ...printed, tookMs, leftBehind }
}

/** The client has a session of its own, so a Ctrl-C would not reach it. */
function onInterrupt(act: () => void): () => void {
  const leave = (): void => {
    act()
    process.exit(130)
  }
  process.once('SIGINT', leave).once('SIGTERM', leave)
  return () => void process.off('SIGINT', leave).off('SIGTERM', leave)
}

function environmentIn(home: string): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    TMPDIR: home,
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_DATA_HOME: join(home, '.local', 'share'),
    XDG_CACHE_HOME: join(home, '.cache'),
    XDG_STATE_HOME: join(home, '.local', 'state'),
    SHELL: '/bin/sh',
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    NO_COLOR: '1',
    HTTP_PROXY: REFUSING_PROXY,
    HTTPS_PROXY: REFUSING_PROXY,
    ALL_PROXY: REFUSING_PROXY,
    http_proxy: REFUSING_PROXY,
    https_proxy: REFUSING_PROXY,
    NO_PROXY: LOOPBACK,
    no_proxy: LOOPBACK,
  }
}
