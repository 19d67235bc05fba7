/** One simulated process: the real ledger, node and spill, on simulated time, over a line that may fail. */
import { pino } from 'pino'
import type { Command, EndCommand, EndResult, HoldResult } from '../../src/ledger/command.ts'
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts'
import { type RunningNode, recoverPlaces, startNode } from '../../src/ledger/node.ts'
import { openSpill, type Spill } from '../../src/ledger/spill.ts'
import { createMutex } from '../../src/store/mutex.ts'
import type { Random } from './random.ts'
import { type Owner, type Scheduler, timersOf } from './scheduler.ts'
import type { Server } from './server.ts'

const SILENT = pino({ enabled: false })
export const GRACE_MS = 30_000

export interface MachineOptions {
  readonly index: number
  readonly directory: string
  readonly scheduler: Scheduler
  readonly random: Random
  readonly server: Server
  /** The world's time; each machine's clock is off by some. */
  readonly worldMs: () => number
  readonly observe: (commands: readonly Command[], results: readonly (HoldResult | EndResult | boolean)[]) => void
  /** Whether its spill's disk takes anything now. */
  readonly diskWorks: () => boolean
}

/** A place where a process runs, crashes, and is started again. */
export class Machine {
  readonly place: string
  readonly spillPath: string
  readonly #options: MachineOptions
  owner: Owner
  ledger: Ledger | null = null
  node: RunningNode | null = null
  #spill: Spill | null = null
  skewMs = 0
  starts = 0
  /** Ends on its disk that no start has read yet. */
  spilled: EndCommand[] = []
  /** What a start is reading from the disk now. */
  recovering: EndCommand[] = []

  constructor(options: MachineOptions) {
    this.#options = options
    this.place = `machine#${options.index}`
    this.spillPath = `${options.directory}/spill-${options.index}.bin`
    this.owner = { name: `m${options.index}.0`, isDead: true, isFrozen: false }
  }

  get isServing(): boolean {
    return this.ledger !== null && !this.owner.isDead && !this.owner.isFrozen
  }

  /** Of this machine alone: the last digit tells machines apart, so that no two make an id at the same instant. */
  clock(): number {
    const { worldMs, index } = this.#options
    return Math.floor((worldMs() + this.skewMs) / 8) * 8 + index
  }

  /** Starts a process as the server does: first what the one before left behind, then the new one. */
  start(): void {
    this.starts++
    this.owner = { name: `m${this.#options.index}.${this.starts}`, isDead: false, isFrozen: false }
    void this.#start(this.owner)
  }

  async #start(owner: Owner): Promise<void> {
    const { scheduler, server, observe } = this.#options
    const timers = timersOf(scheduler, owner)
    const database = server.reachedBy(owner)
    try {
      this.recovering = this.spilled
      await recoverPlaces(database, { isOurs: (place) => place === this.place, spills: [this.spillPath] }, this.clock())
      const spill = await scheduler.real(() => openSpill(this.spillPath))
      this.#spill = spill
      this.spilled = []
      this.recovering = []
      const clock = (): number => this.clock()
      const node = await startNode({ database, place: this.place, clock, log: SILENT, graceMs: GRACE_MS, timers })
      this.node = node
      const watched = this.#watchSpill(owner, spill)
      this.ledger = createLedger({ database, spill: watched, receivers: () => [], log: SILENT, timers, observe })
      node.watch(this.ledger)
      scheduler.note(`${owner.name} serves`)
    } catch {
      scheduler.note(`${owner.name} could not start`)
      this.crash()
    }
  }

  /** Its memory is gone; what is on its disk stays. */
  crash(): void {
    const spill = this.#spill
    this.#spill = null
    if (spill) void this.#options.scheduler.real(() => spill.close())
    this.owner.isDead = true
    this.ledger = null
    this.node = null
  }

  #watchSpill(owner: Owner, spill: Spill): Spill {
    const { scheduler, random, diskWorks } = this.#options
    const inTurn = createMutex()
    return {
      append: (command) =>
        inTurn(async () => {
          await scheduler.sleep(owner, random.int(0, 30))
          if (!diskWorks()) throw new Error('the disk is full')
          await scheduler.real(() => spill.append(command))
          this.spilled.push(command)
          await scheduler.sleep(owner, random.int(0, 30))
        }),
      clear: () =>
        inTurn(async () => {
          await scheduler.real(() => spill.clear())
          this.spilled = []
        }),
      close: () => scheduler.real(() => spill.close()),
    }
  }
}
