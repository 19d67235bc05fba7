/** What a transaction of the ledger has to tell, once: thresholds of limits and balances, and losses of the operator. */
import { addUsd, formatUsd, type NanoUsd, subtractUsd, ZERO_USD } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import { eventId, type NewEvent } from '../domain/event.ts'
import {
  balanceThresholdEvent,
  crossedThreshold,
  limitThresholdEvent,
  type Threshold,
  toldOf,
} from '../domain/threshold.ts'
import { resetsAtOf } from '../domain/window.ts'
import type { MeterRow } from '../store/meter.ts'
import type { Books } from './books.ts'
import type { Command, EndCommand, EndResult, HoldCommand, HoldResult, Refusal } from './command.ts'

/** A limit of which this share is used, in percent, and that refuses, is used up: its last bit fits no request. */
const NEARLY_FULL = 95n

/** Marks what is told in the books, and returns the events to be written with them. */
export function eventsOf(
  books: Books,
  commands: readonly Command[],
  results: readonly (HoldResult | EndResult | boolean)[],
): NewEvent[] {
  const events: NewEvent[] = []
  const meters = new Map<string, number>()
  const balances = new Map<string, EndCommand>()
  // One that had ended before has told what there was to tell.
  const firsts = new Set(books.ends)
  commands.forEach((command, index) => {
    if (command.kind === 'hold') events.push(...refusalEvent(books, command, results[index]))
    const result = results[index]
    if (command.kind !== 'end' || typeof result !== 'object' || !('kind' in result) || result.kind !== 'ended') return
    const { holding, end } = command
    if (!firsts.has(end)) return
    if (holding.funding !== 'byok' && end.cost > result.charged) events.push(writeOffEvent(command, result.charged))
    if (result.charged === ZERO_USD) return
    for (const id of holding.meters) meters.set(id, end.endedAtMs)
    if (holding.funding === 'balance' && holding.accountId !== null) balances.set(holding.accountId, command)
  })
  for (const [id, atMs] of meters) events.push(...meterEvent(books, books.meter(id), atMs))
  for (const [id, command] of balances) events.push(...balanceEvent(books, id, command))
  return events
}

function meterEvent(books: Books, meter: MeterRow, atMs: number, isFull = false): NewEvent[] {
  const open = books.metersOf(meter.subjectId, meter.name).filter(({ endsAtMs }) => endsAtMs > atMs)
  const counting = meter.kind === 'sliding' ? open : [meter]
  const used = counting.reduce((sum, { settled }) => addUsd(sum, settled), ZERO_USD)
  const threshold = reached(toldOf(counting), used, meter.limit, isFull)
  if (threshold === null) return []
  books.changeMeter(meter.id, { told: threshold })
  return [limitThresholdEvent({ ...meter, used, resetsAtMs: resetOf(meter, counting, used) }, threshold, atMs)]
}

function resetOf(meter: MeterRow, counting: readonly MeterRow[], used: NanoUsd): number | null {
  if (meter.kind !== 'sliding') return meter.endsAtMs
  const { name, kind, limit } = meter
  const spec = { name, kind, limit, lengthMs: 0, unit: null }
  const earlier = counting.filter(({ id }) => id !== meter.id)
  const held = counting.reduce((sum, row) => addUsd(sum, row.held), ZERO_USD)
  return resetsAtOf({ spec, current: meter, earlier, settled: used, held }, limit)
}

function balanceEvent(books: Books, accountId: string, { holding, end }: EndCommand): NewEvent[] {
  const { posted, credited, told } = books.account(accountId)
  const { workspaceId } = holding
  if (workspaceId === null || credited <= 0n) return []
  const used = subtractUsd(credited, posted)
  const threshold = reached(told, used, credited, false)
  if (threshold === null) return []
  books.setAccount(accountId, { told: threshold })
  const creditId = books.lotsOf(workspaceId).reduce((last, { lot }) => (lot.id > last ? lot.id : last), '')
  const use = { accountId, creditId: `${creditId}:${credited}`, workspaceId, used, limit: credited }
  return [balanceThresholdEvent(use, threshold, end.endedAtMs)]
}

function reached(told: number, used: NanoUsd, limit: NanoUsd, isFull: boolean): Threshold | null {
  const threshold = crossedThreshold(told, used, limit)
  return isFull && told < 100 && used * 100n >= limit * NEARLY_FULL ? 100 : threshold
}

/** A window or cap that refuses, and not only because of what others hold. */
function refusalEvent(
  books: Books,
  { request, sources, caps }: HoldCommand,
  result: HoldResult | EndResult | boolean | undefined,
): NewEvent[] {
  const refusal = limitRefusalOf(result)
  if (!refusal || refusal.isHeldOnly || refusal.limit.kind === 'balance') return []
  const { name } = refusal.limit
  const subjects = [
    ...sources.flatMap((one) => (one.kind === 'plan' ? [one.seatId] : [])),
    ...caps.map((cap) => cap.subjectId),
  ]
  const meters = subjects
    .flatMap((id) => books.metersOf(id, name))
    .filter(({ endsAtMs }) => endsAtMs > request.createdAtMs)
  const current = meters.at(-1)
  return current ? meterEvent(books, current, request.createdAtMs, true) : []
}

function limitRefusalOf(
  result: HoldResult | EndResult | boolean | undefined,
): Extract<Refusal, { kind: 'limit' }> | null {
  if (typeof result !== 'object' || !('ok' in result) || result.ok) return null
  return result.refusal.kind === 'limit' ? result.refusal : null
}

/** What the upstream used and nobody could be charged for. */
function writeOffEvent({ holding, end }: EndCommand, charged: NanoUsd): NewEvent {
  const lost = subtractUsd(end.cost, charged)
  return {
    id: eventId('w', end.id),
    type: 'ledger.write_off',
    workspaceId: holding.workspaceId,
    payload: {
      request: end.id,
      amount: formatUsd(lost),
      amount_nano: String(lost),
      charged: formatUsd(charged),
      provider: end.provider,
      at: formatInstant(end.endedAtMs),
    },
    atMs: end.endedAtMs,
  }
}
