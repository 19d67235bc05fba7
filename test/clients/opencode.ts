/**
 * Runs `opencode run` once, without a person: settings by environment only, an empty home, closed stdin, nothing but
 * loopback to reach, a hard time limit, and nothing left running afterwards.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Product } from '../../src/base/words.ts'
import { endLeftovers, RUN_MARK } from './leftover.ts'

export interface OpencodeRun {
  readonly binary: string
  /** The gateway's origin. */
  readonly origin: string
  readonly apiKey: string
  readonly product: Product
  readonly model: string
  readonly prompt: string
  readonly workDir: string
  readonly limitMs: number
  /** Two ways in (`docs/guides/opencode.md`): its own model list with another address, or the gateway's model list. */
  readonly setup: 'address' | 'model_list'
}

export interface OpencodeResult {
  /** Null when it was ended from outside. */
  readonly exitCode: number | null
  readonly ending: 'by itself' | 'time limit'
  readonly stdout: string
  /** Its log as well: the errors that it takes from the gateway are only there. */
  readonly stderr: string
  readonly tookMs: number
  /** Processes that it had left behind. */
  readonly leftBehind: number
}

/** Nothing listens there, so that whatever is meant for the world fails at once. */
const REFUSING_PROXY = 'http://127.0.0.1:9'
const LOOPBACK = '127.0.0.1,localhost,::1'

export async function runOpencode(run: OpencodeRun): Promise<OpencodeResult> {
  const home = await mkdtemp(join(tmpdir(), 'zendo-client-'))
  try {
    await preparePlugins(join(home, '.config', 'opencode'))
    return await runIn(home, run)
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** It would install its plugin package from the registry in the background, unless it finds one. */
async function preparePlugins(directory: string): Promise<void> {
  const dependencies = { '@opencode-ai/plugin': '*' }
  await mkdir(join(directory, 'node_modules', '@opencode-ai', 'plugin'), { recursive: true })
  await writeFile(join(directory, 'package.json'), JSON.stringify({ dependencies }))
  const lock = { name: 'opencode', lockfileVersion: 3, packages: { '': { dependencies } } }
  await writeFile(join(directory, 'package-lock.json'), JSON.stringify(lock))
}

async function runIn(home: string, run: OpencodeRun): Promise<OpencodeResult> {
  const mark = randomUUID()
  const startedAt = performance.now()
  const args = [
    'run',
    '--auto',
    '--print-logs',
    '--log-level',
    'WARN',
    '-m',
    `${providerOf(run)}/${run.model}`,
    run.prompt,
  ]
  const child = spawn(run.binary, args, {
    cwd: run.workDir,
    env: environmentOf(home, run, mark),
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
  let ending: OpencodeResult['ending'] = 'by itself'
  const limit = setTimeout(() => {
    ending = 'time limit'
    child.kill('SIGKILL')
  }, run.limitMs)
  const endAll = () => endLeftovers(child.pid ?? -1, mark)
  const stopWatching = onInterrupt(endAll)
  const exitCode = await exited.finally(() => clearTimeout(limit))
  // Whoever is left holds its output open.
  const leftBehind = endAll()
  await closed
  stopWatching()
  return { exitCode, ending, ...printed, tookMs: performance.now() - startedAt, leftBehind }
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

/** The built-in provider ids; only their address is changed. */
function providerOf({ product }: OpencodeRun): string {
  return product === 'go' ? 'opencode-go' : 'opencode'
}

function environmentOf(home: string, run: OpencodeRun, mark: string): Record<string, string> {
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
    OPENCODE_CONFIG_CONTENT: JSON.stringify(configOf(run)),
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    OPENCODE_DISABLE_PROJECT_CONFIG: '1',
    ...(run.setup === 'address'
      ? { OPENCODE_DISABLE_MODELS_FETCH: '1' }
      : { OPENCODE_MODELS_URL: `${run.origin}/zen`, OPENCODE_API_KEY: run.apiKey }),
    [RUN_MARK]: mark,
  }
}

function configOf(run: OpencodeRun): object {
  const provider = providerOf(run)
  const quiet = {
    autoupdate: false,
    share: 'disabled',
    snapshot: false,
    lsp: false,
    formatter: false,
    enabled_providers: [provider],
    permission: { edit: 'allow', bash: 'allow', read: 'allow', external_directory: 'allow' },
  }
  if (run.setup === 'model_list') return quiet
  const baseURL = `${run.origin}/zen${run.product === 'go' ? '/go' : ''}/v1`
  return { ...quiet, provider: { [provider]: { options: { baseURL, apiKey: run.apiKey } } } }
}
