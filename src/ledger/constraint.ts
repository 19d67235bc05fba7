/** The limits that a hold must fit, all alike: how much room is left, taking of it, and what is told when it refuses. */
import { addUsd, maxUsd, type NanoUsd, unweighUsd, WEIGHT_ONE, weighUsd, ZERO_USD } from '../base/money.ts'
import { capSpec } from '../domain/cap.ts'
import type { WindowSpec } from '../domain/catalog.ts'
import { resetsAtOf, roomOf, type WindowState, windowStateOf } from '../domain/window.ts'
import { type MeterScope, meterId } from '../store/meter.ts'
import type { Books } from './books.ts'
import type { HoldCommand, Refusal, Source, Standing } from './command.ts'

export interface Constraint {
  /** The largest hold, at list price, that still fits; null where nothing bounds it. */
  room(): NanoUsd | null
  /** Takes a hold that fits. Returns the meter it was taken of; null for the balance. */
  take(hold: NanoUsd): string | null
  refuse(hold: NanoUsd): Extract<Refusal, { kind: 'limit' }>
  standing(): Standing
}

/** The limits of a source, in the order in which they are checked. */
export function constraintsOf(books: Books, command: HoldCommand, source: Source): Constraint[] {
  switch (source.kind) {
    case 'free':
    case 'byok':
      return []
    case 'balance':
      return [
        balanceConstraint(books, requireAccount(command)),
        ...command.caps.map((cap) =>
          meterConstraint(books, command, {
            scope: cap.scope,
            subjectId: cap.subjectId,
            spec: capSpec(cap),
            anchorMs: 0,
            weightPpm: WEIGHT_ONE,
          }),
        ),
      ]
    case 'plan':
      return source.windows.map((spec) =>
        meterConstraint(books, command, {
          scope: 'seat',
          subjectId: source.seatId,
          spec,
          anchorMs: source.anchorMs,
          weightPpm: command.request.weightPpm,
        }),
      )
  }
}

export function requireAccount({ request }: HoldCommand): string {
  if (request.accountId === null) throw new Error('a metered request has no account')
  return request.accountId
}

export function balanceStanding(books: Books, accountId: string): Standing {
  const { posted, held } = books.account(accountId)
  return {
    name: 'balance',
    kind: 'balance',
    scope: 'workspace',
    settled: ZERO_USD,
    held,
    limit: posted,
    resetsAtMs: null,
  }
}

function balanceConstraint(books: Books, accountId: string): Constraint {
  const standing = (): Standing => balanceStanding(books, accountId)
  return {
    room: () => maxUsd(books.available(accountId), ZERO_USD),
    take(hold) {
      books.addHeld(accountId, hold)
      return null
    },
    refuse(hold) {
      const { posted } = books.account(accountId)
      return { kind: 'limit', limit: standing(), amount: hold, isHeldOnly: posted >= hold }
    },
    standing,
  }
}

interface MeterOf {
  readonly scope: MeterScope
  readonly subjectId: string
  readonly spec: WindowSpec
  readonly anchorMs: number
  readonly weightPpm: bigint
}

function meterConstraint(books: Books, { request, calendar }: HoldCommand, of: MeterOf): Constraint {
  const { spec, subjectId, scope, weightPpm } = of
  const state = (): WindowState =>
    windowStateOf(spec, books.metersOf(subjectId, spec.name), request.createdAtMs, of.anchorMs, calendar)
  return {
    room: () => unweighUsd(roomOf(state()), weightPpm),
    take(hold) {
      const { current } = state()
      const amount = weighUsd(hold, weightPpm)
      const id = current.id ?? openMeter(books, request.workspaceId ?? '', of, current)
      // What takes nothing also fits a meter that is above a limit that was lowered: it keeps the one it was held under.
      if (amount > 0n) books.changeMeter(id, { held: addUsd(books.meter(id).held, amount), limit: spec.limit })
      return id
    },
    refuse(hold) {
      const now = state()
      const amount = weighUsd(hold, weightPpm)
      const isHeldOnly = now.settled + amount <= spec.limit
      return { kind: 'limit', limit: standingOf(now, scope, amount), amount, isHeldOnly }
    },
    standing() {
      const now = state()
      return standingOf(now, scope, spec.limit)
    },
  }
}

function openMeter(
  books: Books,
  workspaceId: string,
  of: MeterOf,
  bounds: { startsAtMs: number; endsAtMs: number },
): string {
  const { scope, subjectId, spec } = of
  const id = meterId(subjectId, spec.name, bounds.startsAtMs)
  books.openMeter({
    id,
    workspaceId,
    scope,
    subjectId,
    name: spec.name,
    kind: spec.kind,
    startsAtMs: bounds.startsAtMs,
    endsAtMs: bounds.endsAtMs,
    limit: spec.limit,
    settled: ZERO_USD,
    held: ZERO_USD,
    told: 0,
  })
  return id
}

function standingOf(state: WindowState, scope: MeterScope, amount: NanoUsd): Standing {
  const { spec, settled, held } = state
  return {
    name: spec.name,
    kind: spec.kind,
    scope,
    settled,
    held,
    limit: spec.limit,
    resetsAtMs: resetsAtOf(state, amount),
  }
}
