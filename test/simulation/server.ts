/**
 * The database as simulated processes reach it: a real one, over a line that is slow, cut, or loses the answer to a
 * commit. Transactions are done one at a time, and each is judged as soon as it is committed.
 */
import { type Database, type Sql, storageFailure, type WriteOptions } from '../../src/store/database.ts'
import { UnknownOutcome } from '../../src/store/unknown-outcome.ts'
import type { Random } from './random.ts'
import type { Owner, Scheduler } from './scheduler.ts'

/** How often which fault strikes, each a share of the calls. */
export interface FaultRates {
  /** Not reached: nothing is done. */
  readonly refused: number
  /** Done and undone again. */
  readonly undone: number
  /** Done, and the answer is lost. */
  readonly unanswered: number
  /** Slower than anybody waits. */
  readonly slow: number
}

export interface ServerOptions {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly database: Database
  readonly rates: () => FaultRates
  /** Called before a transaction, and after it was committed or undone. */
  readonly begin: () => void
  readonly committed: (opensLedger: boolean) => Promise<void>
}

type Fate = 'done' | 'refused' | 'undone' | 'unanswered'

export class Server {
  readonly #options: ServerOptions
  readonly #owner: Owner = { name: 'server', isDead: false, isFrozen: false }
  isDown = false
  /** How long it was up in all, by the time at which it last went up. */
  #upMs = 0
  #upSinceMs = 0

  constructor(options: ServerOptions) {
    this.#options = options
  }

  setDown(isDown: boolean): void {
    const { nowMs } = this.#options.scheduler
    if (isDown && !this.isDown) this.#upMs += nowMs - this.#upSinceMs
    if (!isDown && this.isDown) this.#upSinceMs = nowMs
    this.isDown = isDown
  }

  /** Milliseconds for which it was up so far. */
  upMs(): number {
    return this.#upMs + (this.isDown ? 0 : this.#options.scheduler.nowMs - this.#upSinceMs)
  }

  /** The database as one process sees it. */
  reachedBy(owner: Owner): Database {
    const { database } = this.#options
    return {
      engine: database.engine,
      get: (sql, ...values) => this.#read(owner, () => database.get(sql, ...values)),
      all: (sql, ...values) => this.#read(owner, () => database.all(sql, ...values)),
      run: (sql, ...values) => this.#write(owner, (tx) => tx.run(sql, ...values), {}),
      runEach: (sql, rows) => this.#write(owner, (tx) => tx.runEach(sql, rows), {}),
      script: (sql) => this.#write(owner, (tx) => tx.script(sql), {}),
      write: (work, options) => this.#write(owner, work, options ?? {}),
      read: (work) => this.#read(owner, () => database.read(work)),
      close: async () => undefined,
    }
  }

  /** Does a transaction at once and without fault, as the world around does. */
  async now<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const { begin, committed, database, scheduler } = this.#options
    return await scheduler.real(async () => {
      begin()
      const result = await database.write(work, { opensLedger: true })
      await committed(true)
      return result
    })
  }

  #read<T>(owner: Owner, work: () => Promise<T>): Promise<T> {
    const { random, rates } = this.#options
    const isRefused = random.chance(rates().refused)
    return this.#call(owner, this.#latency(), async () => {
      if (this.isDown || isRefused) throw storageFailure(new Error('the line is cut'))
      return await work()
    })
  }

  #write<T>(owner: Owner, work: (sql: Sql) => Promise<T>, options: WriteOptions): Promise<T> {
    const { maxWaitMs = 5000 } = options
    const latencyMs = this.#latency()
    const fate = this.#fate()
    if (latencyMs > maxWaitMs) return this.#call(owner, maxWaitMs, () => Promise.reject(storageFailure('it was slow')))
    return this.#call(owner, latencyMs, () => this.#transact(fate, work, options))
  }

  async #transact<T>(fate: Fate, work: (sql: Sql) => Promise<T>, options: WriteOptions): Promise<T> {
    const { begin, committed, database } = this.#options
    if (this.isDown || fate === 'refused') throw storageFailure(new Error('the line is cut'))
    begin()
    const result = await database.write(
      async (sql) => {
        const done = await work(sql)
        if (fate === 'undone') throw storageFailure(new Error('the transaction was undone'))
        return done
      },
      options.opensLedger ? { opensLedger: true } : {},
    )
    await committed(options.opensLedger === true)
    if (fate === 'unanswered') throw new UnknownOutcome('the line was cut')
    return result
  }

  /** What was sent is done, whatever becomes of the sender; the answer reaches only one that lives. */
  #call<T>(owner: Owner, delayMs: number, work: () => Promise<T>): Promise<T> {
    const { scheduler } = this.#options
    const backMs = this.#latency() % 20
    return new Promise((resolve, reject) => {
      scheduler.after(this.#owner, delayMs, 'arrives', () => {
        const answer = (deliver: () => void): void => void scheduler.after(owner, backMs, 'is answered', deliver)
        scheduler.real(work).then(
          (result) => answer(() => resolve(result)),
          (error: unknown) => answer(() => reject(error)),
        )
      })
    })
  }

  #latency(): number {
    const { random, rates } = this.#options
    return random.chance(rates().slow) ? random.int(200, 3000) : random.int(0, 12)
  }

  #fate(): Fate {
    const { random, rates } = this.#options
    const { refused, undone, unanswered } = rates()
    if (random.chance(refused)) return 'refused'
    if (random.chance(undone)) return 'undone'
    return random.chance(unanswered) ? 'unanswered' : 'done'
  }
}
