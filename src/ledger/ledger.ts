/**
 * The ledger as the gateway sees it: commands go in one by one, and are done in groups, each group one durable
 * transaction. While one is being written the next collects, so under load the wait for the disk is shared.
 *
 * An end that cannot be written in time goes to the spill, which is on disk too, and is written later: whoever waits for
 * it may go on. A hold that cannot be written in time is refused.
 */
import type { Logger } from 'pino'
import { AppError } from '../base/errors.ts'
import { failpoint } from '../base/failpoint.ts'
import { type Database, reasonOf, storageFailure } from '../store/database.ts'
import type { Command, EndCommand, EndResult, ExtendCommand, HoldCommand, HoldResult } from './command.ts'
import { abandonedEnd, releaseOf } from './release.ts'
import type { Spill } from './spill.ts'
import { LATE, SYSTEM_TIMERS, type Timers, within } from './timers.ts'
import { runCommands, type TransactionOptions } from './transaction.ts'

export interface Ledger {
  /** @throws AppError storage_unavailable when the hold could not be written in time; then nothing is held. */
  hold(command: HoldCommand): Promise<HoldResult>
  /** Resolves with whether the hold grew; false also when that could not be written in time. */
  extend(command: ExtendCommand): Promise<boolean>
  /**
   * Resolves once the end is durable: in the database, or in the spill and then written as soon as it can be.
   * @throws AppError storage_unavailable when it is in neither: whoever waits may then say that nothing is charged, and
   * the hold is given back instead, as soon as that can be written.
   */
  end(command: EndCommand): Promise<EndResult>
  /** From now on an end goes to the spill only while nobody can have ended what its node holds: else it may be too late. */
  spillWhile(isTrusted: (nodeId: string) => boolean): void
  /** Whether ends wait that could not be written in time. */
  owes(): boolean
  /** Requests of this process that hold money and have not ended. */
  isOpen(requestId: string): boolean
  /** Resolves when nothing is being written any more, and stops what is tried again and again. */
  close(): Promise<void>
}

export interface LedgerOptions extends TransactionOptions {
  readonly database: Database
  readonly spill: Spill | null
  readonly log: Logger
  /** A hold that is not durable after this long is refused. */
  readonly holdMs?: number
  /** An end that is not durable after this long goes to the spill. */
  readonly spillMs?: number
  readonly timers?: Timers
}

interface Waiting<C extends Command = Command> {
  readonly command: C
  readonly resolve: (result: HoldResult | EndResult | boolean) => void
  readonly reject: (error: unknown) => void
  /** On the clock of the timers. */
  readonly untilMs: number
}

const HOLD_MS = 1000
const SPILL_MS = 250
/** So that one transaction never keeps the event loop, or a hot row, for long. */
const MAX_BATCH = 128
const RETRY_MS = 500
/** One try of those; what keeps them from being written keeps others waiting for so long. */
const OWED_MS = 100

export function createLedger(options: LedgerOptions): Ledger {
  const { database, spill, log, timers = SYSTEM_TIMERS } = options
  const holdMs = options.holdMs ?? HOLD_MS
  const spillMs = options.spillMs ?? SPILL_MS
  const open = new Set<string>()
  /** Ends that were not written yet though somebody stopped waiting: tried until they are. */
  const owed = new Map<string, EndCommand>()
  /** Those of them that are on their way into the spill: whether they are charged at all is not known before. */
  const spilling = new Set<string>()
  let waiting: Waiting[] = []
  let running: Promise<void> | null = null
  let isScheduled = false
  let stopRetrying: (() => void) | null = null
  let isClosed = false
  let isTrusted: (nodeId: string) => boolean = () => true

  function enqueue(command: Command, withinMs: number): Promise<HoldResult | EndResult | boolean> {
    return new Promise((resolve, reject) => {
      waiting.push({ command, resolve, reject, untilMs: timers.now() + withinMs })
      schedule()
    })
  }

  function schedule(): void {
    if (isScheduled || running) return
    isScheduled = true
    timers.soon(start)
  }

  function start(): void {
    isScheduled = false
    if (running) return
    running = flush().finally(() => {
      running = null
      if (waiting.length > 0) schedule()
    })
  }

  async function flush(): Promise<void> {
    const batch = nextBatch().filter(isStillWanted)
    if (batch.length === 0) return
    const error = await tryTogether(batch)
    if (error === null) return
    // One command that cannot be done must not take the others with it.
    const isShared = batch.length === 1 || isStorageFailure(error)
    if (isShared) for (const one of batch) one.reject(error)
    else for (const one of batch) await tryTogether([one]).then((own) => own !== null && one.reject(own))
  }

  /** Ends that were not written before may meet what kept them again: they keep nobody else waiting. */
  function nextBatch(): Waiting[] {
    const isLate = ({ command }: Waiting): boolean => command.kind === 'end' && owed.has(command.end.id)
    const first = waiting.find((one) => !isLate(one)) ?? waiting[0]
    const batch = waiting.filter((one) => first !== undefined && isLate(one) === isLate(first)).slice(0, MAX_BATCH)
    const taken = new Set(batch)
    waiting = waiting.filter((one) => !taken.has(one))
    return batch
  }

  /** Whoever asked for a hold has been refused meanwhile: held after all, it would only be in the way of the next try. */
  function isStillWanted({ command, untilMs, reject }: Waiting): boolean {
    if (command.kind === 'end' || timers.now() < untilMs) return true
    reject(storageFailure(new Error('it waited too long')))
    return false
  }

  /** Null when it is done; else why not. */
  async function tryTogether(batch: readonly Waiting[]): Promise<unknown> {
    const commands = batch.map(({ command }) => command)
    const untilMs = Math.max(...batch.map((one) => one.untilMs))
    const maxWaitMs = Math.max(10, untilMs - timers.now())
    try {
      const results = await database.write((sql) => runCommands(sql, commands, options), {
        maxWaitMs,
        opensLedger: true,
      })
      failpoint(commands.some(({ kind }) => kind === 'end') ? 'end.after_commit' : 'hold.after_commit')
      batch.forEach((one, index) => {
        one.resolve(results[index] as HoldResult | EndResult | boolean)
      })
      return null
    } catch (error) {
      return error
    }
  }

  async function hold(command: HoldCommand): Promise<HoldResult> {
    const { id } = command.request
    const result = enqueue(command, holdMs) as Promise<HoldResult>
    const inTime = await within(timers, result, holdMs)
    if (inTime === LATE) {
      // If it is written after all, nobody will send the request.
      result.then(
        (late) => late.ok && owe(abandonedEnd(command, late)),
        () => undefined,
      )
      throw storageFailure(new Error('the hold was not written in time'))
    }
    if (inTime.ok) open.add(id)
    return inTime
  }

  async function extend(command: ExtendCommand): Promise<boolean> {
    try {
      const result = await within(timers, enqueue(command, holdMs) as Promise<boolean>, holdMs)
      return result === true
    } catch (error) {
      log.error({ requestId: command.holding.requestId, cause: reasonOf(error) }, 'a hold could not grow')
      return false
    }
  }

  async function end(command: EndCommand): Promise<EndResult> {
    const { id } = command.end
    let failure: unknown = new Error('the end was not written in time')
    const written: Promise<EndResult | typeof LATE> = (enqueue(command, spillMs) as Promise<EndResult>).then(
      (result) => {
        forget(id)
        return result
      },
      (error: unknown): typeof LATE => {
        failure = error
        if (isStorageFailure(error)) return LATE
        // A fault of ours, and not of the storage's: the sweeper gives the hold back.
        open.delete(id)
        throw error
      },
    )
    const inTime = await within(timers, written, spillMs)
    if (inTime !== LATE) return inTime
    log.error({ requestId: id, cause: reasonOf(failure) }, 'an end is not written yet; it goes to the spill')
    owe(command)
    spilling.add(id)
    try {
      if (!spill || !isTrusted(command.end.endedBy)) throw failure
      await spill.append(command)
    } catch (error) {
      return await giveUp(command, written, error)
    } finally {
      spilling.delete(id)
    }
    failpoint('spill.after_sync')
    return { kind: 'ended', charged: command.end.charged }
  }

  /** The end that nothing could keep is not tried again: its client hears that nothing is charged, and so it must be. */
  async function giveUp(
    { holding, end }: EndCommand,
    written: Promise<EndResult | typeof LATE>,
    cause: unknown,
  ): Promise<EndResult> {
    const release = releaseOf(holding, end.endedBy, end.endedAtMs)
    const { attempts, provider } = end
    if (open.has(end.id)) owe({ ...release, end: { ...release.end, attempts, provider } })
    // It may be under way to the database still, and arrive there after all.
    const late = await written
    if (late !== LATE) return late
    throw storageFailure(cause)
  }

  function owe(command: EndCommand): void {
    owed.set(command.end.id, command)
    stopRetrying ??= timers.every(RETRY_MS, () => void settleOwed())
  }

  function forget(id: string): void {
    open.delete(id)
    owed.delete(id)
    if (owed.size > 0) return
    stopRetrying?.()
    stopRetrying = null
    void spill?.clear()
  }

  async function settleOwed(): Promise<void> {
    if (isClosed || waiting.some(({ command }) => command.kind === 'end' && owed.has(command.end.id))) return
    const certain = [...owed.values()].filter(({ end }) => !spilling.has(end.id))
    const tries = certain.map((command) =>
      enqueue(command, OWED_MS).then(
        () => forget(command.end.id),
        (error: unknown) => {
          if (isStorageFailure(error)) return
          log.fatal({ requestId: command.end.id, err: error }, 'an end cannot be written')
        },
      ),
    )
    await Promise.all(tries)
  }

  return {
    hold,
    extend,
    end,
    spillWhile(trusts) {
      isTrusted = trusts
    },
    owes: () => owed.size > 0,
    isOpen: (id) => open.has(id) || owed.has(id),
    async close() {
      if (owed.size > 0) await settleOwed()
      isClosed = true
      stopRetrying?.()
      while (running || waiting.length > 0) await (running ?? new Promise<void>((resolve) => timers.soon(resolve)))
    },
  }
}

function isStorageFailure(error: unknown): boolean {
  return error instanceof AppError && error.code === 'storage_unavailable'
}
