/** Wires the floors together and runs the server: from an empty directory to the first answer, and back to rest. */
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'
import pino, { type Logger } from 'pino'
import { discoveryRoutes } from './api/discovery.ts'
import { inferenceRoutes } from './api/inference.ts'
import { createRouteTable } from './api/routes.ts'
import { createHttpServer, type HttpServer } from './api/server.ts'
import { AppError } from './base/errors.ts'
import { DAY_MS, HOUR_MS } from './base/time.ts'
import { databasePath, ensureInstanceSecrets, prepareDataDir } from './control/instance.ts'
import { setUpInstance } from './control/setup.ts'
import type { Gateway } from './gateway/gateway.ts'
import { createKeyCache } from './gateway/key-cache.ts'
import { resolveOpenHolds } from './gateway/recovery.ts'
import { createThoughtStore } from './gateway/thought-store.ts'
import { createUnderWay } from './gateway/under-way.ts'
import { startLiveCatalog } from './live-catalog.ts'
import { readSettings, type Settings } from './settings.ts'
import { deleteAnonymousUseBefore } from './store/anonymous-use.ts'
import { createCommitQueue } from './store/commit-queue.ts'
import { type Database, openDatabase } from './store/database.ts'
import { lockDataDir } from './store/lock.ts'
import { createUpstreamClient } from './upstream/client.ts'
import { startSimulatedProvider } from './upstream/simulated/server.ts'
import { readyLines } from './welcome.ts'

/** How often the server looks whether another process, such as the command line, has changed the database. */
const CHANGE_POLL_MS = 250
/** While serving, a statement waits this long for another process: the commit queue tries again, and streams go on. */
const BUSY_TIMEOUT_MS = 20
/** How long an answer is read on after its client has left, to learn what it cost. */
const DRAIN_MS = 1000

export interface RunningServer {
  readonly url: string
  /** Reads the configuration and its secrets again. */
  reload(): void
  /** Refuses new requests, lets those under way end (within `settings.shutdownMs`), and closes everything. */
  stop(): Promise<void>
}

/** Starts everything and prints where it listens. @throws AppError with a message for the operator */
export async function serve(settings: Settings): Promise<RunningServer> {
  const log = pino({ level: settings.logLevel }, pino.destination({ dest: 2, sync: true }))
  // What was opened is closed in reverse order: now if the start fails, else when the server stops.
  await using opened = new AsyncDisposableStack()
  prepareDataDir(settings.dataDir)
  opened.defer(lockDataDir(settings.dataDir))
  const database = openDatabase(databasePath(settings.dataDir), { nowMs: Date.now() })
  opened.defer(() => database.close())
  const { addressSalt } = ensureInstanceSecrets(settings.dataDir, randomBytes)
  releaseAbandonedHolds(database, log)
  const simulated = await startSimulatedProvider({ host: '127.0.0.1', port: 0, now: Date.now })
  opened.defer(() => simulated.close())
  const commits = createCommitQueue(database)
  const live = await startLiveCatalog({ settings, simulatedBaseUrl: simulated.baseUrl, database, commits, log })
  opened.defer(() => live.close())
  const upstream = createUpstreamClient()
  opened.defer(() => upstream.close())
  const gateway: Gateway = {
    catalog: live.catalog,
    database,
    commits,
    keys: createKeyCache(database),
    upstream,
    underWay: createUnderWay(),
    thoughts: createThoughtStore(),
    clock: Date.now,
    log,
    addressSalt,
    drainMs: DRAIN_MS,
  }
  const routes = createRouteTable([...inferenceRoutes, ...discoveryRoutes])
  let publicUrl = settings.publicUrl ?? ''
  const http = createHttpServer(gateway, routes, () => live.serverOptions(publicUrl))
  const url = await listen(http, settings)
  publicUrl ||= url
  opened.defer(() => http.drain(settings.shutdownMs))
  // Last of all: the key is shown once, and a start that fails must not have used that up.
  const setup = setUpInstance(database, { nowMs: Date.now(), randomBytes })
  database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
  opened.defer(startChores(gateway))
  for (const line of readyLines(url, setup, gateway.catalog())) console.log(line)
  const running = opened.move()
  return { url, reload: live.reload, stop: () => running.disposeAsync() }
}

function releaseAbandonedHolds(database: Database, log: Logger): void {
  const holds = resolveOpenHolds(database, Date.now())
  if (holds > 0) log.warn({ holds }, 'released what an interrupted run still held; nothing was charged for it')
}

function listen({ server }: HttpServer, settings: Settings): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken =
        cause.code === 'EADDRINUSE' ? 'is in use; set ZENDO_PORT to another port' : `cannot be used: ${cause.message}`
      reject(new AppError('invalid_request', `${settings.host}:${settings.port} ${taken}`, { cause }))
    })
    server.listen(settings.port, settings.host, () => {
      const { port } = server.address() as AddressInfo
      const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
      resolve(`http://${host}:${port}`)
    })
  })
}

/** What is done now and then: noticing other processes' changes, and forgetting old addresses. */
function startChores(gateway: Gateway): () => void {
  const { database, keys, clock } = gateway
  const { log } = gateway
  let seen: bigint | undefined
  const poll = setInterval(() => {
    try {
      const now = database.get<{ data_version: bigint }>('PRAGMA data_version')?.data_version
      if (now !== seen) keys.clear()
      seen = now
    } catch (err) {
      log.error({ err }, 'the database cannot be read; keys that were revoked may still be taken')
    }
  }, CHANGE_POLL_MS)
  const forget = setInterval(() => {
    const today = Math.floor(clock() / DAY_MS)
    gateway.commits
      .run(() => deleteAnonymousUseBefore(database, today))
      .catch((err: unknown) => {
        log.error({ err }, 'addresses of earlier days were not forgotten; the next hour tries again')
      })
  }, HOUR_MS)
  return () => {
    clearInterval(poll)
    clearInterval(forget)
  }
}

/** Runs the server until a signal ends it; a second signal does so at once. Never returns before that. */
export async function runUntilSignal(env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const starting = serve(readSettings(env))
  let isStopping = false
  const stop = (): void => {
    // What this leaves held is released at the next start.
    if (isStopping) process.exit(1)
    isStopping = true
    void starting.then((server) => server.stop()).then(() => process.exit(0))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  // A rotated `file:` secret changes nothing that is watched.
  process.on('SIGHUP', () => void starting.then((server) => server.reload()))
  await starting
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  runUntilSignal(process.env).catch((error: unknown) => {
    console.error(error instanceof AppError ? `Zendo cannot start: ${error.message}` : error)
    process.exit(1)
  })
}
