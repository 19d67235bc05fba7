/** A gateway under strace: every write that it makes, with the file that it goes to. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../support/until.ts'

export const TRACER: string | null =
  ['/usr/bin/strace', '/usr/local/bin/strace'].find((path) => existsSync(path)) ?? null

const REPOSITORY = join(import.meta.dirname, '..', '..')
const CALLS = 'write,pwrite64,writev,pwritev,pwritev2,openat'
const LINE = /^\d+\s+(?:write|pwrite64|writev|pwritev2?)\(\d+<([^>]*)>, (.*)$/

export interface Write {
  /** As the kernel names what is written to: a file by its path, a socket by its number. */
  readonly path: string
  readonly text: string
}

export interface Traced {
  readonly port: number
  readonly apiKey: string
  /** Ends the gateway; resolves with all that was written. */
  stop(): Promise<Write[]>
}

/** @param scratch holds the data directory, and the trace beside it */
export async function startTraced(
  scratch: string,
  config: object,
  env: Readonly<Record<string, string>>,
): Promise<Traced> {
  if (TRACER === null) throw new Error('strace is not installed')
  const [dataDir, trace] = [join(scratch, 'data'), join(scratch, 'trace')]
  mkdirSync(dataDir)
  writeFileSync(join(scratch, 'zendo.jsonc'), JSON.stringify(config))
  const command = [
    '-f',
    '-y',
    '-s',
    '1000000',
    '-e',
    `trace=${CALLS}`,
    '-e',
    'signal=none',
    '-o',
    trace,
    process.execPath,
    'src/main.ts',
  ]
  const child = spawn(TRACER, command, {
    cwd: REPOSITORY,
    env: {
      ...{
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        ZENDO_HOST: '127.0.0.1',
        ZENDO_PORT: '0',
        ZENDO_DATA_DIR: dataDir,
      },
      ...{ ZENDO_CONFIG: join(scratch, 'zendo.jsonc'), ZENDO_LOG_LEVEL: 'trace', ...env },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killAtExit)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await until('the traced gateway listens', () => /listening on http:\/\/127\.0\.0\.1:\d+/.test(output), 30_000)
  return {
    port: Number(/listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1]),
    apiKey: /sk-zendo-[0-9A-Za-z]{34}/.exec(output)?.[0] ?? '',
    async stop() {
      // strace passes it on to the one it traces.
      process.kill(tracedPid(trace), 'SIGTERM')
      await exited
      process.off('exit', killAtExit)
      return writesOf(readFileSync(trace, 'utf8'))
    },
  }
}

/** The first process that the trace names. */
function tracedPid(trace: string): number {
  return Number(/^(\d+)/.exec(readFileSync(trace, 'utf8').slice(0, 40))?.[1])
}

function writesOf(trace: string): Write[] {
  return trace.split('\n').flatMap((line) => {
    const [, path = '', text = ''] = LINE.exec(line) ?? []
    return path === '' ? [] : [{ path, text }]
  })
}
