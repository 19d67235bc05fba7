/** Brings the three accounts of a world together, once it is at rest, and has them judged. */
import type { Database } from '../../../src/store/database.ts'
import type { Tokens } from '../../support/dialect.ts'
import { until } from '../../support/until.ts'
import type { Seen } from './client.ts'
import { type Evidence, judge, type Row } from './judge.ts'
import { INPUT_RATE, OUTPUT_RATE, type World } from './world.ts'

/** As long as a hold whose commit was in doubt may wait for its own process to sweep it, and some more. */
const REST_LIMIT_MS = 30_000

export function priceOf({ input, output }: Tokens): bigint {
  return BigInt(input) * INPUT_RATE + BigInt(output) * OUTPUT_RATE
}

/** Every request of the books that a client of this run sent. */
export async function listRows(database: Database): Promise<Row[]> {
  const rows = await database.all<
    Omit<Row, 'id' | 'estimated' | 'attempts'> & { tags: string; estimated: bigint | null; attempts: bigint | null }
  >(
    'SELECT tags, funding, state, outcome, estimated, cost, charged, hold, attempts, ended_by AS "endedBy",' +
      ' late_cost AS "lateCost" FROM request' +
      ' WHERE tags IS NOT NULL ORDER BY id',
  )
  return rows.map(({ tags, estimated, attempts, ...row }) => ({
    ...row,
    id: /chaos=([\w-]+)/.exec(tags)?.[1] ?? tags,
    estimated: estimated === 1n,
    attempts: Number(attempts ?? 0n),
  }))
}

export async function gatherEvidence(world: World): Promise<Evidence> {
  const seen: Seen[] = await Promise.all(world.asked.map(({ over }) => over))
  return { rows: await listRows(world.database), seen, hits: world.upstream.truth(), priceOf }
}

/** Figures of a world at rest, and everything that is wrong with it. */
export interface Verdict {
  readonly figures: Readonly<Record<string, number>>
  readonly violations: readonly string[]
}

/** Waits until nothing is held, then runs the audit and the judge. The gateways run and are left as they are. */
export async function judgeWorld(world: World): Promise<Verdict> {
  const violations: string[] = []
  const beganAt = performance.now()
  const isAtRest = async (): Promise<boolean> => (await world.openHolds()) === 0
  await until('nothing is held', isAtRest, REST_LIMIT_MS).catch((error: unknown) => violations.push(String(error)))
  const restMs = Math.round(performance.now() - beganAt)
  const evidence = await gatherEvidence(world)
  const audit = (await world.cli('audit')) as {
    differences: { rule: string; subject: string; expected: string; found: string }[]
  }
  for (const { rule, subject, expected, found } of audit.differences) {
    violations.push(`audit ${rule}: ${subject} is ${found}, expected ${expected}`)
  }
  for (const violation of world.sampler.violations()) violations.push(`seen under way: ${violation}`)
  violations.push(...judge(evidence))
  const { rows, seen, hits } = evidence
  return {
    figures: {
      requests: seen.length,
      sawEnd: seen.filter(({ terminal }) => terminal).length,
      settled: rows.filter(({ state }) => state === 'settled').length,
      released: rows.filter(({ state }) => state === 'released').length,
      upstream: hits.size,
      looks: world.sampler.looks(),
      restMs,
    },
    violations,
  }
}
