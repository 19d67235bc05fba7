/** Runs a part of the seeds in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads'
import { runSeeds } from './seeds.ts'

parentPort?.postMessage(await runSeeds({ ...workerData, log: null }))
