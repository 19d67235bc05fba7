/** One run: machines, customers and an operator act at random under faults; the books are judged after each commit. */

import { nanoUsd } from '../../src/base/money.ts'
import { HOUR_MS } from '../../src/base/time.ts'
import { auditLedger } from '../../src/control/audit.ts'
import type { Command, EndResult, HoldResult } from '../../src/ledger/command.ts'
import { grantLot, refundLot } from '../../src/ledger/credit.ts'
import { expireCredit } from '../../src/ledger/expired-credit.ts'
import type { Database } from '../../src/store/database.ts'
import { randomRequest, serve } from './customer.ts'
import { compareBooks, loadRequests, type RequestRow } from './judge.ts'
import { demand, Model, type ModelRequest, Violation } from './model.ts'
import { GRACE_MS, Machine } from './node.ts'
import { NodeWatch } from './node-watch.ts'
import { createRandom, type Random } from './random.ts'
import { Scheduler } from './scheduler.ts'
import { type FaultRates, Server } from './server.ts'
import { Truth } from './truth.ts'
import { CALENDARS, createTenants, randomCap, START_MS, type Tenant } from './world.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly steps: number
  readonly database: Database
  /** For the spills; empty. */
  readonly directory: string
  /** Faults without end: nothing is asked but that no commit is ever wrong. */
  readonly isUnlimited: boolean
  readonly log: ((line: string) => void) | null
}

export interface SimulationResult {
  readonly hash: string
  readonly events: number
  readonly commits: number
  readonly requests: number
  /** How many requests came to which end, for a reader who wants to know that something happened. */
  readonly ends: Readonly<Record<string, number>>
}

const CALM: FaultRates = { refused: 0, undone: 0, unanswered: 0, slow: 0 }
const ROUGH: FaultRates = { refused: 0.02, undone: 0.02, unanswered: 0.03, slow: 0.03 }
const WILD: FaultRates = { refused: 0.15, undone: 0.1, unanswered: 0.15, slow: 0.15 }
const MACHINES = 3
const BALANCE_OF: Readonly<Record<string, string>> = { wrk_a: 'acc_a', wrk_b: 'acc_b' }

/** Runs one seed. @throws Violation with the seed's first wrong commit. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return await new Simulation(options).run()
}

class Simulation {
  readonly #options: SimulationOptions
  readonly #random: Random
  readonly #scheduler: Scheduler
  readonly #server: Server
  readonly #model = new Model()
  readonly #truth = new Truth()
  readonly #machines: Machine[]
  readonly #tenants: readonly Tenant[] = createTenants()
  #rates: FaultRates = CALM
  #jumpMs = 0
  #diskWorks = true
  #n = 0
  #commits = 0
  #staged: { commands: readonly Command[]; results: readonly (HoldResult | EndResult | boolean)[] }[] = []
  readonly #nodes: NodeWatch

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#random = createRandom(options.seed)
    this.#scheduler = new Scheduler(options.log)
    const { directory, database } = options
    const scheduler = this.#scheduler
    this.#server = new Server({
      ...{ scheduler, database, random: this.#random, rates: () => this.#rates },
      begin: () => {
        this.#staged = []
      },
      committed: (opensLedger) => this.#judge(opensLedger),
    })
    this.#machines = Array.from(
      { length: MACHINES },
      (_, index) =>
        new Machine({
          ...{ index, directory, scheduler, random: this.#random, server: this.#server },
          worldMs: () => START_MS + scheduler.nowMs + this.#jumpMs,
          observe: (commands, results) => this.#staged.push({ commands, results }),
          diskWorks: () => this.#diskWorks,
        }),
    )
    this.#nodes = new NodeWatch(this.#machines, () => this.#server.upMs())
    for (const { workspaceId } of this.#tenants) this.#model.accounts.set(workspaceId, { posted: 0n, held: 0n })
  }

  async run(): Promise<SimulationResult> {
    const { steps, isUnlimited, seed } = this.#options
    try {
      for (const machine of this.#machines) machine.start()
      await this.#pass(1000)
      for (const tenant of this.#tenants) await this.#grant(tenant)
      for (let step = 0; step < steps; step++) await this.#step(isUnlimited ? WILD : ROUGH)
      if (!isUnlimited) await this.#comeToRest()
      return this.#result()
    } catch (error) {
      if (!(error instanceof Error)) throw error
      const seen = `seed ${seed}, at ${this.#scheduler.nowMs} ms, commit ${this.#commits}: ${error.message}`
      throw new Violation(seen, { cause: error })
    } finally {
      for (const machine of this.#machines) machine.crash()
      await this.#scheduler.quiet()
    }
  }

  #result(): SimulationResult {
    const ends: Record<string, number> = {}
    for (const { state } of this.#truth.all()) ends[state] = (ends[state] ?? 0) + 1
    const { events } = this.#scheduler
    return { hash: this.#scheduler.hash(), events, commits: this.#commits, requests: this.#truth.all().length, ends }
  }

  async #pass(milliseconds: number): Promise<void> {
    await this.#scheduler.runUntil(this.#scheduler.nowMs + milliseconds)
  }

  async #step(faults: FaultRates): Promise<void> {
    const random = this.#random
    this.#rates = random.chance(0.5) ? faults : CALM
    this.#mend()
    const roll = random.int(0, 100)
    if (roll < 62) this.#ask()
    else if (roll < 68) await this.#grant(random.pick(this.#tenants))
    else if (roll < 71) await this.#refund()
    else if (roll < 75) this.#changePolicy(random.pick(this.#tenants))
    else if (roll < 78) await this.#expire()
    else if (roll < 80) this.#moveClocks()
    else if (roll < 86) this.#crashOrStart()
    else if (roll < 90) this.#freezeOrThaw()
    else if (roll < 93) this.#cutOrMend()
    else if (roll < 95) this.#diskWorks = false
    else if (roll < 98) await this.#storm()
    else if (roll < 99) await this.#blackOut()
    await this.#pass(random.chance(0.04) ? random.int(0, 2 * GRACE_MS) : random.size(4000))
  }

  /** One request, or a burst that shares a transaction. */
  #ask(wanted?: Machine): void {
    const random = this.#random
    const serving = this.#machines.filter(({ isServing }) => isServing)
    const machine = wanted ?? serving[random.int(0, Math.max(1, serving.length))]
    if (!machine?.isServing) return
    const count = random.chance(0.2) ? random.int(2, 8) : 1
    const tenant = random.pick(this.#tenants)
    const customer = { scheduler: this.#scheduler, random, truth: this.#truth }
    for (let i = 0; i < count; i++) {
      const id = `req_${String(this.#n++).padStart(5, '0')}`
      serve(customer, machine, randomRequest(random, tenant, machine, id)).catch((error: unknown) => {
        this.#scheduler.failure ??= error
      })
    }
  }

  #nowMs(): number {
    return START_MS + this.#scheduler.nowMs + this.#jumpMs
  }

  async #grant({ workspaceId, balanceId }: Tenant): Promise<void> {
    const random = this.#random
    const nowMs = this.#nowMs()
    const amount = nanoUsd(random.int(1, 200_000_000))
    const expiresAtMs = random.chance(0.5) ? nowMs + random.size(10 * 60_000) + 1 : null
    const lot = {
      ...{
        id: `lot_${String(this.#n++).padStart(5, '0')}`,
        workspaceId,
        amount,
        expiresAtMs,
        note: '',
        createdAtMs: nowMs,
      },
      ...{ source: 'operator' as const, priority: random.pick([50, 100, 100]) },
    }
    // A client that saw no answer asks again: it is still one lot.
    for (let tries = random.int(1, 3); tries > 0; tries--) {
      await this.#server.now(async (sql) => {
        await grantLot(sql, balanceId, lot)
        this.#model.grant({ ...lot, remaining: amount }, 'credit_issued')
      })
    }
    this.#scheduler.note(`${lot.id} ${amount}`)
  }

  async #refund(): Promise<void> {
    const charged = [...this.#model.requests.values()].filter(
      (one) => one.funding === 'balance' && (one.charged ?? 0n) > 0n,
    )
    const request = charged[this.#random.int(0, Math.max(1, charged.length))]
    if (!request || this.#refunded.has(request.id)) return
    this.#refunded.add(request.id)
    const workspaceId = request.workspaceId ?? ''
    const amount = nanoUsd((request.charged ?? 0n) / 2n + 1n)
    const nowMs = this.#nowMs()
    const lot = {
      ...{ id: `back_${request.id}`, workspaceId, amount, expiresAtMs: null, note: '', createdAtMs: nowMs },
      ...{ source: 'refund' as const, priority: 100 },
    }
    for (let tries = this.#random.int(1, 3); tries > 0; tries--) {
      await this.#server.now(async (sql) => {
        await refundLot(sql, BALANCE_OF[workspaceId] ?? '', request.id, 0, lot)
        this.#model.grant({ ...lot, remaining: amount }, 'usage_revenue')
      })
    }
  }

  readonly #refunded = new Set<string>()

  #changePolicy(tenant: Tenant): void {
    const random = this.#random
    const roll = random.int(0, 4)
    if (roll === 0) tenant.calendar = random.pick(CALENDARS)
    if (roll === 1) tenant.caps = []
    if (roll === 2) tenant.useBalance = !tenant.useBalance
    if (roll !== 3) return
    const cap = randomCap(random, tenant, this.#n++)
    tenant.caps = [...tenant.caps.filter((one) => one.subjectId !== cap.subjectId || one.unit !== cap.unit), cap]
  }

  async #expire(): Promise<void> {
    const nowMs = this.#nowMs()
    const due = this.#model.dueWorkspaces(nowMs)
    const { database } = this.#options
    const write: Database['write'] = (work) =>
      this.#server.now(async (sql) => {
        const result = await work(sql)
        this.#model.expire(due.shift() ?? '', nowMs)
        return result
      })
    await this.#scheduler.real(() => expireCredit({ ...database, write }, nowMs))
    demand(due.length === 0, `nobody looked at the expired credit of ${due[0]}`)
  }

  /** Of all machines, or of one: within what clocks differ by. */
  #moveClocks(): void {
    const random = this.#random
    if (random.chance(0.3)) this.#jumpMs += random.int(0, 30) * HOUR_MS
    else random.pick(this.#machines).skewMs = random.int(-120_000, 120_000)
  }

  #crashOrStart(): void {
    const machine = this.#random.pick(this.#machines)
    this.#scheduler.note(`${machine.owner.name} ${machine.owner.isDead ? 'starts' : 'crashes'}`)
    if (machine.owner.isDead) machine.start()
    else machine.crash()
  }

  #freezeOrThaw(): void {
    const { owner } = this.#random.pick(this.#machines)
    this.#scheduler.note(`${owner.name} ${owner.isFrozen ? 'thaws' : 'freezes'}`)
    if (owner.isFrozen) this.#scheduler.thaw(owner)
    else owner.isFrozen = true
  }

  /** The database goes while requests end, and then the machine goes too: their ends are on its disk alone. */
  async #storm(): Promise<void> {
    const machine = this.#random.pick(this.#machines)
    for (let n = 0; n < 3; n++) this.#ask(machine)
    await this.#pass(this.#random.int(0, 3000))
    this.#server.setDown(true)
    await this.#pass(this.#random.int(300, 4000))
    this.#scheduler.note(`${machine.owner.name} goes with the database`)
    machine.crash()
    this.#server.setDown(false)
    if (this.#random.chance(0.7)) machine.start()
  }

  /** Nobody reaches the database for longer than a process may be silent. */
  async #blackOut(): Promise<void> {
    for (let n = 0; n < 3; n++) this.#ask()
    await this.#pass(this.#random.int(0, 3000))
    this.#server.setDown(true)
    await this.#pass(GRACE_MS + this.#random.int(0, 10_000))
    this.#server.setDown(false)
  }

  #mend(): void {
    const random = this.#random
    if (this.#server.isDown && random.chance(0.25)) this.#cutOrMend()
    if (!this.#diskWorks && random.chance(0.25)) this.#diskWorks = true
    const idle = this.#machines.find((machine) => machine.owner.isDead || machine.owner.isFrozen)
    if (!idle || !random.chance(0.15)) return
    if (idle.owner.isFrozen) this.#scheduler.thaw(idle.owner)
    else idle.start()
  }

  #cutOrMend(): void {
    this.#server.setDown(!this.#server.isDown)
    this.#scheduler.note(`the server is ${this.#server.isDown ? 'down' : 'up'}`)
  }

  /** Every fault ends, and then all that was under way must come to its end, and the audit find nothing. */
  async #comeToRest(): Promise<void> {
    this.#rates = CALM
    this.#diskWorks = true
    this.#server.setDown(false)
    for (const { owner } of this.#machines) if (owner.isFrozen) this.#scheduler.thaw(owner)
    await this.#pass(5000)
    for (const machine of this.#machines) if (machine.owner.isDead) machine.start()
    await this.#pass(2 * GRACE_MS + 60_000)
    await this.#scheduler.real(() => this.#judgeEnd())
  }

  async #judgeEnd(): Promise<void> {
    const { database } = this.#options
    const rows = await loadRequests(database)
    this.#truth.judge(rows, (row) => this.#nodes.wasGivenUp(row.node_id))
    const open = rows.filter(({ state }) => state === 'held')
    demand(open.length === 0, `${open.length} requests never end, such as ${open[0]?.id}`)
    const { differences } = await auditLedger(database, { nowMs: this.#nowMs() })
    const [first] = differences
    const audit = first && `${first.rule}: ${first.subject} is ${first.found} and not ${first.expected}`
    demand(first === undefined, `the audit finds ${differences.length} differences, such as ${audit}`)
  }

  /** After each commit. */
  async #judge(opensLedger: boolean): Promise<void> {
    try {
      for (const { commands, results } of this.#staged) {
        this.#model.apply(commands, results)
        for (const [index, command] of commands.entries()) this.#checkEnd(command, results[index])
      }
      this.#staged = []
      await this.#options.database.read(async (sql) => {
        if (!opensLedger) return this.#nodes.look(sql)
        this.#commits++
        const rows = await loadRequests(sql)
        await this.#nodes.look(sql)
        this.#takeOthersEnds(rows)
        await compareBooks(sql, this.#model, rows)
      })
    } catch (error) {
      this.#scheduler.failure ??= error
      throw error
    }
  }

  /** An end of a process is the one that its request came to, or gives back a hold that its client knows nothing of. */
  #checkEnd(command: Command, result: HoldResult | EndResult | boolean | undefined): void {
    if (command.kind !== 'end' || typeof result !== 'object' || !('kind' in result) || result.kind === 'late') return
    const known = this.#truth.of(command.end.id)
    const isGivenBack = command.end.state === 'released' && known.state !== 'open' && known.state !== 'ended'
    demand(command.end === known.end?.end || isGivenBack, `${command.end.id} was ended by nobody's word`)
  }

  /** Ends that no process asked for: those of a disk that was read again, and those of the sweep. */
  #takeOthersEnds(rows: readonly RequestRow[]): void {
    const replayed = this.#machines.flatMap(({ recovering }) => recovering)
    const changed = new Map(rows.filter((row) => this.#isNews(row)).map((row) => [row.id, row]))
    for (const command of replayed) {
      const row = changed.get(command.end.id)
      if (row === undefined || (row.ended_by === 'sweep' && this.#model.requests.get(row.id)?.state === 'held'))
        continue
      this.#model.end(command, null)
      changed.delete(row.id)
    }
    for (const row of changed.values()) this.#takeSweep(row)
  }

  #isNews(row: RequestRow): boolean {
    const own = this.#model.requests.get(row.id)
    return own !== undefined && (own.state !== row.state || own.lateCost !== row.late_cost)
  }

  #takeSweep(row: RequestRow): void {
    const own = this.#model.requests.get(row.id)
    demand(own?.state === 'held' && row.ended_by === 'sweep', `${row.id} became ${row.state} by ${row.ended_by}`)
    const known = this.#truth.of(row.id)
    const isServed = known.state === 'open' || known.state === 'ending' || known.state === 'asked'
    demand(this.#nodes.hasEnded(row.node_id) || !isServed, `${row.id} was swept while its process served it`)
    this.#release(own, row)
    this.#scheduler.note(`${row.id} was swept`)
  }

  #release(request: ModelRequest, row: RequestRow): void {
    demand(row.state === 'released' && row.charged === 0n && row.cost === 0n, `${row.id} was charged by the sweep`)
    if (request.funding === 'balance') this.#model.account(request.workspaceId).held -= request.hold
    this.#model.giveBack(request)
    Object.assign(request, { state: 'released', charged: 0n, cost: 0n, endedBy: 'sweep' })
  }
}
