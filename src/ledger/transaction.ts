/**
 * One transaction of the ledger: reads and locks what its commands touch, does them in memory, writes the difference.
 *
 * Locks are taken in one order everywhere: balances by id, then requests. Whoever changes a meter, a lot or a metered
 * request holds the lock of its workspace's balance, so these need none of their own.
 */
import { failpoint } from '../base/failpoint.ts'
import type { Funding } from '../base/words.ts'
import type { EventType, NewEvent } from '../domain/event.ts'
import { type AccountRow, addToSystemAccount, insertTransfers, lockAccount, saveAccount } from '../store/account.ts'
import { countAnonymousUse } from '../store/anonymous-use.ts'
import type { Sql } from '../store/database.ts'
import { insertEvents } from '../store/event.ts'
import { type Lot, listLots, saveLots } from '../store/lot.ts'
import {
  countRequests,
  insertMeters,
  insertRequestMeters,
  listOpenMeters,
  loadMeter,
  type MeterRow,
  saveMeters,
  setRequestHeld,
} from '../store/meter.ts'
import {
  type EndedRequest,
  endRequest,
  findByIdempotencyKey,
  growHold,
  insertAttempts,
  insertHeldRequests,
  loadRequestState,
  type RequestState,
  recordLateCost,
  shrinkHold,
} from '../store/request.ts'
import { Books } from './books.ts'
import type { Command, EndCommand, EndResult, HoldCommand, HoldResult } from './command.ts'
import { applyEnd } from './end.ts'
import { eventsOf } from './events.ts'
import { expireDue } from './expiry.ts'
import { applyExtend } from './extend.ts'
import { applyHold, idempotencyName } from './hold.ts'
import { loadOpenMeters } from './open-meters.ts'

export interface TransactionOptions {
  /** Who is told of an event; names of `webhooks`. Null: nobody can be told yet, so that thresholds stay news. */
  readonly receivers: ((type: EventType) => readonly string[]) | null
  /** Told what was decided before it is committed: a test compares that with a second opinion. */
  readonly observe?: (commands: readonly Command[], results: readonly (HoldResult | EndResult | boolean)[]) => void
}

/** Does commands in order, all or none. Results count once the transaction is committed. */
export async function runCommands(
  sql: Sql,
  commands: readonly Command[],
  options: TransactionOptions,
): Promise<(HoldResult | EndResult | boolean)[]> {
  const loaded = await load(sql, commands)
  const { books } = loaded
  const results: (HoldResult | EndResult | boolean)[] = new Array(commands.length)
  const doThose = (areEnds: boolean): void => {
    for (const [index, command] of commands.entries()) {
      if ((command.kind === 'end') === areEnds) results[index] = apply(loaded, command, index)
    }
  }
  // Ends come first: what they give back may be what a hold needs, or credit that has expired meanwhile.
  doThose(true)
  await expireDue(sql, books, loaded.accounts, latestOf(commands, ['hold', 'extend']))
  doThose(false)
  await writeBooks(sql, books, options.receivers === null ? [] : eventsOf(books, commands, results), options)
  failpoint(commands.some(({ kind }) => kind === 'end') ? 'end.before_commit' : 'hold.before_commit')
  options.observe?.(commands, results)
  return results
}

interface Loaded {
  readonly books: Books
  readonly accounts: readonly AccountRow[]
  readonly isCounted: ReadonlyMap<HoldCommand, boolean>
  /** By place in the list: the same end may stand there twice. */
  readonly ended: ReadonlyMap<number, EndedRequest | undefined>
  readonly states: ReadonlyMap<Command, RequestState | undefined>
}

function apply(loaded: Loaded, command: Command, index: number): HoldResult | EndResult | boolean {
  const { books } = loaded
  switch (command.kind) {
    case 'hold':
      return applyHold(books, command, loaded.isCounted.get(command) ?? true)
    case 'extend':
      return applyExtend(books, command, loaded.states.get(command))
    case 'end':
      return applyEnd(books, command, loaded.ended.get(index), loaded.states.get(command))
  }
}

/** Issues every read at once, in the order of the locks, and waits for all of them. */
async function load(sql: Sql, commands: readonly Command[]): Promise<Loaded> {
  const accounts = lockAccounts(sql, commands)
  const counting = countAnonymous(sql, commands)
  const ending = endRequests(sql, commands)
  const meters = loadMeters(sql, commands)
  const lots = loadLots(sql, commands)
  const states = loadStates(sql, commands)
  const keys = loadIdempotencyKeys(sql, commands)
  // Where one fails, those after it are awaited by nobody: that they fail too must not end the process.
  Promise.allSettled([counting, ending, states, keys])
  const rows = await Promise.all([accounts, meters, lots])
  const buckets = await loadBuckets(sql, rows[1], commands)
  const books = new Books({ accounts: rows[0], meters: [...rows[1], ...buckets], lots: rows[2] })
  const [isCounted, ended, known] = await Promise.all([counting, ending, states])
  for (const [name, state] of await keys) if (state) books.byIdempotencyKey.set(name, state)
  const late = await loadLateStates(sql, commands, ended)
  return { books, accounts: rows[0], isCounted, ended, states: new Map([...known, ...late]) }
}

/** Null for what no money moves for, unless its idempotency key must be seen by one at a time. */
function accountOf(command: Command): string | null {
  if (command.kind !== 'hold') return isUnpaid(command.holding.funding) ? null : command.holding.accountId
  const { request, sources } = command
  const isMetered = sources.some(({ kind }) => !isUnpaid(kind))
  return isMetered || request.idempotencyKey !== null ? request.accountId : null
}

function isUnpaid(funding: Funding): boolean {
  return funding === 'free' || funding === 'byok'
}

async function lockAccounts(sql: Sql, commands: readonly Command[]): Promise<AccountRow[]> {
  const ids = [...new Set(commands.map(accountOf))].filter((id) => id !== null).sort()
  const rows = await Promise.all(ids.map((id) => lockAccount(sql, id)))
  return rows.filter((row) => row !== undefined)
}

async function countAnonymous(sql: Sql, commands: readonly Command[]): Promise<Map<HoldCommand, boolean>> {
  const counted = commands
    .filter((command) => command.kind === 'hold')
    .flatMap((command) => (command.anonymous ? [{ command, ...command.anonymous }] : []))
    .sort((a, b) => compareText(a.addressHash, b.addressHash))
  return new Map(
    await Promise.all(
      counted.map(
        async ({ command, addressHash, day, limit }) =>
          [command, await countAnonymousUse(sql, addressHash, day, limit)] as const,
      ),
    ),
  )
}

async function endRequests(sql: Sql, commands: readonly Command[]): Promise<Map<number, EndedRequest | undefined>> {
  const ends = commands
    .flatMap((command, index) => (command.kind === 'end' ? [{ command, index }] : []))
    .sort((a, b) => compareText(a.command.end.id, b.command.end.id) || a.index - b.index)
  return new Map(
    await Promise.all(ends.map(async ({ command, index }) => [index, await endOne(sql, command)] as const)),
  )
}

/** What its node knows of the hold decides what is charged; all that stands on the row is given back. */
async function endOne(sql: Sql, { end, knownHold }: EndCommand): Promise<EndedRequest | undefined> {
  if (knownHold === undefined) return endRequest(sql, end)
  const [before, , ended] = await Promise.all([
    loadRequestState(sql, end.id),
    shrinkHold(sql, end.id, knownHold),
    endRequest(sql, end),
  ])
  return ended && { charged: ended.charged, hold: before?.hold ?? ended.hold }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

async function loadMeters(sql: Sql, commands: readonly Command[]): Promise<MeterRow[]> {
  const ids = new Set(commands.flatMap((command) => (command.kind === 'hold' ? [] : command.holding.meters)))
  const [open, named] = await Promise.all([
    loadOpenMeters(
      sql,
      commands.filter((command) => command.kind === 'hold'),
    ),
    Promise.all([...ids].map((id) => loadMeter(sql, id))),
  ])
  return [...open, ...named.filter((row) => row !== undefined)]
}

/** A sliding window is several meters: who counts in one must know them all. */
async function loadBuckets(sql: Sql, meters: readonly MeterRow[], commands: readonly Command[]): Promise<MeterRow[]> {
  const subjects = new Set(meters.filter(({ kind }) => kind === 'sliding').map(({ subjectId }) => subjectId))
  if (subjects.size === 0) return []
  const nowMs = latestOf(commands, ['extend', 'end'])
  return (await Promise.all([...subjects].map((subject) => listOpenMeters(sql, subject, nowMs)))).flat()
}

/** Lots are read where one may be drawn on or may expire. */
async function loadLots(sql: Sql, commands: readonly Command[]): Promise<Map<string, Lot[]>> {
  const workspaces = new Set<string>()
  for (const command of commands) {
    if (command.kind === 'end' && command.holding.funding === 'balance' && command.end.cost > 0n) {
      if (command.holding.workspaceId !== null) workspaces.add(command.holding.workspaceId)
    }
  }
  return new Map(await Promise.all([...workspaces].map(async (id) => [id, await listLots(sql, id)] as const)))
}

async function loadStates(sql: Sql, commands: readonly Command[]): Promise<Map<Command, RequestState | undefined>> {
  const extending = commands.filter((command) => command.kind === 'extend')
  return new Map(
    await Promise.all(
      extending.map(async (command) => [command, await loadRequestState(sql, command.holding.requestId)] as const),
    ),
  )
}

async function loadLateStates(
  sql: Sql,
  commands: readonly Command[],
  ended: ReadonlyMap<number, EndedRequest | undefined>,
): Promise<Map<Command, RequestState | undefined>> {
  const late = commands
    .filter((_, index) => ended.has(index) && ended.get(index) === undefined)
    .filter((command) => command.kind === 'end')
  return new Map(
    await Promise.all(late.map(async (command) => [command, await loadRequestState(sql, command.end.id)] as const)),
  )
}

async function loadIdempotencyKeys(
  sql: Sql,
  commands: readonly Command[],
): Promise<(readonly [string, RequestState | undefined])[]> {
  const named = commands.filter((command) => command.kind === 'hold')
  return Promise.all(
    named.flatMap((command) => {
      const { workspaceId, idempotencyKey } = command.request
      if (workspaceId === null || idempotencyKey === null) return []
      return [
        findByIdempotencyKey(sql, workspaceId, idempotencyKey).then((s) => [idempotencyName(command), s] as const),
      ]
    }),
  )
}

/** The latest instant of commands of these kinds; 0 without any. */
function latestOf(commands: readonly Command[], kinds: readonly Command['kind'][]): number {
  return Math.max(0, ...commands.filter(({ kind }) => kinds.includes(kind)).map(instantOf))
}

function instantOf(command: Command): number {
  switch (command.kind) {
    case 'hold':
      return command.request.createdAtMs
    case 'extend':
      return command.atMs
    case 'end':
      return command.end.endedAtMs
  }
}

/** Writes what has changed, and tells who wants to know. */
export async function writeBooks(
  sql: Sql,
  books: Books,
  events: readonly NewEvent[],
  { receivers }: TransactionOptions,
): Promise<void> {
  const grown = books.grown.map(({ id, before, after }) => growHold(sql, id, before, after))
  Promise.allSettled(grown)
  await Promise.all([
    insertMeters(sql, books.newMeters()),
    insertHeldRequests(sql, books.requests),
    insertAttempts(sql, books.ends),
    insertTransfers(sql, books.transfers),
    ...books.changedAccounts().map(({ before, after }) => saveAccount(sql, before, after)),
    saveLots(sql, books.changedLots()),
    saveMeters(sql, books.changedMeters()),
    insertRequestMeters(sql, books.held),
    setRequestHeld(sql, books.grownMeters),
    countRequests(sql, books.counted),
    ...books.late.map(({ id, cost }) => recordLateCost(sql, id, cost)),
    // Last: every transaction of every process meets here.
    ...books.systemChanges().map(([id, amount]) => addToSystemAccount(sql, id, amount)),
  ])
  if ((await Promise.all(grown)).includes(false)) throw new Error('a hold changed while its balance was locked')
  for (const event of events) await insertEvents(sql, [event], receivers?.(event.type) ?? [])
}
