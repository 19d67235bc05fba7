/**
 * Delivers events to those whom the operator's file names, beside the requests and never in their way.
 *
 * At least once: a delivery is a row that waits until its receiver has answered 2xx, or has refused it for three days.
 * Every process looks for due rows; a claim in the database keeps two from making the same try.
 */
import type { Logger } from 'pino'
import { Agent, type Dispatcher } from 'undici'
import type { Clock } from '../base/time.ts'
import { HOUR_MS, SECOND_MS } from '../base/time.ts'
import type { Webhook } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import { type Delivery, LOG_RECEIVER, listDueReceivers } from '../store/event.ts'
import { tidyEvents } from './webhook-housekeeping.ts'
import { createLane, type Lane, type LaneContext, type LaneVerdict } from './webhook-lane.ts'
import { logEvent } from './webhook-log.ts'
import { tryWebhook } from './webhook-request.ts'

const POLL_MS = SECOND_MS
const TIMEOUT_MS = 10 * SECOND_MS
/** How long a shutdown waits for receivers to answer; it then leaves them to the next start. */
const CLOSE_GRACE_MS = 2 * SECOND_MS
/** Requests under way to one receiver, of one process. */
const RECEIVER_WIDTH = 4
const LOG_WIDTH = 16

export interface WebhooksOptions {
  readonly database: Database
  /** In force now: a changed address or secret holds for events that wait. */
  readonly catalog: () => { readonly webhooks: readonly Webhook[] }
  readonly clock: Clock
  readonly log: Logger
  /** For the jitter of retries; from 0 to below 1. */
  readonly random?: () => number
  /** How often it looks for due deliveries. Default 1 s. */
  readonly pollMs?: number
  /** For one try, from the connection to the status. Default 10 s. */
  readonly timeoutMs?: number
  /** Default 2 s. */
  readonly closeGraceMs?: number
}

export interface Webhooks {
  /** Looks for due deliveries now: an event has just been committed. Returns at once, and never throws. */
  wake(): void
  /** Begins no more tries and waits a moment for those under way; what is not delivered then stays for the next start. */
  close(): Promise<void>
}

export function startWebhooks(options: WebhooksOptions): Webhooks {
  const { database, clock, log } = options
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const agent = new Agent({ connect: { timeout: timeoutMs }, allowH2: false })
  const closing = new AbortController()
  let isOpen = true
  const lanes = createLanes(options, agent, {
    database,
    clock,
    log,
    random: options.random ?? Math.random,
    timeoutMs,
    isOpen: () => isOpen,
    closing: closing.signal,
  })
  const look = createChore(log, async () => {
    for (const receiver of await listDueReceivers(database, clock())) lanes.of(receiver)?.fill()
  })
  const tidy = createChore(log, () => tidyEvents(options))
  const timers = [setInterval(look.run, options.pollMs ?? POLL_MS), setInterval(tidy.run, HOUR_MS)]
  return {
    wake() {
      if (isOpen) look.run()
    },
    async close() {
      isOpen = false
      for (const timer of timers) clearInterval(timer)
      await Promise.all([look.idle(), tidy.idle()])
      const grace = setTimeout(() => closing.abort(), options.closeGraceMs ?? CLOSE_GRACE_MS)
      await lanes.idle()
      clearTimeout(grace)
      await agent.destroy()
    },
  }
}

interface Lanes {
  /** Undefined for a receiver that the file in force does not name; what waits for it goes on waiting. */
  of(receiver: string): Lane | undefined
  idle(): Promise<void>
}

function createLanes({ catalog, log, clock }: WebhooksOptions, agent: Dispatcher, context: LaneContext): Lanes {
  const lanes = new Map<string, Lane>()
  const find = (receiver: string) => catalog().webhooks.find(({ name }) => name === receiver)

  async function tell({ receiver, event }: Delivery): Promise<LaneVerdict> {
    const { url, secret, events } = find(receiver) ?? {}
    if (url === undefined || secret === undefined) return NOT_NAMED
    if (!events?.includes(event.type)) return { kind: 'unwanted' }
    const signal = AbortSignal.any([AbortSignal.timeout(context.timeoutMs), context.closing])
    return tryWebhook({ url, secret, event, nowMs: clock(), agent, signal })
  }

  async function tellLog({ event }: Delivery): Promise<LaneVerdict> {
    logEvent(log, event)
    return { kind: 'delivered' }
  }

  return {
    of(receiver) {
      const isLog = receiver === LOG_RECEIVER
      if (!isLog && find(receiver) === undefined) return undefined
      let lane = lanes.get(receiver)
      if (lane === undefined) {
        lane = createLane(
          context,
          isLog ? { receiver, width: LOG_WIDTH, tell: tellLog } : { receiver, width: RECEIVER_WIDTH, tell },
        )
        lanes.set(receiver, lane)
      }
      return lane
    },
    async idle() {
      await Promise.all([...lanes.values()].map((lane) => lane.idle()))
    },
  }
}

/** Between the claim and the try the file changed. */
const NOT_NAMED: LaneVerdict = {
  kind: 'failed',
  reason: 'not in the configuration',
  retryAfterMs: 0,
  isFinal: false,
}

interface Chore {
  /** Begins at once, or once more after the run under way. Never throws. */
  readonly run: () => void
  /** Resolves when it does not run. */
  idle(): Promise<void>
}

/** What is done again and again, one at a time. A database that is away is logged once, not at every round. */
function createChore(log: Logger, work: () => Promise<void>): Chore {
  let running: Promise<void> | null = null
  let isAskedAgain = false
  let isFailing = false

  async function runOnce(): Promise<void> {
    try {
      await work()
      isFailing = false
    } catch (err) {
      if (!isFailing) log.error({ err }, 'events cannot be read; they wait until the database is back')
      isFailing = true
    }
  }

  function run(): void {
    isAskedAgain = running !== null
    running ??= runOnce().then(() => {
      running = null
      if (isAskedAgain) run()
    })
  }

  return {
    run,
    async idle() {
      isAskedAgain = false
      while (running !== null) await running
    },
  }
}
