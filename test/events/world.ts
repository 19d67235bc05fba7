/** Deliverers on a real database with a clock that tests move and a log that they read. */

import { Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import pino, { type Logger } from 'pino'
import { startWebhooks, type Webhooks, type WebhooksOptions } from '../../src/control/webhook-delivery.ts'
import type { Webhook } from '../../src/domain/catalog.ts'
import { EVENT_TYPES, type NewEvent, receiversOf } from '../../src/domain/event.ts'
import type { Database } from '../../src/store/database.ts'
import { insertEvents, type ListedEvent, listEvents } from '../../src/store/event.ts'
import { until } from '../support/until.ts'

export const SECRET = `whsec_${Buffer.alloc(32, 'a').toString('base64')}`
export const OTHER_SECRET = `whsec_${Buffer.alloc(32, 'b').toString('base64')}`

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly receiver?: string
  readonly reason?: string
  readonly event?: unknown
}

/** Pino's numbers. */
export const LEVEL = { info: 30, warn: 40, error: 50 } as const

export interface World {
  readonly database: Database
  readonly log: Logger
  /** What was logged so far, and as it was written. */
  readonly lines: readonly LogLine[]
  readonly logText: () => string
  /** Receivers in force. */
  webhooks: readonly Webhook[]
  /** Moves the clock of every deliverer of this world, which then look for what is due. */
  advance(ms: number): void
  now(): number
  /** As of one more process. Closed at the end of the test. */
  deliverer(options?: Partial<WebhooksOptions>): Webhooks
  /** An event of its own that happens now: a limit at 80 %, unless told otherwise. */
  sample(overrides?: Partial<NewEvent>): NewEvent
  /** Commits an event for whoever wants it, and wakes the deliverers. */
  tell(event: NewEvent): Promise<void>
  events(): Promise<ListedEvent[]>
  /** Waits until no delivery of an event waits any more. */
  settled(limitMs?: number): Promise<void>
}

export function createWorld(t: TestContext, database: Database): World {
  // The present, because receivers refuse what was signed at another time.
  let nowMs = Date.now()
  let text = ''
  let sequence = 0
  const lines: LogLine[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      lines.push(JSON.parse(String(chunk)))
      done()
    },
  })
  const log = pino({ level: 'debug' }, sink)
  const deliverers = new Set<Webhooks>()
  const wake = () => {
    for (const deliverer of deliverers) deliverer.wake()
  }
  const world: World = {
    database,
    log,
    lines,
    logText: () => text,
    webhooks: [],
    now: () => nowMs,
    advance(ms) {
      nowMs += ms
      wake()
    },
    deliverer(options = {}) {
      const catalog = () => ({ webhooks: world.webhooks })
      const started = startWebhooks({ database, catalog, clock: () => nowMs, log, random: () => 0, ...options })
      deliverers.add(started)
      t.after(() => started.close())
      return started
    },
    sample: (overrides = {}) => ({
      id: `t:seat_1:weekly:${++sequence}:80`,
      type: 'limit.threshold',
      workspaceId: null,
      payload: { name: 'weekly', threshold: 80, used: '9.60' },
      atMs: nowMs,
      ...overrides,
    }),
    async tell(event) {
      const receivers = receiversOf(world.webhooks, event.type)
      await database.write((sql) => insertEvents(sql, [event], receivers))
      wake()
    },
    events: () => listEvents(database, { workspaceId: null, after: null, limit: 1000 }),
    settled: (limitMs) =>
      until(
        'every delivery has ended',
        async () => {
          const events = await world.events()
          return events.every(({ deliveries }) => deliveries.every(({ state }) => state !== 'waiting'))
        },
        limitMs,
      ),
  }
  return world
}

export function webhookTo(url: string, overrides: Partial<Webhook> = {}): Webhook {
  return { name: 'ops', url, secret: SECRET, events: EVENT_TYPES, ...overrides }
}
