/** The race of an agent's parallel turns: each asks, ends at less than it held, and asks again until a limit is used up. */
import { sampleViolations } from './checker.ts'
import { dawdle, type Field } from './nodes.ts'
import type { Random } from './random.ts'
import { type Buyer, CENT, endCommand, holdCommand, NOON_MS, type Wish } from './world.ts'

const TURNS = 100

export interface Limit {
  readonly wish: Pick<Wish, 'sources' | 'caps' | 'weightPpm'>
  readonly limit: bigint
}

/** Resolves with what went wrong: more charged than the limit, or room that was left unused. */
export async function raceTurns(field: Field, buyer: Buyer, { wish, limit }: Limit, random: Random): Promise<string[]> {
  const stopSampling = sampleViolations(field.db)
  const faults: string[] = []
  let charged = 0n
  let open = 0
  const turn = async (i: number): Promise<void> => {
    for (;;) {
      await dawdle(random.below(8))
      const command = holdCommand(buyer, { ...wish, amount: CENT, atMs: NOON_MS + random.below(1000) })
      const isAlone = open === 0
      open++
      const held = await field.nodeOf(i).hold(command)
      if (!held.ok) {
        open--
        if (held.refusal.kind !== 'limit') faults.push(`refused as ${held.refusal.kind}`)
        // What others hold may come back: only a refusal by what is spent is the last word.
        else if (!held.refusal.isHeldOnly) return
        else if (isAlone && open === 0) faults.push('refused for what others hold, and there are no others')
        continue
      }
      const cost = BigInt(1 + random.below(Number(CENT)))
      const ended = await field.nodeOf(i + random.below(2)).end(endCommand(command, held, cost))
      open--
      if (ended.kind === 'ended') charged += ended.charged
      else faults.push('an end came late')
    }
  }
  await Promise.all(Array.from({ length: TURNS }, (_, i) => turn(i)))
  if (charged > limit) faults.push(`${charged} was charged of ${limit}`)
  if (charged + CENT <= limit) faults.push(`${limit - charged} of ${limit} was refused`)
  return [...faults, ...(await stopSampling())]
}
