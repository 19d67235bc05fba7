/** Decides who pays for a request and holds its worst case, or names the limit that refuses it. */
import { type NanoUsd, weighUsd, ZERO_USD } from '../base/money.ts'
import { capSpec } from '../domain/cap.ts'
import { type Cover, fullCover, leastHold, partialCover } from '../domain/hold-size.ts'
import type { Books } from './books.ts'
import type { HoldCommand, HoldResult, Refusal, Source, Standing } from './command.ts'
import { type Constraint, constraintsOf } from './constraint.ts'

/** Whether an address may have one more request today: counted in the same transaction, before this is asked. */
export function applyHold(books: Books, command: HoldCommand, isCounted: boolean): HoldResult {
  if (command.anonymous && !isCounted) return refused({ kind: 'anonymous', limit: command.anonymous.limit })
  const repeated = findRepeated(books, command)
  if (repeated) return refused(repeated)
  // All of the worst case from any source comes before a part of it from the first.
  for (const cover of [coverFully, coverPartly]) {
    for (const source of command.sources) {
      const result = tryHold(books, command, source, cover)
      if (result) return result
    }
  }
  return refused(longestRefusal(books, command))
}

type CoverRule = (command: HoldCommand, constraints: readonly Constraint[]) => Cover | null

function coverFully({ size }: HoldCommand, constraints: readonly Constraint[]): Cover | null {
  const cover = fullCover(size)
  return constraints.every((one) => fits(one, cover.hold)) ? cover : null
}

/** Of what the tightest limit leaves. */
function coverPartly({ size }: HoldCommand, constraints: readonly Constraint[]): Cover | null {
  let room: NanoUsd | null = null
  for (const one of constraints) {
    const own = one.room()
    if (own !== null && (room === null || own < room)) room = own
  }
  return room === null ? null : partialCover(size, room)
}

function fits(constraint: Constraint, hold: NanoUsd): boolean {
  const room = constraint.room()
  return room === null || hold <= room
}

function tryHold(books: Books, command: HoldCommand, source: Source, rule: CoverRule): HoldResult | null {
  if (source.kind === 'free' || source.kind === 'byok')
    return accept(books, command, source, { hold: ZERO_USD, maxHold: ZERO_USD, output: null }, [])
  const constraints = constraintsOf(books, command, source)
  const cover = rule(command, constraints)
  return cover && accept(books, command, source, cover, constraints)
}

function accept(
  books: Books,
  command: HoldCommand,
  source: Source,
  cover: Cover,
  constraints: readonly Constraint[],
): HoldResult {
  const { request } = command
  const seatId = source.kind === 'plan' ? source.seatId : null
  const meters = constraints.map((one) => one.take(cover.hold)).filter((id) => id !== null)
  const held = {
    ...request,
    seatId,
    funding: source.kind,
    hold: cover.hold,
    maxHold: cover.maxHold,
    clampedOutput: cover.output,
  }
  books.requests.push(held)
  for (const id of meters) {
    books.held.push({ requestId: request.id, meterId: id, amount: amountIn(books, id, cover.hold, request.weightPpm) })
  }
  if (request.idempotencyKey !== null) {
    const state = { id: request.id, state: 'held' as const, endedBy: null, charged: null, hold: cover.hold }
    books.byIdempotencyKey.set(idempotencyName(command), { ...state, bodyDigest: request.bodyDigest })
  }
  const tightest = leastLeft(constraints.map((one) => one.standing()))
  return { ok: true, funding: source.kind, seatId, cover, meters, tightest }
}

/** How much of a meter an amount at list price takes: the windows of a plan are weighted, caps are not. */
export function amountIn(books: Books, id: string, amount: NanoUsd, weightPpm: bigint): NanoUsd {
  return books.meter(id).scope === 'seat' ? weighUsd(amount, weightPpm) : amount
}

function leastLeft(standings: readonly Standing[]): Standing | null {
  const left = ({ limit, settled, held }: Standing): bigint => limit - settled - held
  let least: Standing | null = null
  for (const one of standings) if (least === null || left(one) < left(least)) least = one
  return least
}

/** Of the limits of the last source that do not fit, the one that lasts longest: after it, the request is admitted. */
function longestRefusal(books: Books, command: HoldCommand): Refusal {
  const source = command.sources.at(-1)
  if (!source) throw new Error('a request was to be held without anything that could pay')
  const least = leastHold(command.size)
  const refusals = constraintsOf(books, command, source)
    .filter((one) => !fits(one, least))
    .map((one) => one.refuse(least))
  const [first, ...others] = refusals
  if (!first) throw new Error('a request was refused though every limit has room')
  return others.reduce((longest, one) => (lastsLonger(one, longest) ? one : longest), first)
}

type LimitRefusal = Extract<Refusal, { kind: 'limit' }>

function lastsLonger(a: LimitRefusal, b: LimitRefusal): boolean {
  return endOf(a) > endOf(b)
}

/** Other requests' holds pass in seconds; what waiting does not help lasts for ever. */
function endOf({ limit, isHeldOnly }: LimitRefusal): number {
  if (isHeldOnly) return 0
  return limit.resetsAtMs ?? Number.POSITIVE_INFINITY
}

function findRepeated(books: Books, command: HoldCommand): Refusal | null {
  if (command.request.idempotencyKey === null || command.request.workspaceId === null) return null
  const earlier = books.byIdempotencyKey.get(idempotencyName(command))
  if (!earlier || earlier.state === 'released') return null
  const isSameBody = earlier.bodyDigest === command.request.bodyDigest
  return { kind: 'repeated', requestId: earlier.id, state: earlier.state, charged: earlier.charged, isSameBody }
}

export function idempotencyName({ request }: HoldCommand): string {
  return `${request.workspaceId} ${request.idempotencyKey}`
}

export interface MeterName {
  readonly subjectId: string
  readonly name: string
}

/** The meters it may take of. */
export function metersOfHold({ sources, caps }: HoldCommand): MeterName[] {
  const names: MeterName[] = []
  for (const source of sources) {
    if (source.kind === 'plan') for (const { name } of source.windows) names.push({ subjectId: source.seatId, name })
    if (source.kind === 'balance')
      for (const cap of caps) names.push({ subjectId: cap.subjectId, name: capSpec(cap).name })
  }
  return names
}

function refused(refusal: Refusal): HoldResult {
  return { ok: false, refusal }
}
