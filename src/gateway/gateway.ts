/** What the story of a request needs from outside, gathered once by `main` and handed through. */
import type { Logger } from 'pino'
import type { Clock } from '../base/time.ts'
import type { Catalog } from '../domain/catalog.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Node } from '../ledger/node.ts'
import type { Database } from '../store/database.ts'
import type { UpstreamClient } from '../upstream/client.ts'
import type { Drains } from './drains.ts'
import type { KeyCache } from './key-cache.ts'
import type { OperatorEvents } from './operator-events.ts'
import type { OwnKeys } from './own-keys.ts'
import type { ThoughtStore } from './thought-store.ts'
import type { Traffic } from './traffic.ts'
import type { UnderWay } from './under-way.ts'

export interface Gateway {
  /** The snapshot in force; a request asks once and keeps it. */
  readonly catalog: () => Catalog
  readonly database: Database
  readonly ledger: Ledger
  /** This process among others; its id stands on the requests it takes. */
  readonly node: Node
  readonly keys: KeyCache
  readonly traffic: Traffic
  readonly operatorEvents: OperatorEvents
  readonly ownKeys: OwnKeys
  readonly upstream: UpstreamClient
  readonly underWay: UnderWay
  readonly thoughts: ThoughtStore
  readonly clock: Clock
  readonly log: Logger
  /** Keys the hashes of client addresses and bodies that stand on rows. */
  readonly addressSalt: string
  readonly drains: Drains
  /** How long an answer is read on after its client has left, to learn what it cost. */
  readonly drainMs: number
}
