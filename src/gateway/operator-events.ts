/** Tells the operator what only the operator can mend, once a day for each cause. */
import type { Logger } from 'pino'
import type { Clock } from '../base/time.ts'
import { DAY_MS, formatInstant } from '../base/time.ts'
import type { Webhook } from '../domain/catalog.ts'
import { eventId, type NewEvent, receiversOf } from '../domain/event.ts'
import { type Database, reasonOf } from '../store/database.ts'
import { insertEvents } from '../store/event.ts'

export interface OperatorEvents {
  /** A provider refused the operator's credential or account. Returns at once, and never throws. */
  upstreamAccount(providerId: string, status: number | null): void
}

export interface OperatorEventsOptions {
  readonly database: Database
  readonly webhooks: () => readonly Webhook[]
  readonly clock: Clock
  readonly log: Logger
}

export function createOperatorEvents({ database, webhooks, clock, log }: OperatorEventsOptions): OperatorEvents {
  /** The day on which a provider was last told of; the database keeps other processes from telling it again. */
  const told = new Map<string, number>()

  async function tell(event: NewEvent): Promise<void> {
    try {
      await database.write((sql) => insertEvents(sql, [event], receiversOf(webhooks(), event.type)))
    } catch (error) {
      log.error({ event: event.id, cause: reasonOf(error) }, 'an event could not be recorded')
    }
  }

  return {
    upstreamAccount(providerId, status) {
      const atMs = clock()
      const day = Math.floor(atMs / DAY_MS)
      if (told.get(providerId) === day) return
      told.set(providerId, day)
      void tell({
        id: eventId('u', providerId, day),
        type: 'operator.upstream_account',
        workspaceId: null,
        payload: { provider: providerId, status, at: formatInstant(atMs) },
        atMs,
      })
    },
  }
}
