/** The requests under way in this process, so that a shutdown can end them in good order. */

export interface Interruptible {
  /** Ends the request now: its client is told, and nothing is charged. */
  interrupt(): void
}

export interface UnderWay {
  add(request: Interruptible): void
  delete(request: Interruptible): void
  interruptAll(): void
  /** Resolves when none is left, or after `timeoutMs`; tells which. */
  whenEmpty(timeoutMs: number): Promise<boolean>
}

export function createUnderWay(): UnderWay {
  const requests = new Set<Interruptible>()
  const waiting = new Set<() => void>()
  return {
    add: (request) => void requests.add(request),
    delete(request) {
      requests.delete(request)
      if (requests.size === 0) for (const resolve of waiting) resolve()
    },
    interruptAll() {
      for (const request of requests) request.interrupt()
    },
    whenEmpty(timeoutMs) {
      if (requests.size === 0) return Promise.resolve(true)
      return new Promise((resolve) => {
        const finish = (isEmpty: boolean): void => {
          clearTimeout(timer)
          waiting.delete(onEmpty)
          resolve(isEmpty)
        }
        const onEmpty = (): void => finish(true)
        const timer = setTimeout(finish, timeoutMs, false)
        waiting.add(onEmpty)
      })
    },
  }
}
