/**
 * The rows of one transaction of the ledger: read and locked once, changed in memory by any number of commands, written
 * once. Nothing here waits, so commands see each other's changes in the order in which they are done.
 */
import { addUsd, minUsd, type NanoUsd, nanoUsd, subtractUsd, ZERO_USD } from '../base/money.ts'
import type { AccountRow, EntryRow, TransferRow } from '../store/account.ts'
import type { Lot } from '../store/lot.ts'
import type { MeterRow, RequestMeter } from '../store/meter.ts'
import type { HeldRequest, RequestEnd, RequestState } from '../store/request.ts'

interface Changed<Row> {
  readonly before: Row
  after: Row
}

interface LotState {
  readonly lot: Lot
  remaining: NanoUsd
}

/** What a transaction has read, by id. */
export interface LoadedRows {
  readonly accounts: readonly AccountRow[]
  readonly meters: readonly MeterRow[]
  /** By workspace, in the order in which they are drawn on. */
  readonly lots: ReadonlyMap<string, readonly Lot[]>
}

export class Books {
  readonly #accounts = new Map<string, Changed<AccountRow>>()
  readonly #meters = new Map<string, Changed<MeterRow>>()
  readonly #newMeters = new Map<string, MeterRow>()
  readonly #bySubject = new Map<string, string[]>()
  readonly #lots = new Map<string, LotState[]>()
  readonly #system = new Map<string, NanoUsd>()
  /** What the commands add; written as it stands. */
  readonly transfers: TransferRow[] = []
  readonly requests: HeldRequest[] = []
  readonly ends: RequestEnd[] = []
  readonly held: RequestMeter[] = []
  readonly grown: { readonly id: string; readonly before: NanoUsd; readonly after: NanoUsd }[] = []
  readonly grownMeters: RequestMeter[] = []
  readonly counted: RequestMeter[] = []
  readonly late: { readonly id: string; readonly cost: NanoUsd }[] = []
  /** By workspace and idempotency key: requests that carry one. */
  readonly byIdempotencyKey = new Map<string, RequestState>()

  constructor(rows: LoadedRows) {
    for (const row of rows.accounts) this.#accounts.set(row.id, { before: row, after: row })
    for (const row of rows.meters) this.#addMeter(row)
    for (const [workspaceId, lots] of rows.lots) this.addLots(workspaceId, lots)
  }

  #addMeter(row: MeterRow): void {
    if (this.#meters.has(row.id)) return
    this.#meters.set(row.id, { before: row, after: row })
    this.#bySubject.set(row.subjectId, [...(this.#bySubject.get(row.subjectId) ?? []), row.id])
  }

  /** @throws Error when it was not loaded: a request cannot do without its account. */
  account(id: string): AccountRow {
    return this.#changedAccount(id).after
  }

  #changedAccount(id: string): Changed<AccountRow> {
    const account = this.#accounts.get(id)
    if (!account) throw new Error(`account ${id} does not exist`)
    return account
  }

  /** What may still be held of a balance. */
  available(accountId: string): NanoUsd {
    const { posted, held } = this.account(accountId)
    return subtractUsd(posted, held)
  }

  addHeld(accountId: string, amount: NanoUsd): void {
    const changed = this.#changedAccount(accountId)
    changed.after = { ...changed.after, held: addUsd(changed.after.held, amount) }
  }

  addPosted(accountId: string, amount: NanoUsd): void {
    const changed = this.#changedAccount(accountId)
    changed.after = { ...changed.after, posted: addUsd(changed.after.posted, amount) }
  }

  setAccount(accountId: string, change: Partial<Pick<AccountRow, 'credited' | 'told' | 'nextExpiryMs'>>): void {
    const changed = this.#changedAccount(accountId)
    changed.after = { ...changed.after, ...change }
  }

  /** Adds to an account of the operator's. */
  addSystem(accountId: string, amount: NanoUsd): void {
    this.#system.set(accountId, addUsd(this.#system.get(accountId) ?? ZERO_USD, amount))
  }

  /** The open meters of a subject by name, those opened in this transaction included. */
  metersOf(subjectId: string, name: string): MeterRow[] {
    const ids = this.#bySubject.get(subjectId) ?? []
    return ids.map((id) => this.meter(id)).filter((row) => row.name === name)
  }

  meter(id: string): MeterRow {
    const row = this.#newMeters.get(id) ?? this.#meters.get(id)?.after
    if (!row) throw new Error(`meter ${id} does not exist`)
    return row
  }

  openMeter(row: MeterRow): void {
    this.#newMeters.set(row.id, row)
    this.#bySubject.set(row.subjectId, [...(this.#bySubject.get(row.subjectId) ?? []), row.id])
  }

  changeMeter(id: string, change: Partial<Pick<MeterRow, 'settled' | 'held' | 'limit' | 'told'>>): void {
    const row = { ...this.meter(id), ...change }
    if (row.held < 0n || row.settled < 0n) throw new Error(`meter ${id} would fall below zero`)
    const known = this.#meters.get(id)
    if (known) known.after = row
    else this.#newMeters.set(id, row)
  }

  hasLotsOf(workspaceId: string): boolean {
    return this.#lots.has(workspaceId)
  }

  addLots(workspaceId: string, lots: readonly Lot[]): void {
    this.#lots.set(
      workspaceId,
      lots.map((lot) => ({ lot, remaining: lot.remaining })),
    )
  }

  lotsOf(workspaceId: string): readonly { readonly lot: Lot; readonly remaining: NanoUsd }[] {
    return this.#lotsOf(workspaceId)
  }

  #lotsOf(workspaceId: string): LotState[] {
    const lots = this.#lots.get(workspaceId)
    if (!lots) throw new Error(`the lots of ${workspaceId} were not read`)
    return lots
  }

  /**
   * Takes an amount from the lots of a workspace, in their order. Returns the legs that say so.
   * @throws Error when the lots do not have it, though the balance does: the books are then wrong already.
   */
  drawLots(workspaceId: string, accountId: string, amount: NanoUsd): EntryRow[] {
    // Lots are read only for what is charged: a request may have cost something, and all of it be written off.
    if (amount === 0n) return []
    const legs: EntryRow[] = []
    let left = amount
    for (const state of this.#lotsOf(workspaceId)) {
      if (left === 0n) break
      const part = minUsd(left, state.remaining)
      if (part === 0n) continue
      state.remaining = subtractUsd(state.remaining, part)
      left = subtractUsd(left, part)
      legs.push({ accountId, amount: nanoUsd(-part), grantId: state.lot.id })
    }
    if (left > 0n) throw new Error(`the lots of ${workspaceId} hold less than its balance`)
    return legs
  }

  takeFromLot(workspaceId: string, lotId: string, amount: NanoUsd): void {
    const state = this.#lotsOf(workspaceId).find(({ lot }) => lot.id === lotId)
    if (!state || state.remaining < amount) throw new Error(`lot ${lotId} has not that much left`)
    state.remaining = subtractUsd(state.remaining, amount)
  }

  /** Adds a transfer and its effect on the accounts. @throws Error when its entries do not sum to zero. */
  post(transfer: TransferRow): void {
    const sum = transfer.entries.reduce((total, { amount }) => total + amount, 0n)
    if (sum !== 0n) throw new Error(`transfer ${transfer.id} does not balance`)
    this.transfers.push(transfer)
    for (const { accountId, amount } of transfer.entries) {
      if (this.#accounts.has(accountId)) this.addPosted(accountId, amount)
      else this.addSystem(accountId, amount)
    }
  }

  changedAccounts(): Changed<AccountRow>[] {
    return [...this.#accounts.values()].filter(({ before, after }) => before !== after)
  }

  changedMeters(): Changed<MeterRow>[] {
    return [...this.#meters.values()].filter(({ before, after }) => before !== after)
  }

  newMeters(): MeterRow[] {
    return [...this.#newMeters.values()]
  }

  changedLots(): { id: string; before: NanoUsd; after: NanoUsd }[] {
    return [...this.#lots.values()]
      .flat()
      .filter(({ lot, remaining }) => remaining !== lot.remaining)
      .map(({ lot, remaining }) => ({ id: lot.id, before: lot.remaining, after: remaining }))
  }

  systemChanges(): [string, NanoUsd][] {
    return [...this.#system].filter(([, amount]) => amount !== 0n).sort(([a], [b]) => (a < b ? -1 : 1))
  }
}
