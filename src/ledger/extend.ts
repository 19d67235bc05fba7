/** Lets a hold grow by the next slice, if every limit that it was held of has room for it. */
import { addUsd, type NanoUsd, nanoUsd, subtractUsd } from '../base/money.ts'
import type { RequestState } from '../store/request.ts'
import type { Books } from './books.ts'
import type { ExtendCommand } from './command.ts'
import { amountIn } from './hold.ts'

/** Returns whether it grew. `state`: how the request stands, read with its account locked. */
export function applyExtend(books: Books, command: ExtendCommand, state: RequestState | undefined): boolean {
  const { holding, before, after } = command
  if (state?.state !== 'held' || state.hold !== before) return false
  const growth = subtractUsd(after, before)
  const takesBalance = holding.funding === 'balance' && holding.accountId !== null
  if (takesBalance && books.available(holding.accountId) < growth) return false
  const steps = holding.meters.map((id) => ({ id, by: growthIn(books, id, command) }))
  if (!steps.every(({ id, by }) => roomIn(books, id, command.atMs) >= by)) return false
  if (takesBalance) books.addHeld(holding.accountId, growth)
  for (const { id, by } of steps) {
    books.changeMeter(id, { held: addUsd(books.meter(id).held, by) })
    const amount = amountIn(books, id, after, holding.weightPpm)
    books.grownMeters.push({ requestId: holding.requestId, meterId: id, amount })
  }
  books.grown.push({ id: holding.requestId, before, after })
  return true
}

/** The difference of two rounded amounts, so that what is held is always the weighted hold. */
function growthIn(books: Books, id: string, { holding, before, after }: ExtendCommand): NanoUsd {
  const { weightPpm } = holding
  return subtractUsd(amountIn(books, id, after, weightPpm), amountIn(books, id, before, weightPpm))
}

/** A sliding window is as full as all of its meters that have not ended; the others are one meter each. */
function roomIn(books: Books, id: string, nowMs: number): NanoUsd {
  const own = books.meter(id)
  const open = books.metersOf(own.subjectId, own.name).filter((row) => row.id !== id && row.endsAtMs > nowMs)
  const counting = own.kind === 'sliding' ? [own, ...open] : [own]
  return counting.reduce((room, { settled, held }) => nanoUsd(room - settled - held), own.limit)
}
