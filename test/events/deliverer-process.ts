/**
 * A process of its own that delivers events until it is killed: `node deliverer-process.ts '{"place", "url", "secret",
 * "aheadMs"}'`. Its clock is ahead by `aheadMs`, so that claims of a process that was killed have ended for it.
 */
import pino from 'pino'
import { startWebhooks } from '../../src/control/webhook-delivery.ts'
import { EVENT_TYPES } from '../../src/domain/event.ts'
import { type DatabasePlace, openDatabase } from '../../src/store/open-database.ts'

export interface DelivererOrder {
  readonly place: DatabasePlace
  readonly url: string
  readonly secret: string
  readonly aheadMs: number
}

const order: DelivererOrder = JSON.parse(process.argv[2] ?? '')
const webhooks = [{ name: 'ops', url: order.url, secret: order.secret, events: EVENT_TYPES }]
startWebhooks({
  database: await openDatabase(order.place, { nowMs: 0 }),
  catalog: () => ({ webhooks }),
  clock: () => Date.now() + order.aheadMs,
  log: pino({ level: 'debug' }, pino.destination({ dest: 1, sync: true })),
  pollMs: 20,
})
