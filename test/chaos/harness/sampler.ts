/** Looks at the books again and again while everything goes wrong: what heals by itself is a fault all the same. */
import { setTimeout as delay } from 'node:timers/promises'
import { auditLedger } from '../../../src/control/audit.ts'
import type { Database } from '../../../src/store/database.ts'

export interface Sampler {
  /** Distinct differences seen so far. */
  violations(): string[]
  /** How often it looked. */
  looks(): number
  /** How often it could not, because the database was out of reach. */
  misses(): number
  stop(): Promise<void>
}

const EVERY_MS = 100
/** Of the time that one look takes: on a long history it must not become the load itself. */
const REST_SHARE = 4

/** Each look is one snapshot. */
export function startSampler(database: Database): Sampler {
  const found = new Set<string>()
  let looks = 0
  let misses = 0
  let isStopped = false

  async function look(): Promise<void> {
    const { differences } = await auditLedger(database, { nowMs: Date.now(), sample: true })
    looks++
    for (const { rule, subject, expected, found: is } of differences) {
      found.add(`${rule}: ${subject} is ${is}, expected ${expected}`)
    }
  }

  const running = (async () => {
    while (!isStopped) {
      const beganAt = performance.now()
      await look().catch(() => misses++)
      await delay(Math.max(EVERY_MS, REST_SHARE * (performance.now() - beganAt)))
    }
  })()

  return {
    violations: () => [...found],
    looks: () => looks,
    misses: () => misses,
    async stop() {
      isStopped = true
      await running
    },
  }
}
