/**
 * What the ledger is asked to do with money, as plain data: a hold before a request is sent, its growth while the
 * answer streams, and its one end. Plain, so that an end can be kept in the spill and done later.
 */
import type { NanoUsd } from '../base/money.ts'
import type { Funding } from '../base/words.ts'
import type { Cap } from '../domain/cap.ts'
import type { WindowSpec } from '../domain/catalog.ts'
import type { Cover, HoldSize } from '../domain/hold-size.ts'
import type { Calendar } from '../domain/window.ts'
import type { MeterScope } from '../store/meter.ts'
import type { RequestEnd, RequestFacts } from '../store/request.ts'

/** What may pay for a request. */
export type Source =
  | { readonly kind: 'free' }
  /** The workspace's own provider key: nothing is held, no limit of money counts. */
  | { readonly kind: 'byok' }
  | { readonly kind: 'balance' }
  | {
      readonly kind: 'plan'
      readonly seatId: string
      /** The start of the seat, from which anchored windows run. */
      readonly anchorMs: number
      /** In the plan's order. */
      readonly windows: readonly WindowSpec[]
    }

export interface HoldCommand {
  readonly kind: 'hold'
  readonly request: RequestFacts
  /** In the order in which they are asked. */
  readonly sources: readonly Source[]
  /** Apply to the balance. */
  readonly caps: readonly Cap[]
  readonly calendar: Calendar
  readonly size: HoldSize
  /** Whose daily count it takes one of; null where a key is known. */
  readonly anonymous: { readonly addressHash: string; readonly day: number; readonly limit: number } | null
}

/** A limit as it stands, in what it counts: dollars, weighted for the windows of a plan. */
export interface Standing {
  /** `balance`, `5 hour`, `monthly member cap`. */
  readonly name: string
  readonly kind: 'balance' | WindowSpec['kind']
  readonly scope: MeterScope
  readonly settled: NanoUsd
  readonly held: NanoUsd
  /** Of a balance: what was posted and is not yet spent. */
  readonly limit: NanoUsd
  /** When enough of it is free again, if nothing more is spent; null when waiting does not help. */
  readonly resetsAtMs: number | null
}

export type HoldResult =
  | {
      readonly ok: true
      readonly funding: Funding
      readonly seatId: string | null
      readonly cover: Cover
      /** The meters it holds of. */
      readonly meters: readonly string[]
      /** The limit with the least left after this hold; null where nothing limits. */
      readonly tightest: Standing | null
    }
  | { readonly ok: false; readonly refusal: Refusal }

export type Refusal =
  /** `amount`: what did not fit. `isHeldOnly`: it would, if other requests under way held nothing. */
  | { readonly kind: 'limit'; readonly limit: Standing; readonly amount: NanoUsd; readonly isHeldOnly: boolean }
  | { readonly kind: 'anonymous'; readonly limit: number }
  /** A request with the same idempotency key is under way or was charged. */
  | {
      readonly kind: 'repeated'
      readonly requestId: string
      readonly state: 'held' | 'settled'
      readonly charged: NanoUsd | null
      readonly isSameBody: boolean
    }

/** Where the money of an admitted request is held. */
export interface Holding {
  readonly requestId: string
  readonly workspaceId: string | null
  readonly accountId: string | null
  readonly funding: Funding
  readonly weightPpm: bigint
  readonly meters: readonly string[]
}

export interface ExtendCommand {
  readonly kind: 'extend'
  readonly holding: Holding
  readonly before: NanoUsd
  readonly after: NanoUsd
  readonly atMs: number
}

export interface EndCommand {
  readonly kind: 'end'
  readonly holding: Holding
  readonly end: RequestEnd
  /**
   * What its node knows to be held, where the row may hold more: a growth was written whose answer was lost. The client
   * is told by this, and so it is charged.
   */
  readonly knownHold?: NanoUsd
}

/**
 * `ended`: by this or an earlier try of the same node. `late`: somebody else had ended it, so this end is not charged;
 * what it would have cost is kept on the row.
 */
export type EndResult = { readonly kind: 'ended'; readonly charged: NanoUsd } | { readonly kind: 'late' }

export type Command = HoldCommand | ExtendCommand | EndCommand
