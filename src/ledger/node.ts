/**
 * This process among others: a row that beats, and the sweep that ends what nobody answers for any more.
 *
 * Whether another process lives is judged by its count of beats and by this one's own clock, so clocks that differ harm
 * nobody. A process that was taken for dead and wakes finds its requests ended; its word on them comes too late.
 */
import type { Logger } from 'pino'
import { failpoint } from '../base/failpoint.ts'
import { newId } from '../base/ids.ts'
import type { Clock } from '../base/time.ts'
import { loadBalance } from '../store/account.ts'
import { type Database, reasonOf, type Sql } from '../store/database.ts'
import { listMetersOf } from '../store/meter.ts'
import { beatNode, endNode, insertNode, listDeadNodesWithHolds, listLiveNodes, type NodeRow } from '../store/node.ts'
import { listOpenHolds, type OpenHold } from '../store/request.ts'
import type { EndCommand, Holding } from './command.ts'
import type { Ledger } from './ledger.ts'
import { releaseOf } from './release.ts'
import { readSpill } from './spill.ts'
import { repeat, SYSTEM_TIMERS, type Timers } from './timers.ts'
import { runCommands } from './transaction.ts'

/** Ends in one transaction. */
const SWEEP_BATCH = 100
const BEAT_MS = 2000
const SWEEP_MS = 5000
/** A process is silent for this long before others end what it held; it may be cut off, with ends in its spill. */
const GRACE_MS = 5 * 60_000
/** A hold of this process that it knows nothing of: one whose commit was in doubt. */
const UNKNOWN_MS = 10_000

export interface Node {
  /** Stands on the requests that this process takes. */
  readonly id: string
}

export interface Places {
  /** Which nodes ran where this process may speak for them. A place names a directory and a worker in it. */
  readonly isOurs: (place: string) => boolean
  /** The files of their spills. */
  readonly spills: readonly string[]
}

/**
 * Ends what earlier processes of the same places left behind: first what its spill says, then what it still held, for
 * which nothing is charged. Returns how many of each. Call it when no such process runs any more.
 */
export async function recoverPlaces(
  database: Database,
  { isOurs, spills }: Places,
  nowMs: number,
): Promise<{ settled: number; released: number }> {
  const owed = spills.flatMap(readSpill)
  for (let at = 0; at < owed.length; at += SWEEP_BATCH) await writeEnds(database, owed.slice(at, at + SWEEP_BATCH))
  const dead = (await listLiveNodes(database)).filter(({ place }) => isOurs(place))
  for (const node of dead) await endNode(database, node, nowMs)
  return { settled: owed.length, released: await sweepDead(database, nowMs) }
}

/** Releases the open requests of every node that has ended, and of before there were nodes. */
export async function sweepDead(database: Database, nowMs: number): Promise<number> {
  const nodes = [null, ...(await listDeadNodesWithHolds(database)).map(({ id }) => id)]
  let released = 0
  for (const id of nodes) {
    for (;;) {
      const holds = await listOpenHolds(database, id, Number.MAX_SAFE_INTEGER, SWEEP_BATCH)
      if (holds.length === 0) break
      await releaseHolds(database, holds, nowMs)
      released += holds.length
    }
  }
  return released
}

async function releaseHolds(database: Database, holds: readonly OpenHold[], nowMs: number): Promise<void> {
  const ends = await Promise.all(holds.map(async (hold) => releaseOf(await holdingFor(database, hold), 'sweep', nowMs)))
  await writeEnds(database, ends)
}

async function holdingFor(sql: Sql, hold: OpenHold): Promise<Holding> {
  const { id, workspaceId, accountId, funding, weightPpm } = hold
  const balance = accountId ?? (await balanceOf(sql, workspaceId))
  return { requestId: id, workspaceId, accountId: balance, funding, weightPpm, meters: await listMetersOf(sql, id) }
}

/** For requests of before accounts stood on them. */
async function balanceOf(sql: Sql, workspaceId: string | null): Promise<string | null> {
  return workspaceId === null ? null : ((await loadBalance(sql, workspaceId))?.id ?? null)
}

async function writeEnds(database: Database, ends: readonly EndCommand[]): Promise<void> {
  const work = async (sql: Sql): Promise<void> => {
    await runCommands(sql, ends, { receivers: null })
    failpoint('sweep.before_commit')
  }
  await database.write(work, { opensLedger: true })
}

export interface NodeOptions {
  readonly database: Database
  readonly place: string
  readonly clock: Clock
  readonly log: Logger
  readonly graceMs?: number
  readonly timers?: Timers
}

export interface RunningNode extends Node {
  /**
   * From now on the sweep also ends holds of this process that `ledger` knows nothing of, and `ledger` promises nothing
   * while others may take this process for dead.
   */
  watch(ledger: Ledger): void
  stop(): Promise<void>
}

/** Registers this process, and beats and sweeps until it is stopped. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { database, place, clock, log, graceMs = GRACE_MS, timers = SYSTEM_TIMERS } = options
  let id = newId('node', clock())
  let ledger: Ledger | null = null
  const seen = new Map<string, { readonly beat: bigint; silentMs: number }>()
  let lookedAtMs = timers.now()
  let beatAtMs = timers.now()
  await insertNode(database, { id, place }, clock())

  async function beat(): Promise<void> {
    const beganAtMs = timers.now()
    if (await beatNode(database, id)) {
      beatAtMs = beganAtMs
      return
    }
    log.error({ node: id }, 'this process was taken for dead; what it still answers is not charged')
    // Requests name it only once its row stands: nobody sweeps for a process that is not written down.
    const nextId = newId('node', clock())
    await insertNode(database, { id: nextId, place }, clock())
    id = nextId
    beatAtMs = beganAtMs
  }

  /** Long before anybody can take it for dead: what it promises has time to be written. Not what it was before, if it was. */
  function isTrusted(nodeId: string): boolean {
    return nodeId === id && timers.now() - beatAtMs < graceMs / 2
  }

  async function sweep(): Promise<void> {
    const nodes = await listLiveNodes(database)
    // While the database cannot be reached nobody beats: of a long gap between two looks only one turn counts.
    const heardMs = Math.min(timers.now() - lookedAtMs, SWEEP_MS)
    lookedAtMs = timers.now()
    for (const node of nodes) if (isSilent(node, heardMs)) await endNode(database, node, clock())
    const released = (await sweepDead(database, clock())) + (await sweepUnknown())
    if (released > 0) log.warn({ released }, 'released holds that nobody answers for; nothing was charged for them')
  }

  function isSilent(node: NodeRow, heardMs: number): boolean {
    const known = seen.get(node.id)
    if (known?.beat === node.beat) {
      known.silentMs += heardMs
      return node.id !== id && known.silentMs > graceMs
    }
    seen.set(node.id, { beat: node.beat, silentMs: 0 })
    return false
  }

  /** Page by page, to the end, since any number of long requests that are known may stand before one that is not. */
  async function sweepUnknown(): Promise<number> {
    if (!ledger) return 0
    let released = 0
    let after = ''
    for (;;) {
      const holds = await listOpenHolds(database, id, clock() - UNKNOWN_MS, SWEEP_BATCH, after)
      const unknown = holds.filter((hold) => !ledger?.isOpen(hold.id))
      if (unknown.length > 0) await releaseHolds(database, unknown, clock())
      released += unknown.length
      after = holds.at(-1)?.id ?? ''
      if (holds.length < SWEEP_BATCH) return released
    }
  }

  const fail = (error: unknown): void =>
    log.error({ cause: reasonOf(error) }, 'a chore of the ledger failed; it is tried again')
  const chores = [repeat(timers, BEAT_MS, beat, fail), repeat(timers, SWEEP_MS, sweep, fail)]
  return {
    get id() {
      return id
    },
    watch(watched) {
      ledger = watched
      watched.spillWhile(isTrusted)
    },
    async stop() {
      for (const stop of chores) await stop()
      const row = (await listLiveNodes(database)).find((node) => node.id === id)
      // What it still owes stands in its spill: until a process of this place has written that, nobody else may end it.
      if (row && !ledger?.owes()) await endNode(database, row, clock())
    },
  }
}
