/** Several processes that serve one port: starts them, replaces one that dies, and stops them together. */
import cluster, { type Worker } from 'node:cluster'
import type { Logger } from 'pino'
import type { Settings } from './settings.ts'

/** A worker that dies at once must not be started in a circle as fast as the machine can. */
const RESTART_MS = 1000
/** How long a worker may take to drain beyond what it gives its requests. */
const STOP_SPARE_MS = 10_000

/** The variable by which a worker knows which one it is. */
export const WORKER_VARIABLE = 'ZENDO_WORKER'

export interface RunningWorkers {
  reload(): void
  stop(): Promise<void>
}

/** Resolves once the first of them serves. @throws Error when it ends before that. */
export async function startWorkers(settings: Settings, log: Logger): Promise<RunningWorkers> {
  // Workers take connections by themselves. One that was handed over to a worker which dies before it has taken it would
  // stay open, with nobody to answer.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  let isStopping = false
  const running = new Map<number, Worker>()

  function start(index: number): Worker {
    const worker = cluster.fork({ [WORKER_VARIABLE]: String(index) })
    running.set(index, worker)
    worker.once('exit', (code, signal) => {
      if (running.get(index) === worker) running.delete(index)
      if (isStopping) return
      log.error({ worker: index, code, signal }, 'a worker ended; another takes its place')
      setTimeout(() => {
        if (!isStopping) start(index)
      }, RESTART_MS)
    })
    return worker
  }

  // The first one alone: it makes what a first start makes, and prints it.
  await whenListening(start(0))
  for (let index = 1; index < settings.workers; index++) start(index)
  return {
    reload: () => {
      for (const worker of running.values()) worker.process.kill('SIGHUP')
    },
    async stop() {
      isStopping = true
      await Promise.all([...running.values()].map((worker) => stopWorker(worker, settings.shutdownMs + STOP_SPARE_MS)))
    },
  }
}

function whenListening(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('listening', () => resolve())
    worker.once('exit', (code) => reject(new Error(`the first worker ended with code ${code}`)))
  })
}

function stopWorker(worker: Worker, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => worker.process.kill('SIGKILL'), withinMs)
    worker.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    worker.process.kill('SIGTERM')
  })
}
