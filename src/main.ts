/** Starts Zendo: one process that serves, or several behind one port, until a signal ends them. */
import cluster from 'node:cluster'
import { pathToFileURL } from 'node:url'
import pino, { type Logger } from 'pino'
import { AppError } from './base/errors.ts'
import { claimDataDir, openInstanceDatabase, recover } from './prepare-instance.ts'
import { startServer } from './server-process.ts'
import { readSettings, type Settings } from './settings.ts'
import { startWorkers, WORKER_VARIABLE } from './workers.ts'

export interface Running {
  /** Reads the configuration and its secrets again. */
  reload(): void
  /** Refuses new requests, lets those under way end (within `settings.shutdownMs`), and closes everything. */
  stop(): Promise<void>
}

/** Starts everything and prints where it listens. @throws AppError with a message for the operator */
export async function serve(settings: Settings, worker?: number): Promise<Running> {
  const log = pino({ level: settings.logLevel }, pino.destination({ dest: 2, sync: true }))
  if (worker !== undefined) return startServer(settings, log, worker)
  const release = claimDataDir(settings)
  if (settings.databaseUrl !== null && settings.masterKey === null) {
    log.warn('set ZENDO_MASTER_KEY to the same value on all machines that share this database: hashes must agree')
  }
  try {
    await recoverInstance(settings, log)
    const running = settings.workers > 1 ? await startWorkers(settings, log) : await startServer(settings, log)
    return {
      reload: () => running.reload(),
      async stop() {
        await running.stop()
        release()
      },
    }
  } catch (error) {
    release()
    throw error
  }
}

/** What earlier runs left behind is ended once, before anybody serves: also that of workers there are no more. */
async function recoverInstance(settings: Settings, log: Logger): Promise<void> {
  const database = await openInstanceDatabase(settings)
  try {
    await recover(settings, database, log)
  } finally {
    await database.close()
  }
}

/** Runs the server until a signal ends it; a second signal does so at once. Never returns before that. */
export async function runUntilSignal(env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const worker = cluster.isWorker ? Number(env[WORKER_VARIABLE] ?? 0) : undefined
  const starting = serve(readSettings(env), worker)
  let isStopping = false
  const stop = (): void => {
    // What this leaves held is released at the next start.
    if (isStopping) process.exit(1)
    isStopping = true
    void starting.then((server) => server.stop()).then(() => process.exit(0))
  }
  // A terminal signals every process of a group; workers are stopped by the one that started them.
  if (worker === undefined) process.on('SIGINT', stop)
  else process.on('SIGINT', () => undefined)
  process.on('SIGTERM', stop)
  // Without the one that started it, a worker would go on unseen.
  if (worker !== undefined) process.on('disconnect', stop)
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
