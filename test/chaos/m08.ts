/** M08: the connection to PostgreSQL breaks at a commit: before it arrives, after it, or with only its answer lost. */
import { setTimeout as delay } from 'node:timers/promises'
import { pickInteger } from '../captures/random.ts'
import { type CutMoment, type CutProxy, startCutProxy } from '../support/cut-proxy.ts'
import { within } from '../support/until.ts'
import { judgeWorld } from './harness/evidence.ts'
import type { ChaosTest, Context, Outcome } from './harness/suite.ts'
import { openWorld, type World } from './harness/world.ts'
import { type Load, startLoad } from './load.ts'

const CUTS = 300
const LONG_CUTS = 1000
const QUICK_CUTS = 120
const MOMENTS: readonly CutMoment[] = ['unsent', 'sent', 'answered']
const CUT_LIMIT_MS = 30_000

export const m08: ChaosTest = {
  id: 'm08',
  title: 'connection cut at a commit',
  engines: ['postgres'],
  async run(context) {
    let proxy: CutProxy | null = null
    const databaseUrl = async (url: string): Promise<string> => {
      proxy = await startCutProxy(url)
      return proxy.url
    }
    const world = await openWorld({ ...context, name: 'm08', databaseUrl })
    const load = startLoad(world, 'm08', { clients: 12, seed: context.seed, leaves: 0.05, maxDelayMs: 10 })
    try {
      if (!proxy) throw new Error('no proxy')
      return await cutAgain(world, load, proxy, context)
    } finally {
      await world.close()
      await (proxy as CutProxy | null)?.close()
    }
  },
}

async function cutAgain(world: World, load: Load, proxy: CutProxy, context: Context): Promise<Outcome> {
  const cuts = context.isLong ? LONG_CUTS : context.isQuick ? QUICK_CUTS : CUTS
  for (let n = 0; n < cuts; n++) {
    const moment = MOMENTS[pickInteger(world.random, 0, MOMENTS.length - 1)] ?? 'answered'
    await within('a commit comes', proxy.cutAtCommit(moment), CUT_LIMIT_MS)
    // Some commits must get through, or nothing would ever end.
    await delay(20 + 130 * world.random())
    if (n % 50 === 49) context.say(`${n + 1} cuts, ${world.asked.length} requests`)
  }
  await load.stop()
  const { figures, violations } = await judgeWorld(world)
  return { figures: { cuts, ...figures, ...load.tally() }, violations }
}
