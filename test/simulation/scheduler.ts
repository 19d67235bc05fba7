/**
 * Time that goes on from one event to the next, and only when nothing is under way any more. Every event belongs to
 * somebody: what a dead process would have done is dropped, what a frozen one would do waits until it is thawed.
 */
import { createHash } from 'node:crypto'
import type { Timers } from '../../src/ledger/timers.ts'

/** Whose event it is: a process, or the world around it. */
export interface Owner {
  readonly name: string
  isDead: boolean
  isFrozen: boolean
}

interface Event {
  readonly atMs: number
  readonly n: number
  readonly owner: Owner
  readonly name: string
  readonly work: () => void
}

export class Scheduler {
  nowMs = 0
  events = 0
  readonly #queue: Event[] = []
  readonly #trace = createHash('sha256')
  readonly #log: ((line: string) => void) | null
  readonly #parked: Event[] = []
  #n = 0
  #underWay = 0
  failure: unknown = null

  constructor(log: ((line: string) => void) | null) {
    this.#log = log
  }

  /** Runs a work after so many milliseconds, if its owner still lives then. The returned function calls it off. */
  after(owner: Owner, delayMs: number, name: string, work: () => void): () => void {
    let isOff = false
    const run = (): void => {
      if (!isOff) work()
    }
    this.#insert({ atMs: this.nowMs + delayMs, n: this.#n++, owner, name, work: run })
    return () => {
      isOff = true
    }
  }

  /** Real work, such as a transaction or a write to disk: no event happens before it has ended. */
  async real<T>(work: () => Promise<T>): Promise<T> {
    this.#underWay++
    try {
      return await work()
    } finally {
      this.#underWay--
    }
  }

  sleep(owner: Owner, milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.after(owner, milliseconds, 'wakes', resolve))
  }

  thaw(owner: Owner): void {
    owner.isFrozen = false
    const own = this.#parked.filter((event) => event.owner === owner)
    for (const event of own) {
      this.#parked.splice(this.#parked.indexOf(event), 1)
      this.#insert({ ...event, atMs: this.nowMs, n: this.#n++ })
    }
  }

  /** Puts what happened into the trace, whose hash tells whether two runs were the same. */
  note(line: string): void {
    this.#trace.update(`${line}\n`)
    this.#log?.(`${this.nowMs} ${line}`)
  }

  hash(): string {
    return this.#trace.copy().digest('hex').slice(0, 16)
  }

  /** Lets everything happen that is due by then. @throws whatever a check has found. */
  async runUntil(untilMs: number): Promise<void> {
    await this.#settle()
    for (let next = this.#queue.at(-1); next !== undefined && next.atMs <= untilMs; next = this.#queue.at(-1)) {
      this.#queue.pop()
      this.nowMs = Math.max(this.nowMs, next.atMs)
      await this.#do(next)
    }
    this.nowMs = Math.max(this.nowMs, untilMs)
  }

  async #do(event: Event): Promise<void> {
    if (event.owner.isDead) return
    if (event.owner.isFrozen) {
      this.#parked.push(event)
      return
    }
    this.events++
    event.work()
    await this.#settle()
  }

  /** Resolves when no real work is under way. */
  async quiet(): Promise<void> {
    do {
      await new Promise<void>((resolve) => setImmediate(resolve))
    } while (this.#underWay > 0)
  }

  async #settle(): Promise<void> {
    await this.quiet()
    if (this.failure !== null) throw this.failure
  }

  /** Latest first, so that the next one is at the end. */
  #insert(event: Event): void {
    const queue = this.#queue
    let [low, high] = [0, queue.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const other = queue[middle] as Event
      if (other.atMs < event.atMs || (other.atMs === event.atMs && other.n < event.n)) high = middle
      else low = middle + 1
    }
    queue.splice(low, 0, event)
  }
}

/** The timers of one process, on the scheduler's time. */
export function timersOf(scheduler: Scheduler, owner: Owner): Timers {
  const { after } = { after: scheduler.after.bind(scheduler, owner) }
  return {
    now: () => scheduler.nowMs,
    soon: (work) => void after(0, 'goes on', work),
    after: (milliseconds, work) => after(milliseconds, 'timer', work),
    every(milliseconds, work) {
      let callOff = after(milliseconds, 'chore', tick)
      function tick(): void {
        callOff = after(milliseconds, 'chore', tick)
        work()
      }
      return () => callOff()
    },
  }
}
