/** Time that passes, for whatever waits in the ledger: the process's own, or a scheduler's that a test moves by hand. */

export interface Timers {
  /** Milliseconds on a clock that only goes forward. */
  readonly now: () => number
  /** Runs a work once, as soon as what runs now is done. */
  readonly soon: (work: () => void) => void
  /** Runs a work once after so many milliseconds; the returned function calls that off. */
  readonly after: (milliseconds: number, work: () => void) => () => void
  /** Runs a work every so many milliseconds until the returned function is called. Keeps no process alive. */
  readonly every: (milliseconds: number, work: () => void) => () => void
}

export const SYSTEM_TIMERS: Timers = {
  now: () => performance.now(),
  soon(work) {
    setImmediate(work)
  },
  after(milliseconds, work) {
    const timer = setTimeout(work, milliseconds)
    return () => clearTimeout(timer)
  },
  every(milliseconds, work) {
    const timer = setInterval(work, milliseconds).unref()
    return () => clearInterval(timer)
  },
}

/** Repeats a work, one run at a time, until the returned function is called; that resolves when the last run has ended. */
export function repeat(
  timers: Timers,
  milliseconds: number,
  work: () => Promise<unknown>,
  onError: (error: unknown) => void,
): () => Promise<void> {
  let running: Promise<void> | null = null
  const callOff = timers.every(milliseconds, () => {
    running ??= work()
      .then(() => undefined, onError)
      .finally(() => {
        running = null
      })
  })
  return async () => {
    callOff()
    await running
  }
}

export const LATE: unique symbol = Symbol('late')

/** What a promise becomes in time, or `LATE`; its failure after that is nobody's. */
export async function within<T>(timers: Timers, promise: Promise<T>, milliseconds: number): Promise<T | typeof LATE> {
  let callOff: (() => void) | undefined
  const late = new Promise<typeof LATE>((resolve) => {
    callOff = timers.after(milliseconds, () => resolve(LATE))
  })
  promise.catch(() => undefined)
  try {
    return await Promise.race([promise, late])
  } finally {
    callOff?.()
  }
}
