/**
 * One receiver's deliveries: claimed a few at a time, tried, and what became of each written down. Every receiver has a
 * lane of its own, so that one that hangs holds up nobody else.
 */
import type { Logger } from 'pino'
import type { Clock } from '../base/time.ts'
import { SECOND_MS } from '../base/time.ts'
import type { Database } from '../store/database.ts'
import { claimDue, type Delivery, dropDelivery, giveUp, markDelivered, markFailed } from '../store/event.ts'
import type { Verdict } from './webhook-request.ts'
import { retryDelayMs } from './webhook-retry.ts'

/** What a lane needs of its surroundings. */
export interface LaneContext {
  readonly database: Database
  readonly clock: Clock
  readonly log: Logger
  /** From 0 to below 1. */
  readonly random: () => number
  /** The longest that a try takes, in milliseconds. */
  readonly timeoutMs: number
  /** False once the process begins to stop: nothing more is claimed. */
  readonly isOpen: () => boolean
  /** Aborted when the process stops waiting for tries under way. */
  readonly closing: AbortSignal
}

export interface LaneOptions {
  readonly receiver: string
  /** Deliveries under way at most, in this process. */
  readonly width: number
  /** Tells the receiver of one event; `unwanted`: it does not take this type. Never throws. */
  readonly tell: (delivery: Delivery) => Promise<LaneVerdict>
}

export type LaneVerdict = Verdict | { readonly kind: 'unwanted' }

export interface Lane {
  /** Starts as many due deliveries as there is room for. Returns at once, and never throws. */
  fill(): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

/** A claim outlasts its try by this, so that a slow one is not tried twice. */
const LEASE_RESERVE_MS = 20 * SECOND_MS

export function createLane(context: LaneContext, options: LaneOptions): Lane {
  const { database, clock, log, timeoutMs } = context
  const { receiver, width, tell } = options
  const underWay = new Set<Promise<void>>()
  let isClaiming = false
  let mayHaveMore = false

  function fill(): void {
    const limit = width - underWay.size
    if (isClaiming || limit <= 0 || !context.isOpen()) return
    isClaiming = true
    track(claim(limit))
  }

  async function claim(limit: number): Promise<void> {
    const claimed = claimDue(database, { receiver, nowMs: clock(), limit, leaseMs: timeoutMs + LEASE_RESERVE_MS })
    try {
      const deliveries = await claimed
      mayHaveMore = deliveries.length === limit
      for (const delivery of deliveries) track(deliver(delivery))
    } catch (err) {
      log.warn({ err, receiver }, 'waiting events cannot be read; the next round tries again')
    } finally {
      isClaiming = false
    }
  }

  async function deliver(delivery: Delivery): Promise<void> {
    try {
      await conclude(context, delivery, await tell(delivery))
    } catch (err) {
      log.warn({ err, receiver }, 'what became of an event cannot be written down; its receiver will get it again')
    }
  }

  function track(step: Promise<void>): void {
    const tracked = step.then(() => {
      underWay.delete(tracked)
      if (mayHaveMore) fill()
    })
    underWay.add(tracked)
  }

  return {
    fill,
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

async function conclude(context: LaneContext, delivery: Delivery, verdict: LaneVerdict): Promise<void> {
  const { database, clock, log, random, closing } = context
  if (verdict.kind === 'delivered') return markDelivered(database, delivery)
  if (verdict.kind === 'unwanted') return dropDelivery(database, delivery)
  // Cut off by our own end: that says nothing of the receiver, and the next process may ask it at once.
  if (closing.aborted) return markFailed(database, delivery, clock(), 'shutdown')
  const { reason, isFinal, retryAfterMs } = verdict
  const delayMs = isFinal ? null : retryDelayMs(delivery.tries, random(), retryAfterMs)
  const about = { receiver: delivery.receiver, event: delivery.event.id, tries: delivery.tries, reason }
  if (delayMs !== null) {
    await markFailed(database, delivery, clock() + delayMs, reason)
    if (delivery.tries === 1) log.warn(about, 'a receiver did not take an event; it will be told again')
  } else if (await giveUp(database, delivery, reason)) {
    log.error(about, 'a receiver never took an event; it was given up')
  }
}
