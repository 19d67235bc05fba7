/** M02: SIGKILL at random moments, to workers, to the process that started them, and to all of it, under mixed load. */
import { setTimeout as delay } from 'node:timers/promises'
import { pickInteger } from '../captures/random.ts'
import { until } from '../support/until.ts'
import { trySignal } from './harness/children.ts'
import { controlChecks } from './harness/controls.ts'
import { judgeWorld } from './harness/evidence.ts'
import type { Gateway } from './harness/gateway.ts'
import type { ChaosTest, Context, Outcome } from './harness/suite.ts'
import { openWorld, type World } from './harness/world.ts'
import { type Load, startLoad } from './load.ts'

const CLIENTS = 16
const WORKERS = 2
const GATEWAYS = 3
const BUSY_LIMIT_MS = 60_000

export const m02: ChaosTest = {
  id: 'm02',
  title: 'SIGKILL at random under load',
  engines: ['sqlite', 'postgres'],
  async run(context) {
    // SQLite: workers of one directory. PostgreSQL: directories of one process each, as on as many machines.
    const processes = context.engine === 'sqlite' ? { workers: WORKERS } : { gateways: GATEWAYS }
    const world = await openWorld({ ...context, name: 'm02', ...processes })
    const load = startLoad(world, 'm02', { clients: CLIENTS, seed: context.seed, faults: 0.1, leaves: 0.1 })
    try {
      return await killAtRandom(world, load, context)
    } finally {
      await world.close()
    }
  },
}

async function killAtRandom(world: World, load: Load, context: Context): Promise<Outcome> {
  const kinds = { worker: 0, first: 0, all: 0 }
  const starting = new Set<Gateway>()
  const restarts: Promise<void>[] = []
  let interrupted = 0
  const kills = (): number => kinds.worker + kinds.first + kinds.all
  while (kills() < context.kills) {
    await untilBusy(world)
    await delay(300 * world.random())
    const running = world.gateways.filter((gateway) => gateway.baseUrl() !== null && !starting.has(gateway))
    const gateway = running[pickInteger(world.random, 0, running.length - 1)]
    if (!gateway) continue
    const kind = chooseKind(world, gateway)
    interrupted += await world.openHolds()
    await killOne(world, gateway, kind)
    kinds[kind]++
    if (kind !== 'worker') {
      starting.add(gateway)
      // Not waited for: the next kill may meet another one while this one recovers.
      restarts.push(gateway.start().finally(() => starting.delete(gateway)))
    }
    if (kills() % 10 === 0) context.say(`${kills()} kills, ${world.asked.length} requests`)
  }
  await Promise.all(restarts)
  await load.stop()
  const { figures, violations } = await judgeWorld(world)
  if (interrupted < context.kills / 2) throw new Error(`too little load: ${interrupted} requests were interrupted`)
  const missed = await controlChecks(world, context.scratch)
  return {
    figures: { kills: kills(), ...prefixed('kill', kinds), interrupted, ...figures, ...prefixed('http', load.tally()) },
    violations: [...violations, ...missed],
  }
}

/** A kill while nothing is under way shows nothing. */
async function untilBusy({ upstream }: World): Promise<void> {
  const before = upstream.count()
  await until('requests are under way', () => upstream.count() > before + 2, BUSY_LIMIT_MS)
}

type Kind = 'worker' | 'first' | 'all'

function chooseKind({ random }: World, gateway: Gateway): Kind {
  const chance = random()
  if (gateway.workers().length === 0) return 'all'
  if (chance < 0.6) return 'worker'
  return chance < 0.75 ? 'first' : 'all'
}

async function killOne(world: World, gateway: Gateway, kind: Kind): Promise<void> {
  if (kind === 'worker') {
    const workers = gateway.workers()
    // Another takes its place by itself.
    trySignal(workers[pickInteger(world.random, 0, workers.length - 1)] ?? 0, 'SIGKILL')
    return
  }
  if (kind === 'first') await gateway.killFirst()
  else await gateway.kill()
}

function prefixed(prefix: string, counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [`${prefix}:${name}`, count]))
}
