/**
 * M13: a process is frozen for so long that another takes it for dead and ends its requests; then it goes on. It must
 * not charge, and must not tell its clients that their answers are complete.
 */
import { tmpdir } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import pino from 'pino'
import { startNode } from '../../src/ledger/node.ts'
import { until, within } from '../support/until.ts'
import type { Asked } from './harness/client.ts'
import { judgeWorld, listRows, priceOf } from './harness/evidence.ts'
import type { Gateway } from './harness/gateway.ts'
import type { ChaosTest, Context, Outcome } from './harness/suite.ts'
import { openWorld, type World } from './harness/world.ts'
import { blockDatabase, putUnderWay, untilAnswered } from './outage.ts'

/** Every second one wakes while the database answers nobody. */
const ROUNDS = 2
const LONG_ROUNDS = 10
const QUICK_ROUNDS = 1
const STREAMS = 24
const GRACE_MS = 8000
/** Longer than an end waits for the database. */
const BLOCKED_MS = 2000
const SWEEP_LIMIT_MS = 60_000

export const m13: ChaosTest = {
  id: 'm13',
  title: 'frozen, swept, thawed',
  engines: ['sqlite', 'postgres'],
  async run(context) {
    const world = await openWorld({ ...context, name: 'm13', env: { ZENDO_NODE_GRACE_MS: String(GRACE_MS) } })
    try {
      return await freezeAgain(world, context)
    } finally {
      await world.close()
    }
  },
}

async function freezeAgain(world: World, context: Context): Promise<Outcome> {
  const [gateway] = world.gateways
  if (!gateway) throw new Error('no gateway')
  const rounds = context.isLong ? LONG_ROUNDS : context.isQuick ? QUICK_ROUNDS : ROUNDS
  const violations: string[] = []
  const zombies: Asked[] = []
  const wokeBlocked = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    const underWay = await putUnderWay(world, gateway, `m13-${round}`, STREAMS)
    await freezeUntilSwept(world, gateway, underWay)
    const isBlocked = round % 2 === 1
    const release = isBlocked ? blockDatabase(gateway, context.cluster) : () => undefined
    if (isBlocked) for (const { id } of underWay) wokeBlocked.add(id)
    gateway.thaw()
    await delay(BLOCKED_MS)
    release()
    for (const { over } of underWay) await within('a zombie ends its answers', over, 30_000)
    zombies.push(...underWay)
    await untilAnswered(world, gateway, `m13-${round}-back`, 30_000)
  }
  violations.push(...(await wrongZombies(world, zombies, wokeBlocked)))
  const { figures, violations: wrong } = await judgeWorld(world)
  return { figures: { rounds, zombies: zombies.length, ...figures }, violations: [...violations, ...wrong] }
}

async function freezeUntilSwept(world: World, gateway: Gateway, underWay: readonly Asked[]): Promise<void> {
  gateway.freeze()
  const sweeper = await startNode({
    database: world.database,
    place: `${tmpdir()}#sweeper`,
    clock: Date.now,
    log: pino({ level: 'silent' }),
    graceMs: GRACE_MS,
  })
  try {
    for (const { id } of underWay) world.upstream.open(id)
    await until('its requests are swept', async () => (await world.openHolds()) === 0, SWEEP_LIMIT_MS)
  } finally {
    await sweeper.stop()
  }
}

async function wrongZombies(
  world: World,
  zombies: readonly Asked[],
  wokeBlocked: ReadonlySet<string>,
): Promise<string[]> {
  const rows = new Map((await listRows(world.database)).map((row) => [row.id, row]))
  return zombies.flatMap(({ id, question, seen }) => {
    const wrong: string[] = []
    const row = rows.get(id)
    const expectedLate = question.funding === 'free' ? null : priceOf(question.script.usage)
    if (seen().terminal) wrong.push(`${id}: its client was told that the answer is complete`)
    if (seen().error === null) wrong.push(`${id}: its client was told nothing`)
    if (row?.state !== 'released') wrong.push(`${id} is ${row?.state}`)
    // An end that met a blocked database as well may have been given up: then there is no late word of it.
    const isKept = row?.lateCost === expectedLate || (row?.lateCost === null && wokeBlocked.has(id))
    if (!isKept) wrong.push(`${id} keeps a late cost of ${row?.lateCost}, expected ${expectedLate}`)
    return wrong
  })
}
