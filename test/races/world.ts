/** What races are run on: workspaces with a balance, made straight in a database, and the commands of their requests. */
import { asTokenPrice, nanoUsd, WEIGHT_ONE, ZERO_USD } from '../../src/base/money.ts'
import { NO_USAGE } from '../../src/base/usage.ts'
import type { Cap } from '../../src/domain/cap.ts'
import type { WindowSpec } from '../../src/domain/catalog.ts'
import type { HoldSize } from '../../src/domain/hold-size.ts'
import { type Calendar, UTC_CALENDAR } from '../../src/domain/window.ts'
import type { EndCommand, HoldCommand, HoldResult, Source } from '../../src/ledger/command.ts'
import { grantLot, type NewLot } from '../../src/ledger/credit.ts'
import { holdingOf } from '../../src/ledger/release.ts'
import { createBalance, ensureSystemAccounts } from '../../src/store/account.ts'
import type { Database } from '../../src/store/database.ts'
import { insertMember, insertWorkspace } from '../../src/store/workspace.ts'

/** Friday noon. */
export const NOON_MS = Date.UTC(2026, 10, 20, 12)
export const CENT = 10_000_000n
/** Longer races, for nights. */
export const IS_LONG = process.env.ZENDO_RACES === 'long'
/** Printed in the names of tests, so that a failure can be run again. */
export const SEED = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 2 ** 31)

/** Who spends: one member of a workspace, with one key. */
export interface Buyer {
  readonly workspaceId: string
  readonly accountId: string
  readonly memberId: string
  readonly keyId: string
}

let serial = 0

export function nextId(prefix: string): string {
  return `${prefix}_${String(++serial).padStart(9, '0')}`
}

export function makeBuyer(): Buyer {
  const n = nextId('')
  return { workspaceId: `ws${n}`, accountId: `acc${n}`, memberId: `mem${n}`, keyId: `key${n}` }
}

/** Adds a workspace whose balance is `posted` nano-dollars, in one lot that never expires. */
export async function addBuyer(db: Database, posted: bigint): Promise<Buyer> {
  const buyer = makeBuyer()
  const { workspaceId, accountId, memberId } = buyer
  await db.write(
    async (sql) => {
      await ensureSystemAccounts(sql)
      await insertWorkspace(sql, { id: workspaceId, name: workspaceId }, NOON_MS)
      await createBalance(sql, accountId, workspaceId)
      await insertMember(sql, { id: memberId, workspaceId, name: memberId, role: 'admin' }, NOON_MS)
      if (posted > 0n) await grantLot(sql, accountId, lotOf(buyer, posted))
    },
    { opensLedger: true },
  )
  return buyer
}

/** A lot of credit to be granted. */
export function lotOf({ workspaceId }: Buyer, amount: bigint, more: Partial<NewLot> = {}): NewLot {
  return {
    ...{ id: nextId('grant'), workspaceId, source: 'operator', amount: nanoUsd(amount), priority: 100 },
    ...{ expiresAtMs: null, note: '', createdAtMs: NOON_MS },
    ...more,
  }
}

export function capOf(buyer: Buyer, scope: Cap['scope'], unit: Cap['unit'], limit: bigint): Cap {
  const subjectId = { workspace: buyer.workspaceId, member: buyer.memberId, key: buyer.keyId }[scope]
  return {
    id: `cap_${subjectId}_${unit}`,
    workspaceId: buyer.workspaceId,
    scope,
    subjectId,
    unit,
    limit: nanoUsd(limit),
  }
}

export function windowOf(kind: WindowSpec['kind'], limit: bigint): WindowSpec {
  const isLength = kind === 'session' || kind === 'sliding'
  return {
    ...{ name: kind, kind, limit: nanoUsd(limit) },
    ...{ lengthMs: isLength ? 5 * 3_600_000 : 0, unit: isLength ? null : 'week' },
  }
}

/** A seat of a buyer's on a plan of these windows. */
export function planOf({ memberId }: Buyer, windows: readonly WindowSpec[], anchorMs = NOON_MS): Source {
  return { kind: 'plan', seatId: `seat_${memberId}`, anchorMs, windows }
}

export interface Wish {
  /** What it holds, in nano-dollars: all of it or nothing. */
  readonly amount: bigint
  readonly atMs?: number
  readonly sources?: readonly Source[]
  readonly caps?: readonly Cap[]
  readonly calendar?: Calendar
  readonly weightPpm?: bigint
  readonly size?: HoldSize
  readonly nodeId?: string
}

export function holdCommand(buyer: Buyer, wish: Wish): HoldCommand {
  const { sources = [{ kind: 'balance' }] } = wish
  return {
    kind: 'hold',
    request: {
      ...{ id: nextId('req'), workspaceId: buyer.workspaceId, accountId: buyer.accountId, memberId: buyer.memberId },
      ...{ keyId: buyer.keyId, nodeId: wish.nodeId ?? 'node_race', session: null, tags: null, protocol: 'openai-chat' },
      ...{ product: sources[0]?.kind === 'plan' ? 'go' : 'zen', model: 'exact', stream: true, provider: 'acme' },
      ...{ priceVersion: null, idempotencyKey: null, bodyDigest: null },
      weightPpm: wish.weightPpm ?? WEIGHT_ONE,
      createdAtMs: wish.atMs ?? NOON_MS,
    },
    sources,
    caps: wish.caps ?? [],
    calendar: wish.calendar ?? UTC_CALENDAR,
    size: wish.size ?? wholeSize(wish.amount),
    anonymous: null,
  }
}

/** All of it, or nothing. */
export function wholeSize(amount: bigint): HoldSize {
  return { prompt: asTokenPrice(nanoUsd(amount)), outputRate: ZERO_USD, output: 0, leastOutput: 0, slice: null }
}

export type Admitted = Extract<HoldResult, { ok: true }>

/** Ends an admitted request at a cost; at none, it is released. */
export function endCommand(command: HoldCommand, held: Admitted, cost: bigint, more: EndOptions = {}): EndCommand {
  const { request } = command
  const endedAtMs = more.atMs ?? request.createdAtMs
  const hold = more.hold ?? held.cover.hold
  return {
    kind: 'end',
    holding: holdingOf(command, held),
    end: {
      ...{ id: request.id, endedBy: more.endedBy ?? request.nodeId, state: cost > 0n ? 'settled' : 'released' },
      ...{ cost: nanoUsd(cost), charged: cost < hold ? nanoUsd(cost) : hold, policyVersion: 1, estimated: false },
      ...{ outcome: cost > 0n ? 'complete' : 'upstream_error', status: 200, errorCode: null, provider: 'acme' },
      ...{ upstreamId: null, upstreamProtocol: null, warnings: null, attempts: [], usage: NO_USAGE },
      ...{ firstByteAtMs: null, endedAtMs },
    },
  }
}

interface EndOptions {
  readonly atMs?: number
  readonly endedBy?: string
  /** What it holds by now, where that has grown. */
  readonly hold?: HoldResultHold
}

type HoldResultHold = Admitted['cover']['hold']
