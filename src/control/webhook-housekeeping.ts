/** What becomes of events in the long run: those that nobody will ever take are given up, and old ones are deleted. */
import type { Logger } from 'pino'
import { type Clock, DAY_MS } from '../base/time.ts'
import type { Webhook } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import { deleteEventsBefore, giveUpUnknown, LOG_RECEIVER, listDueReceivers } from '../store/event.ts'
import { RETRY_FOR_MS } from './webhook-retry.ts'

export interface HousekeepingOptions {
  readonly database: Database
  readonly catalog: () => { readonly webhooks: readonly Webhook[] }
  readonly clock: Clock
  readonly log: Logger
}

const KEEP_EVENTS_MS = 90 * DAY_MS
/** In one transaction. */
const DELETE_BATCH = 500
/** In one run; the next one goes on. */
const MAX_BATCHES = 100

/** Whoever left the file three days ago does not come back; an event is kept for 90 days. */
export async function tidyEvents({ database, catalog, clock, log }: HousekeepingOptions): Promise<void> {
  const known = new Set([LOG_RECEIVER, ...catalog().webhooks.map(({ name }) => name)])
  const beforeMs = clock() - RETRY_FOR_MS
  for (const receiver of await listDueReceivers(database, beforeMs)) {
    if (known.has(receiver)) continue
    const events = await giveUpUnknown(database, receiver, beforeMs, 'not in the configuration')
    log.error({ receiver, events }, 'events were given up: the configuration does not name their receiver')
  }
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    if ((await deleteEventsBefore(database, clock() - KEEP_EVENTS_MS, DELETE_BATCH)) < DELETE_BATCH) return
  }
}
