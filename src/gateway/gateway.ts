/** What the story of a request needs from outside, gathered once by `main` and handed through. */
import type { Logger } from 'pino'
import type { Clock } from '../base/time.ts'
import type { Catalog } from '../domain/catalog.ts'
import type { CommitQueue } from '../store/commit-queue.ts'
import type { Database } from '../store/database.ts'
import type { UpstreamClient } from '../upstream/client.ts'
import type { KeyCache } from './key-cache.ts'
import type { ThoughtStore } from './thought-store.ts'
import type { UnderWay } from './under-way.ts'

export interface Gateway {
  /** The snapshot in force; a request asks once and keeps it. */
  readonly catalog: () => Catalog
  readonly database: Database
  readonly commits: CommitQueue
  readonly keys: KeyCache
  readonly upstream: UpstreamClient
  readonly underWay: UnderWay
  readonly thoughts: ThoughtStore
  readonly clock: Clock
  readonly log: Logger
  /** Keys the hash under which client addresses are counted. */
  readonly addressSalt: string
  /** How long an answer is read on after its client has left, to learn what it cost. */
  readonly drainMs: number
}
