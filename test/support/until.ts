/** Waits for something to become true, by looking often; for what cannot be awaited from outside a process. */
import { setTimeout as delay } from 'node:timers/promises'

const LOOK_EVERY_MS = 5

/** @throws Error with `what` when it has not become true within `limitMs`. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>, limitMs = 5000): Promise<void> {
  const giveUpAt = performance.now() + limitMs
  while (!(await isTrue())) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${limitMs} ms: ${what}`)
    await delay(LOOK_EVERY_MS)
  }
}

/** @throws Error with `what` when the promise is not settled within `limitMs`. */
export async function within<T>(what: string, promise: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms: ${what}`)), limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
