/**
 * The books a second time, in memory and from the published rules alone: what each command must come to, and what
 * balances, lots, meters and requests must then be. It decides nothing; it says where the ledger has decided otherwise.
 */
import type {
  Command,
  EndCommand,
  EndResult,
  ExtendCommand,
  HoldCommand,
  HoldResult,
  Refusal,
  Source,
} from '../../src/ledger/command.ts'

import { lockedBy, timeOf } from './model-command.ts'
import { type Cover, holdOf, MILLION, partly, unweigh, wholly } from './model-cover.ts'

export interface ModelLot {
  readonly id: string
  readonly workspaceId: string
  readonly priority: number
  readonly expiresAtMs: number | null
  readonly createdAtMs: number
  remaining: bigint
}

export interface ModelMeter {
  readonly id: string
  readonly subjectId: string
  readonly name: string
  readonly scope: string
  readonly kind: string
  /** Known once its row was seen. */
  startsAtMs: number
  endsAtMs: number
  limit: bigint
  settled: bigint
  held: bigint
}

export interface ModelRequest {
  readonly id: string
  readonly workspaceId: string | null
  readonly nodeId: string
  readonly funding: string
  readonly weightPpm: bigint
  readonly meters: readonly string[]
  readonly idempotencyKey: string | null
  readonly bodyDigest: string | null
  readonly maxHold: bigint
  hold: bigint
  state: 'held' | 'settled' | 'released'
  charged: bigint | null
  cost: bigint | null
  endedBy: string | null
  lateCost: bigint | null
}

export interface ModelAccount {
  posted: bigint
  held: bigint
}

/** What limits a source: how large a hold may be at list price, and where it is taken of. */
interface Limit {
  readonly name: string
  readonly room: bigint | null
  readonly take: (hold: bigint, meterId: string | undefined) => void
  readonly isMeter: boolean
}

export class Violation extends Error {}

export function demand(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Violation(what)
}

export class Model {
  readonly accounts = new Map<string, ModelAccount>()
  readonly lots: ModelLot[] = []
  readonly meters = new Map<string, ModelMeter>()
  readonly requests = new Map<string, ModelRequest>()
  readonly system = { credit_issued: 0n, credit_expired: 0n, usage_revenue: 0n, write_off: 0n }

  /** One transaction: ends first, then what has expired, then the others, each group in its order. */
  apply(commands: readonly Command[], results: readonly (HoldResult | EndResult | boolean)[]): void {
    const each = commands.map((command, index) => ({ command, result: results[index] }))
    for (const { command, result } of each) if (command.kind === 'end') this.end(command, result as EndResult)
    const holds = commands.filter((command) => command.kind === 'hold')
    if (holds.length > 0) {
      const nowMs = Math.max(...holds.map(({ request }) => request.createdAtMs))
      for (const workspaceId of new Set(commands.map(lockedBy)))
        if (workspaceId !== null) this.expire(workspaceId, nowMs)
    }
    const latest = Math.max(0, ...commands.map(timeOf))
    for (const { command, result } of each) {
      if (command.kind === 'hold') this.#hold(command, result as HoldResult)
      if (command.kind === 'extend') this.#extend(command, result as boolean, latest)
    }
  }

  account(workspaceId: string | null): ModelAccount {
    const account = this.accounts.get(workspaceId ?? '')
    if (!account) throw new Violation(`${workspaceId} has no balance`)
    return account
  }

  grant(lot: ModelLot, from: 'credit_issued' | 'usage_revenue'): void {
    if (this.lots.some(({ id }) => id === lot.id)) return
    this.lots.push(lot)
    this.account(lot.workspaceId).posted += lot.remaining
    this.system[from] -= lot.remaining
  }

  /** Credit that has expired goes, but for what is held. */
  expire(workspaceId: string, nowMs: number): void {
    const account = this.account(workspaceId)
    let before = 0n
    for (const lot of this.#lotsOf(workspaceId)) {
      // Held is the beginning of all lots laid end to end.
      const end = before + lot.remaining
      const free = end - (account.held > end ? end : account.held > before ? account.held : before)
      before = end
      if (lot.expiresAtMs === null || lot.expiresAtMs > nowMs) continue
      const amount = free
      lot.remaining -= amount
      account.posted -= amount
      this.system.credit_expired += amount
    }
  }

  dueWorkspaces(nowMs: number): string[] {
    const due = this.lots.filter(
      ({ remaining, expiresAtMs }) => remaining > 0n && expiresAtMs !== null && expiresAtMs <= nowMs,
    )
    return [...new Set(due.map(({ workspaceId }) => workspaceId))].sort()
  }

  /** In the order in which they are drawn on. */
  #lotsOf(workspaceId: string): ModelLot[] {
    const expiry = ({ expiresAtMs }: ModelLot): number => expiresAtMs ?? Number.MAX_SAFE_INTEGER
    return this.lots
      .filter((lot) => lot.workspaceId === workspaceId && lot.remaining > 0n)
      .sort(
        (a, b) =>
          a.priority - b.priority || expiry(a) - expiry(b) || a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1),
      )
  }

  end(command: EndCommand, result: EndResult | null): void {
    const { end } = command
    const request = this.requests.get(end.id)
    if (request?.state !== 'held') {
      this.#endAgain(command, request, result)
      return
    }
    // What the row holds decides: a growth whose answer was lost stands too.
    const charged = end.cost < request.hold ? end.cost : request.hold
    const isTold = result === null || (result.kind === 'ended' && result.charged === charged)
    demand(isTold, `${end.id} was ended otherwise than with ${charged}`)
    if (request.funding === 'balance') this.#pay(request, end.cost, charged)
    for (const id of request.meters) {
      const meter = this.#meter(id)
      meter.held -= this.#counted(meter, request.hold, request.weightPpm)
      meter.settled += this.#counted(meter, charged, request.weightPpm)
    }
    const { state, cost, endedBy } = end
    Object.assign(request, { state, charged, cost, endedBy })
  }

  #endAgain({ end }: EndCommand, request: ModelRequest | undefined, result: EndResult | null): void {
    const isOwn = request?.endedBy === end.endedBy
    if (isOwn) {
      demand(
        result === null || (result.kind === 'ended' && result.charged === request.charged),
        `${end.id} was told otherwise`,
      )
      return
    }
    demand(result === null || result.kind === 'late', `${end.id} had ended without its node`)
    if (request && end.cost > 0n) request.lateCost ??= end.cost
  }

  #pay(request: ModelRequest, cost: bigint, charged: bigint): void {
    const account = this.account(request.workspaceId)
    account.held -= request.hold
    account.posted -= charged
    let left: bigint = charged
    for (const lot of this.#lotsOf(request.workspaceId ?? '')) {
      const part = lot.remaining < left ? lot.remaining : left
      lot.remaining -= part
      left -= part
    }
    demand(left === 0n, `the lots of ${request.workspaceId} do not cover ${request.id}`)
    this.system.usage_revenue += cost
    this.system.write_off -= cost - charged
  }

  #extend({ holding, before, after, atMs }: ExtendCommand, result: boolean, latestMs: number): void {
    const request = this.requests.get(holding.requestId)
    if (request?.state !== 'held' || request.hold !== before || after > request.maxHold) {
      demand(!result, `${holding.requestId} grew though it could not`)
      return
    }
    const account = request.funding === 'balance' ? this.account(request.workspaceId) : null
    const steps = request.meters.map((id) => {
      const meter = this.#meter(id)
      const by = this.#counted(meter, after, request.weightPpm) - this.#counted(meter, before, request.weightPpm)
      return { meter, by }
    })
    const hasMoney = account === null || account.posted - account.held >= after - before
    const fitsAt = (nowMs: number): boolean => steps.every(({ meter, by }) => this.#roomOf(meter, nowMs) >= by)
    // Commands that share a transaction were given within a moment of each other, so any instant of it will do.
    const isRight = hasMoney ? [fitsAt(atMs), fitsAt(latestMs)].includes(result) : !result
    demand(isRight, `${request.id} ${result ? 'grew' : 'did not grow'} from ${before} to ${after}`)
    if (!result) return
    if (account) account.held += after - before
    for (const { meter, by } of steps) meter.held += by
    request.hold = after
  }

  #hold(command: HoldCommand, result: HoldResult): void {
    const { request } = command
    const twin = this.#twinOf(command)
    if (twin) {
      demand(!result.ok && result.refusal.kind === 'repeated', `${request.id} has the key of ${twin.id}`)
      const { requestId, state } = result.refusal
      demand(requestId === twin.id && state === twin.state, `${request.id} was told of another than ${twin.id}`)
      return
    }
    const decided = this.#decide(command)
    if (!result.ok) {
      demand(decided === null, `${request.id} was refused though it fits`)
      this.#checkRefusal(command, result.refusal)
      return
    }
    demand(decided !== null, `${request.id} was admitted though nothing has room`)
    const { source, cover, limits } = decided
    const { cover: given } = result
    demand(
      result.funding === source.kind &&
        given.hold === cover.hold &&
        given.maxHold === cover.maxHold &&
        given.output === cover.output,
      `${request.id} holds ${given.hold} to ${given.maxHold} of ${result.funding}, not ${cover.hold} to ${cover.maxHold} of ${source.kind}`,
    )
    const meters = [...result.meters]
    demand(meters.length === limits.filter(({ isMeter }) => isMeter).length, `${request.id} holds of other meters`)
    for (const limit of limits) limit.take(cover.hold, limit.isMeter ? meters.shift() : undefined)
    this.#admit(command, result)
  }

  #checkRefusal(command: HoldCommand, refusal: Refusal): void {
    const { request, size, sources } = command
    demand(refusal.kind === 'limit', `${request.id} was refused by ${refusal.kind}`)
    const least = holdOf(size, Math.min(size.leastOutput, size.output))
    const full = this.#limitsOf(command, sources.at(-1)).filter(({ room }) => room !== null && room < least)
    const isNamed = full.some(({ name }) => name === refusal.limit.name)
    demand(isNamed, `${request.id} was refused by ${refusal.limit.name}, which has room`)
  }

  #admit({ request }: HoldCommand, result: Extract<HoldResult, { ok: true }>): void {
    const { id, workspaceId, nodeId, weightPpm, idempotencyKey, bodyDigest } = request
    demand(!this.requests.has(id), `${id} was admitted twice`)
    this.requests.set(id, {
      ...{
        id,
        workspaceId,
        nodeId,
        weightPpm,
        idempotencyKey,
        bodyDigest,
        funding: result.funding,
        meters: result.meters,
      },
      ...{ hold: result.cover.hold, maxHold: result.cover.maxHold, state: 'held' },
      ...{ charged: null, cost: null, endedBy: null, lateCost: null },
    })
  }

  #twinOf({ request }: HoldCommand): ModelRequest | undefined {
    if (request.idempotencyKey === null) return undefined
    for (const other of this.requests.values()) {
      const isNamed = other.idempotencyKey === request.idempotencyKey && other.workspaceId === request.workspaceId
      if (isNamed && other.state !== 'released') return other
    }
    return undefined
  }

  #decide(command: HoldCommand): { source: Source; cover: Cover; limits: readonly Limit[] } | null {
    for (const rule of [wholly, partly]) {
      for (const source of command.sources) {
        if (source.kind === 'free') return { source, cover: { hold: 0n, maxHold: 0n, output: null }, limits: [] }
        const limits = this.#limitsOf(command, source)
        const rooms = limits.map(({ room }) => room).filter((room) => room !== null)
        const cover = rule(command.size, rooms.length === 0 ? null : rooms.reduce((a, b) => (b < a ? b : a)))
        if (cover) return { source, cover, limits }
      }
    }
    return null
  }

  #limitsOf(command: HoldCommand, source: Source | undefined): Limit[] {
    const { request, caps } = command
    if (!source || source.kind === 'free') return []
    if (source.kind === 'plan') {
      return source.windows.map((spec) => this.#meterLimit(command, source.seatId, 'seat', spec, request.weightPpm))
    }
    const account = this.account(request.workspaceId)
    const room = account.posted - account.held
    const take = (hold: bigint): void => {
      account.held += hold
    }
    const names = { day: 'daily', week: 'weekly', month: 'monthly' }
    const capped = caps.map(({ scope, subjectId, unit, limit }) =>
      this.#meterLimit(
        command,
        subjectId,
        scope,
        { name: `${names[unit]} ${scope} cap`, kind: 'calendar', limit },
        MILLION,
      ),
    )
    return [{ name: 'balance', room: room > 0n ? room : 0n, take, isMeter: false }, ...capped]
  }

  #meterLimit(
    { request }: HoldCommand,
    subjectId: string,
    scope: string,
    spec: { readonly name: string; readonly kind: string; readonly limit: bigint },
    weightPpm: bigint,
  ): Limit {
    const { name, kind, limit } = spec
    const open = [...this.meters.values()]
      .filter((meter) => meter.subjectId === subjectId && meter.name === name && meter.endsAtMs > request.createdAtMs)
      .sort((a, b) => a.startsAtMs - b.startsAtMs)
    const counting = kind === 'sliding' ? open : open.slice(0, 1)
    const left = counting.reduce((rest, { settled, held }) => rest - settled - held, limit)
    const take = (hold: bigint, id: string | undefined): void => {
      demand(id !== undefined, `${request.id} holds of no meter ${name}`)
      const isCurrent = kind === 'sliding' || (counting[0]?.id ?? id) === id
      demand(isCurrent, `${request.id} holds of ${id}, not of the open ${name}`)
      const meter = this.meters.get(id) ?? {
        id,
        subjectId,
        name,
        scope,
        kind,
        startsAtMs: request.createdAtMs,
        endsAtMs: Number.POSITIVE_INFINITY,
        limit,
        settled: 0n,
        held: 0n,
      }
      this.meters.set(id, meter)
      const amount = this.#counted(meter, hold, weightPpm)
      if (amount > 0n) meter.limit = limit
      meter.held += amount
    }
    return { name, room: unweigh(left > 0n ? left : 0n, weightPpm), take, isMeter: true }
  }

  /** A sliding window is all of its buckets that count at an instant. */
  #roomOf(meter: ModelMeter, nowMs: number): bigint {
    const isCounting = (one: ModelMeter): boolean =>
      one === meter ||
      (meter.kind === 'sliding' && one.subjectId === meter.subjectId && one.name === meter.name && one.endsAtMs > nowMs)
    return [...this.meters.values()]
      .filter(isCounting)
      .reduce((room, { settled, held }) => room - settled - held, meter.limit)
  }

  /** What a request held of its windows is free again. */
  giveBack(request: ModelRequest): void {
    for (const id of request.meters) {
      const meter = this.#meter(id)
      meter.held -= this.#counted(meter, request.hold, request.weightPpm)
    }
  }

  #meter(id: string): ModelMeter {
    const meter = this.meters.get(id)
    if (!meter) throw new Violation(`there is no meter ${id}`)
    return meter
  }

  /** Windows of seats count an amount times the weight, to the nearest; caps count it as it is. */
  #counted({ scope }: ModelMeter, amount: bigint, weightPpm: bigint): bigint {
    return scope === 'seat' ? (amount * weightPpm * 2n + MILLION) / (2n * MILLION) : amount
  }
}
