/** The one end of a request: what it held is given back, what it is charged is posted and counted. */
import { addUsd, nanoUsd, subtractUsd, ZERO_USD } from '../base/money.ts'
import type { EntryRow } from '../store/account.ts'
import type { EndedRequest, RequestState } from '../store/request.ts'
import type { Books } from './books.ts'
import type { EndCommand, EndResult } from './command.ts'
import { amountIn } from './hold.ts'

/**
 * `ended`: what the row held, and is charged, when this end was written to it; undefined when it had ended before, and
 * then `state` is how it stands.
 */
export function applyEnd(
  books: Books,
  command: EndCommand,
  ended: EndedRequest | undefined,
  state: RequestState | undefined,
): EndResult {
  const { holding, end } = command
  if (ended === undefined) return repeatedEnd(books, command, state)
  books.ends.push(end)
  if (holding.funding === 'balance') endOnBalance(books, command, ended)
  for (const id of holding.meters) countInMeter(books, id, command, ended)
  return { kind: 'ended', charged: ended.charged }
}

/** Written before by the same node, it is the same end; by another, it was ended without this node's word. */
function repeatedEnd(books: Books, { holding, end }: EndCommand, state: RequestState | undefined): EndResult {
  if (state && state.endedBy === end.endedBy) return { kind: 'ended', charged: state.charged ?? ZERO_USD }
  if (state && end.cost > 0n) books.late.push({ id: holding.requestId, cost: end.cost })
  return { kind: 'late' }
}

function endOnBalance(books: Books, { holding, end }: EndCommand, { hold, charged }: EndedRequest): void {
  const { accountId, workspaceId } = holding
  if (accountId === null || workspaceId === null) throw new Error(`request ${end.id} is paid by nobody`)
  books.addHeld(accountId, nanoUsd(-hold))
  if (end.cost === 0n) return
  const entries: EntryRow[] = books.drawLots(workspaceId, accountId, charged)
  entries.push({ accountId: 'usage_revenue', amount: end.cost, grantId: null })
  const lost = subtractUsd(end.cost, charged)
  if (lost > 0n) entries.push({ accountId: 'write_off', amount: nanoUsd(-lost), grantId: null })
  books.post({ id: `s:${end.id}`, kind: 'settlement', atMs: end.endedAtMs, entries })
}

function countInMeter(books: Books, id: string, { holding, end }: EndCommand, { hold, charged }: EndedRequest): void {
  const meter = books.meter(id)
  const held = amountIn(books, id, hold, holding.weightPpm)
  const counted = amountIn(books, id, charged, holding.weightPpm)
  books.changeMeter(id, { held: subtractUsd(meter.held, held), settled: addUsd(meter.settled, counted) })
  books.counted.push({ requestId: end.id, meterId: id, amount: counted })
}
