/** A throw-away PostgreSQL cluster on loopback: a real server that tests may kill, freeze and start again. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Client } from 'pg'
import { until } from './until.ts'

const DEBIAN_VERSIONS = '/usr/lib/postgresql'
const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'zendo')
const START_LIMIT_MS = 30_000
/** Below the range from which the system takes ports for outgoing connections: a stopped server's stays free. */
const PORTS = { from: 20_000, count: 10_000 }
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '60',
  shared_buffers: '32MB',
  max_wal_size: '256MB',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  // After a crash: one call, instead of one for each of a thousand files.
  recovery_init_sync_method: 'syncfs',
  // A deadlock is broken after this; tests that make one should not wait for the default second.
  deadlock_timeout: '100ms',
  timezone: 'UTC',
}

export interface PostgresCluster {
  readonly port: number
  readonly directory: string
  /** `postgres://postgres@127.0.0.1:PORT/<database>` */
  url(database?: string): string
  /** Makes an empty database and resolves with its URL. */
  createDatabase(): Promise<string>
  start(): Promise<void>
  /** An orderly end: sessions are cut, everything is on disk. */
  stop(): Promise<void>
  /** SIGKILL to the server, as a crash; resolves when its children are gone as well. */
  kill(): Promise<void>
  /** Stops every process of the server where it stands. */
  freeze(): void
  thaw(): void
  /** Of the server and its sessions. */
  pids(): number[]
  /** What the server wrote into its log. */
  log(): string
  /** Ends the server and deletes the cluster. */
  close(): Promise<void>
}

export interface PostgresOptions {
  readonly settings?: Readonly<Record<string, string>>
}

/** The directory of `initdb` and `postgres`, or null where PostgreSQL is not installed. */
export function findPostgres(): string | null {
  const versions = existsSync(DEBIAN_VERSIONS) ? readdirSync(DEBIAN_VERSIONS).sort((a, b) => Number(b) - Number(a)) : []
  const directories = [
    ...versions.map((version) => join(DEBIAN_VERSIONS, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  return directories.find((directory) => existsSync(join(directory, 'initdb'))) ?? null
}

/** Makes a cluster and starts it. @throws Error when PostgreSQL is not installed. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresCluster> {
  const binaries = findPostgres()
  if (binaries === null) throw new Error('PostgreSQL is not installed')
  const user = unprivilegedUser()
  const directory = await mkdtemp(join(tmpdir(), 'zendo-postgres-'))
  if (user) await chown(directory, user.uid, user.gid)
  await chmod(directory, 0o700)
  const port = await freePort()
  initialise(binaries, directory, user)
  const settings = { ...SETTINGS, ...options.settings, port: String(port) }
  appendFileSync(join(directory, 'data', 'postgresql.conf'), confOf(settings))
  const cluster = createCluster({ binaries, directory, port, user })
  try {
    await cluster.start()
    return cluster
  } catch (error) {
    await cluster.close()
    throw error
  }
}

interface User {
  readonly uid: number
  readonly gid: number
}

interface Place {
  readonly binaries: string
  readonly directory: string
  readonly port: number
  readonly user: User | null
}

/** PostgreSQL refuses to run as root; null when this process is somebody else already. */
function unprivilegedUser(): User | null {
  if (process.getuid?.() !== 0) return null
  for (const name of ['postgres', 'nobody']) {
    const fields = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(readFileSync('/etc/passwd', 'utf8'))
    if (fields) return { uid: Number(fields[1]), gid: Number(fields[2]) }
  }
  throw new Error('no unprivileged user to run PostgreSQL')
}

/**
 * An empty cluster takes a second to make, and dozens of test files want one: the first makes it, the others copy it. It
 * stays beside the packages, for the next run.
 */
function initialise(binaries: string, directory: string, user: User | null): void {
  const version = execFileSync(join(binaries, 'postgres'), ['--version'], { encoding: 'utf8' }).trim()
  const made = join(CACHE, `postgres ${version} ${user?.uid ?? process.getuid?.() ?? 0}`.replace(/[^\w.]+/g, '-'))
  if (!existsSync(made)) {
    makeCluster(binaries, directory, user)
    keep(join(directory, 'data'), made)
    return
  }
  execFileSync('cp', ['-a', made, join(directory, 'data')])
}

/** Of several that come first, one is kept. */
function keep(data: string, made: string): void {
  mkdirSync(CACHE, { recursive: true })
  const unfinished = `${made}.${process.pid}`
  execFileSync('cp', ['-a', data, unfinished])
  try {
    renameSync(unfinished, made)
  } catch {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

function makeCluster(binaries: string, directory: string, user: User | null): void {
  // Names sort by the rules of a language, as in most installations: what needs the order of bytes must not rely on it.
  const collation = ['--encoding=UTF8', '--locale=C.UTF-8', '--locale-provider=icu', '--icu-locale=en-US']
  const args = ['-D', join(directory, 'data'), '-U', 'postgres', '-A', 'trust', '--no-instructions', ...collation]
  execFileSync(join(binaries, 'initdb'), args, { cwd: directory, stdio: 'pipe', ...user })
}

function confOf(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${value}'\n`)
    .join('')
}

function createCluster(place: Place): PostgresCluster {
  const { directory, port } = place
  const logFile = join(directory, 'log')
  const url = (database = 'postgres'): string => `postgres://postgres@127.0.0.1:${port}/${database}`
  let server: ChildProcess | null = null
  let databases = 0

  const end = async (name: NodeJS.Signals): Promise<void> => {
    const ending = server
    if (ending === null) return
    server = null
    const family = familyOf(ending)
    if (ending.exitCode === null && ending.signalCode === null) {
      const exited = new Promise((resolve) => ending.once('exit', resolve))
      ending.kill(name)
      await exited
    }
    // Children live on for a moment, and keep the shared memory: a start before that would find a live instance.
    await until('the processes of the server are gone', () => !family.some(isAlive), START_LIMIT_MS)
  }

  const cluster: PostgresCluster = {
    port,
    directory,
    url,
    log: () => readFileSync(logFile, 'utf8'),
    async createDatabase() {
      const name = `test_${process.pid}_${++databases}`
      await runSql(url(), `CREATE DATABASE ${name}`)
      return url(name)
    },
    async start() {
      const started = spawnServer(place, logFile)
      server = started
      await until(
        'the server accepts connections',
        () => {
          if (started.exitCode !== null) throw new Error(`PostgreSQL ended: ${cluster.log()}`)
          return isReady(url())
        },
        START_LIMIT_MS,
      )
    },
    stop: () => end('SIGINT'),
    kill: () => end('SIGKILL'),
    freeze() {
      // The server first: it makes no new children then.
      if (server) signalEach([server.pid ?? 0], 'SIGSTOP')
      if (server) signalEach(familyOf(server), 'SIGSTOP')
    },
    thaw() {
      if (server) signalEach(familyOf(server).reverse(), 'SIGCONT')
    },
    pids: () => (server ? familyOf(server) : []),
    async close() {
      cluster.thaw()
      await end('SIGQUIT')
      await rm(directory, { recursive: true, force: true })
    },
  }
  return cluster
}

/** Whoever dies without a word, such as a test that is killed, takes the server with it. */
function spawnServer({ binaries, directory, user }: Place, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a')
  try {
    const identity = user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'] : []
    const server = [join(binaries, 'postgres'), '-D', join(directory, 'data')]
    const args = ['--pdeathsig=QUIT', ...identity, '--', ...server]
    return spawn('setpriv', args, { cwd: directory, stdio: ['ignore', log, log] })
  } finally {
    closeSync(log)
  }
}

/** The server and its children. */
function familyOf(server: ChildProcess): number[] {
  const pid = server.pid ?? 0
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return [pid, ...(children === '' ? [] : children.split(' ').map(Number))]
  } catch {
    return [pid]
  }
}

function signalEach(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // It ended by itself.
    }
  }
}

/** Ended ones may still be listed for whoever started them. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function isReady(url: string): Promise<boolean> {
  return runSql(url, 'SELECT 1').then(
    () => true,
    () => false,
  )
}

/** Runs a statement on a connection of its own. */
export async function runSql(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: START_LIMIT_MS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query(sql)
  } finally {
    await client.end()
  }
}

async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + randomInt(PORTS.count)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
