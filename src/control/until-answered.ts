/** For work that must not be done twice, nor be left undone: what to do when its commit was not answered. */
import { setTimeout as delay } from 'node:timers/promises'
import { isUnknownOutcome } from '../store/unknown-outcome.ts'

/** Until the database answers again; it takes a second after a restart. */
const RETRY_DELAYS_MS = [100, 500, 1000, 2000, 5000]

/**
 * Runs `work`, and runs it again while it is not known whether what it wrote stands. It must find out by itself: it
 * writes under the same ids each time, and changes nothing when they are there. @throws what `work` throws
 */
export async function untilAnswered<T>(work: () => Promise<T>): Promise<T> {
  for (const delayMs of RETRY_DELAYS_MS) {
    try {
      return await work()
    } catch (error) {
      if (!isUnknownOutcome(error)) throw error
      await delay(delayMs)
    }
  }
  return await work()
}
