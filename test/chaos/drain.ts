/** An orderly stop under load: everything under way ends, nothing is left held, and the next start finds nothing to do. */
import { setTimeout as delay } from 'node:timers/promises'
import { judgeWorld } from './harness/evidence.ts'
import type { ChaosTest, Context, Outcome } from './harness/suite.ts'
import { openWorld, type World } from './harness/world.ts'
import { type Load, startLoad } from './load.ts'

const STOPS = 3
const LONG_STOPS = 15

export const drain: ChaosTest = {
  id: 'drain',
  title: 'SIGTERM under load',
  engines: ['sqlite', 'postgres'],
  async run(context) {
    const world = await openWorld({ ...context, name: 'drain', workers: 2 })
    const load = startLoad(world, 'drain', { clients: 12, seed: context.seed, leaves: 0.05, maxDelayMs: 60 })
    try {
      return await stopAgain(world, load, context)
    } finally {
      await world.close()
    }
  },
}

async function stopAgain(world: World, load: Load, context: Context): Promise<Outcome> {
  const [gateway] = world.gateways
  if (!gateway) throw new Error('no gateway')
  const stops = context.isLong ? LONG_STOPS : STOPS
  const violations: string[] = []
  let slowestMs = 0
  for (let n = 0; n < stops; n++) {
    await delay(500 + 500 * world.random())
    const beganAt = performance.now()
    const code = await gateway.stop()
    slowestMs = Math.max(slowestMs, Math.round(performance.now() - beganAt))
    if (code !== 0) violations.push(`stop ${n} ended with code ${code}`)
    const held = await world.openHolds()
    if (held > 0) violations.push(`stop ${n} left ${held} holds`)
    await gateway.start()
  }
  await load.stop()
  const { figures, violations: wrong } = await judgeWorld(world)
  const cut = world.asked
    .map(({ seen }) => seen())
    .filter(({ stream, status, terminal, error }) => stream && status === 200 && !terminal && error === null)
  // Those who left by themselves are among them; an answer that a stop breaks off says so.
  const unexplained = cut.filter(
    ({ id }) => !world.asked.some((one) => one.id === id && one.question.leaveAfterBytes !== undefined),
  )
  violations.push(...unexplained.map(({ id }) => `${id} broke off without a word`))
  return {
    figures: { stops, slowestStopMs: slowestMs, ...figures, ...load.tally() },
    violations: [...violations, ...wrong],
  }
}
