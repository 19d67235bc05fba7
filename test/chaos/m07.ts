/**
 * M07: the database answers nobody for a while: PostgreSQL is frozen, the SQLite file is locked. Answers under way end
 * by way of the spill, new requests are refused and not sent on, and all is as it should be soon after.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readSpill } from '../../src/ledger/spill.ts'
import { until } from '../support/until.ts'
import { judgeWorld } from './harness/evidence.ts'
import type { Gateway } from './harness/gateway.ts'
import type { ChaosTest, Context, Outcome } from './harness/suite.ts'
import { openWorld, type World } from './harness/world.ts'
import { blockDatabase, endAll, putUnderWay, refuseAll, untilAnswered } from './outage.ts'

/** At least; an outage lasts until everything of it was seen. */
const OUTAGES_MS = [500, 1500, 3000, 6000]
const LONG_OUTAGES_MS = [500, 700, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 10_000]
const STREAMS = 60
const REFUSED = 20
const SPILL_LIMIT_MS = 5000

export const m07: ChaosTest = {
  id: 'm07',
  title: 'database frozen or locked',
  engines: ['sqlite', 'postgres'],
  async run(context) {
    const world = await openWorld({ ...context, name: 'm07' })
    try {
      return await blockAgain(world, context)
    } finally {
      await world.close()
    }
  },
}

async function blockAgain(world: World, context: Context): Promise<Outcome> {
  const [gateway] = world.gateways
  if (!gateway) throw new Error('no gateway')
  const outages = context.isLong ? LONG_OUTAGES_MS : OUTAGES_MS
  const violations: string[] = []
  const slowest = { spillMs: 0, backMs: 0 }
  let spilled = 0
  for (const [round, leastMs] of outages.entries()) {
    const underWay = await putUnderWay(world, gateway, `m07-${round}`, STREAMS)
    const release = blockDatabase(gateway, context.cluster)
    const beganAt = performance.now()
    try {
      const [unended, unrefused] = await Promise.all([
        endAll(world, underWay),
        refuseAll(world, gateway, `m07-${round}-refused`, REFUSED),
      ])
      violations.push(...unended, ...unrefused)
      spilled += readSpill(spillOf(gateway)).length
      await delay(Math.max(0, leastMs - (performance.now() - beganAt)))
    } finally {
      release()
    }
    const freeAt = performance.now()
    slowest.backMs = Math.max(slowest.backMs, await untilAnswered(world, gateway, `m07-${round}-back`, 10_000))
    await untilSpillEmpty(gateway).catch((error: unknown) => violations.push(`round ${round}: ${error}`))
    slowest.spillMs = Math.max(slowest.spillMs, Math.round(performance.now() - freeAt))
  }
  const { figures, violations: wrong } = await judgeWorld(world)
  if (spilled === 0) violations.push('nothing was spilled: the outages were none')
  return {
    figures: { outages: outages.length, spilled, ...slowest, ...figures },
    violations: [...violations, ...wrong],
  }
}

function spillOf({ dataDir }: Gateway): string {
  return join(dataDir, 'spill-0.bin')
}

function untilSpillEmpty(gateway: Gateway): Promise<void> {
  return until('the spill is empty', () => readSpill(spillOf(gateway)).length === 0, SPILL_LIMIT_MS)
}
