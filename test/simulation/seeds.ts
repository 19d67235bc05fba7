/** Runs several seeds one after the other, and sums up. */
import { Worker } from 'node:worker_threads'
import { createPlaces, type Engine } from './place.ts'
import { type SimulationResult, simulate } from './simulation.ts'

export interface SeedsOptions {
  readonly engine: Engine
  readonly first: number
  readonly count: number
  readonly steps: number
  readonly isUnlimited: boolean
  /** Stops at the first seed that fails. */
  readonly bails?: boolean
  readonly log: ((line: string) => void) | null
  readonly tell?: (seed: number, result: SimulationResult) => void
}

export interface Summary {
  readonly commits: number
  readonly requests: number
  readonly ends: Readonly<Record<string, number>>
  /** By seed. */
  readonly hashes: ReadonlyMap<number, string>
  /** What was found, each with its seed. */
  readonly failures: readonly string[]
}

export async function runSeeds(options: SeedsOptions): Promise<Summary> {
  const places = await createPlaces(options.engine)
  const failures: string[] = []
  const hashes = new Map<number, string>()
  const ends: Record<string, number> = {}
  let [commits, requests] = [0, 0]
  try {
    for (let seed = options.first; seed < options.first + options.count; seed++) {
      if (options.bails && failures.length > 0) break
      const { database, directory, remove } = await places.open()
      try {
        const { steps, isUnlimited, log } = options
        const result = await simulate({ seed, steps, database, directory, isUnlimited, log })
        options.tell?.(seed, result)
        hashes.set(seed, result.hash)
        commits += result.commits
        requests += result.requests
        for (const [name, count] of Object.entries(result.ends)) ends[name] = (ends[name] ?? 0) + count
      } catch (error) {
        if (options.log && error instanceof Error)
          options.log(String(error.cause instanceof Error ? error.cause.stack : error.stack))
        failures.push(error instanceof Error ? error.message : String(error))
      } finally {
        await remove()
      }
    }
  } finally {
    await places.close()
  }
  return { commits, requests, ends, hashes, failures }
}

/** The same on two threads: seeds have nothing to do with each other. */
export async function runLanes(options: Omit<SeedsOptions, 'log' | 'tell'>): Promise<Summary> {
  const half = Math.ceil(options.count / 2)
  const parts = [
    { ...options, count: half },
    { ...options, first: options.first + half, count: options.count - half },
  ]
  const [a, b] = await Promise.all(parts.map(runLane))
  if (!a || !b) throw new Error('a thread told nothing')
  const ends: Record<string, number> = { ...a.ends }
  for (const [name, count] of Object.entries(b.ends)) ends[name] = (ends[name] ?? 0) + count
  return {
    ...{ commits: a.commits + b.commits, requests: a.requests + b.requests, ends },
    ...{ hashes: new Map([...a.hashes, ...b.hashes]), failures: [...a.failures, ...b.failures] },
  }
}

function runLane(options: Omit<SeedsOptions, 'log' | 'tell'>): Promise<Summary> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./lane.ts', import.meta.url), { workerData: options })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}
