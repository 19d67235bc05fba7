/** What the simulated clients and upstreams know for themselves: who was told what, and what it really cost. */
import type { EndCommand } from '../../src/ledger/command.ts'
import type { RequestRow } from './judge.ts'
import { demand, Violation } from './model.ts'

export interface Known {
  readonly id: string
  readonly isFree: boolean
  /** `asked`: no answer yet; `failed`: told that nothing was charged; `open`: admitted; `ended`: told of its end. */
  state: 'asked' | 'refused' | 'failed' | 'open' | 'ending' | 'ended' | 'late' | 'in doubt'
  /** The process that serves it. */
  readonly nodeName: string
  /** The end that its process asked for. */
  end: EndCommand | null
  /** The exact cost of what was used, of a second implementation. */
  cost: bigint
  charged: bigint | null
}

export class Truth {
  readonly #known = new Map<string, Known>()

  add(known: Known): Known {
    this.#known.set(known.id, known)
    return known
  }

  of(id: string): Known {
    const known = this.#known.get(id)
    if (!known) throw new Violation(`nobody asked for ${id}`)
    return known
  }

  all(): Known[] {
    return [...this.#known.values()]
  }

  /** When all is over: what was told is what stands. `wasGivenUp`: whether others rightly took its process for dead. */
  judge(rows: readonly RequestRow[], wasGivenUp: (row: RequestRow) => boolean): void {
    const byId = new Map(rows.map((row) => [row.id, row]))
    for (const known of this.#known.values()) judgeOne(known, byId.get(known.id), wasGivenUp)
  }
}

function judgeOne(known: Known, row: RequestRow | undefined, wasGivenUp: (row: RequestRow) => boolean): void {
  const { id, state, end } = known
  if (state === 'refused') demand(row === undefined, `${id} was refused and stands in the books`)
  if (state === 'failed') demand(row === undefined || row.state === 'released', `${id} failed and is charged`)
  demand(row === undefined || row.state !== 'held', `${id} still holds money`)
  if (state === 'late')
    demand(row?.charged === 0n, `${id} was told that nothing is charged, and is charged ${row?.charged}`)
  if (state !== 'ended') return
  if (row === undefined || end === null) throw new Violation(`${id} was told of its end and is not in the books`)
  // A machine that is away for longer than the grace loses what its disk still says: the operator's loss, noted as late.
  if (row.ended_by !== end.end.endedBy) {
    demand(wasGivenUp(row) && row.charged === 0n, `${id} was told of its end, and ended by ${row.ended_by}`)
    return
  }
  demand(
    row.state === end.end.state && row.charged === known.charged,
    `${id} was told ${known.charged} and is charged ${row.charged}`,
  )
  if (row.state === 'settled') demand(row.cost === known.cost, `${id} cost ${known.cost}, and ${row.cost} by the books`)
}
