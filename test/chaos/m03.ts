/** M03: the database server is killed, or stopped at once, under load, again and again; the gateways go on running. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { PostgresCluster } from '../support/postgres.ts'
import { until } from '../support/until.ts'
import { isAlive, trySignal } from './harness/children.ts'
import { judgeWorld } from './harness/evidence.ts'
import type { ChaosTest, Context, Outcome } from './harness/suite.ts'
import { openWorld, type World } from './harness/world.ts'
import { type Load, startLoad } from './load.ts'
import { untilAnswered } from './outage.ts'

const KILLS = 10
const LONG_KILLS = 20
const RECOVER_LIMIT_MS = 10_000

export const m03: ChaosTest = {
  id: 'm03',
  title: 'PostgreSQL killed under load',
  engines: ['postgres'],
  async run(context) {
    if (!context.cluster) return { figures: {}, violations: ['no server'] }
    const world = await openWorld({ ...context, name: 'm03', gateways: 2 })
    const load = startLoad(world, 'm03', { clients: 12, seed: context.seed, leaves: 0.05, pauseMs: 20 })
    try {
      return await killServer(world, load, context.cluster, context)
    } finally {
      await world.close()
    }
  },
}

async function killServer(world: World, load: Load, cluster: PostgresCluster, context: Context): Promise<Outcome> {
  const [gateway] = world.gateways
  if (!gateway) throw new Error('no gateway')
  const kills = context.isLong ? LONG_KILLS : KILLS
  let slowestMs = 0
  for (let n = 0; n < kills; n++) {
    await delay(400 + 600 * world.random())
    if (n % 2 === 1) await stopAtOnce(cluster)
    await cluster.kill()
    await delay(200 + 1300 * world.random())
    await cluster.start()
    slowestMs = Math.max(slowestMs, await untilAnswered(world, gateway, `m03-back-${n}`, RECOVER_LIMIT_MS))
  }
  await load.stop()
  const { figures, violations } = await judgeWorld(world)
  return { figures: { kills, slowestBackMs: slowestMs, ...figures, ...load.tally() }, violations }
}

/** What `pg_ctl stop -m immediate` does. */
async function stopAtOnce({ directory }: PostgresCluster): Promise<void> {
  const pid = Number(readFileSync(join(directory, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
  trySignal(pid, 'SIGQUIT')
  await until('the server has stopped', () => !isAlive(pid))
}
