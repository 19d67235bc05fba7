/**
 * M01: SIGKILL at every named place of a request's life, for each way to pay, streamed and whole. What the next start
 * finds must be what the crash matrix says.
 */
import { join } from 'node:path'
import { auditLedger } from '../../src/control/audit.ts'
import { openDatabase } from '../../src/store/open-database.ts'
import { within } from '../support/until.ts'
import { takeWriteLock } from '../support/write-lock.ts'
import type { Asked, Question } from './harness/client.ts'
import { judgeWorld, listRows, priceOf } from './harness/evidence.ts'
import { type Gateway, prepareGateway } from './harness/gateway.ts'
import type { ChaosTest, Context, Outcome } from './harness/suite.ts'
import { openWorld, type World } from './harness/world.ts'

/** What must be found after the next start, and whether the client may have seen the end. */
type Expected = 'no row' | 'released' | 'settled'

interface Place {
  readonly name: string
  readonly expected: Expected
  /** How often the upstream is reached. */
  readonly hits: number
  readonly only?: 'stream'
  /** The request has a provider before it that fails. */
  readonly second?: true
  /** The client leaves once the answer has begun, or, of a whole one, once the upstream has it. */
  readonly leaves?: true
  /** The database takes nothing while the answer ends. */
  readonly isBlocked?: true
  /** The end of what the kill before left open passes here as well, while the process starts. */
  readonly isPassedByRecovery?: true
  readonly mayShowEnd?: true
}

const PLACES: readonly Place[] = [
  { name: 'hold.before_commit', expected: 'no row', hits: 0 },
  { name: 'hold.after_commit', expected: 'released', hits: 0 },
  { name: 'dispatch.before_send', expected: 'released', hits: 0 },
  { name: 'upstream.after_head', expected: 'released', hits: 1 },
  { name: 'stream.after_chunk', expected: 'released', hits: 1, only: 'stream' },
  { name: 'attempt.before_failover', expected: 'released', hits: 1, second: true },
  { name: 'client.after_leave', expected: 'released', hits: 1, leaves: true },
  { name: 'end.before_commit', expected: 'released', hits: 1, isPassedByRecovery: true },
  { name: 'end.after_commit', expected: 'settled', hits: 1 },
  { name: 'spill.after_sync', expected: 'settled', hits: 1, isBlocked: true },
  { name: 'frame.after_end', expected: 'settled', hits: 1, only: 'stream', mayShowEnd: true },
]

interface Case {
  readonly place: Place
  readonly question: Question
}

const USAGE = { input: 400, output: 70 }
const DIE_LIMIT_MS = 20_000

export const m01: ChaosTest = {
  id: 'm01',
  title: 'SIGKILL at every failpoint',
  engines: ['sqlite', 'postgres'],
  async run(context) {
    const world = await openWorld({ ...context, name: 'm01' })
    try {
      return await killAtEach(world, context)
    } finally {
      await world.close()
    }
  },
}

async function killAtEach(world: World, context: Context): Promise<Outcome> {
  const [gateway] = world.gateways
  if (!gateway) throw new Error('no gateway')
  const violations: string[] = []
  const cases = Array.from({ length: context.isLong ? 5 : 1 }, (_, round) => casesOf(round)).flat()
  await gateway.kill()
  let isLeftOpen = false
  for (const [index, one] of cases.entries()) {
    const asked = await dieAt(world, gateway, one, isLeftOpen, context)
    await gateway.gone()
    isLeftOpen = (await world.openHolds()) > 0
    // What is in the spill alone is still held in the books.
    if (isLeftOpen !== (one.place.expected === 'released' || one.place.isBlocked === true)) {
      violations.push(`${asked.id}: ${isLeftOpen ? 'a hold' : 'no hold'} was left by the kill`)
    }
    if (index % 10 === 9) context.say(`${index + 1} of ${cases.length} places`)
  }
  const swept = await dieInRecovery(world, gateway, isLeftOpen)
  swept.push(...(await dieInMigration(world, context)))
  await gateway.start()
  const { figures, violations: wrong } = await judgeWorld(world)
  violations.push(...wrong, ...swept, ...(await compareAll(world, cases)))
  return { figures: { kills: cases.length + 3, ...figures }, violations }
}

function casesOf(round: number): Case[] {
  return PLACES.flatMap((place) =>
    (['balance', 'plan', 'free'] as const).flatMap((funding) =>
      [true, false]
        .filter((stream) => stream || place.only !== 'stream')
        .map((stream, index): Case => {
          const id = `m01-${place.name.replace('.', '-')}-${funding}-${stream ? 'stream' : 'json'}-${round}`
          const waits = place.leaves || place.isBlocked
          const script = { id, chunks: 3, delayMs: 0, usage: USAGE, fault: waits ? 'gate' : 'whole' } as const
          const dialect = index % 2 === 0 ? 'chat' : 'messages'
          return { place, question: { script, funding, stream, dialect, ...(place.second ? { second: true } : {}) } }
        }),
    ),
  )
}

/** Starts the gateway so that it dies at a place, and asks what takes it there. */
async function dieAt(
  world: World,
  gateway: Gateway,
  { place, question }: Case,
  isLeftOpen: boolean,
  { cluster }: Context,
): Promise<Asked> {
  const passes = isLeftOpen && place.isPassedByRecovery ? 2 : 1
  await gateway.start({ ZENDO_FAILPOINT: `${place.name}=kill@${passes}` })
  const asked = world.ask(gateway, question)
  if (place.leaves || place.isBlocked) {
    await within('it reaches the upstream', world.upstream.begun(asked.id), DIE_LIMIT_MS)
    if (question.stream) await within('it begins', asked.answer.saw('part 1'), DIE_LIMIT_MS)
  }
  if (place.leaves) asked.answer.leave()
  if (!place.isBlocked) await within(`it dies at ${place.name}`, gateway.gone(), DIE_LIMIT_MS)
  else if (cluster) {
    cluster.freeze()
    try {
      world.upstream.open(asked.id)
      await within(`it dies at ${place.name}`, gateway.gone(), DIE_LIMIT_MS)
    } finally {
      cluster.thaw()
    }
  } else {
    const lock = takeWriteLock(gateway.dataDir)
    try {
      world.upstream.open(asked.id)
      await within(`it dies at ${place.name}`, gateway.gone(), DIE_LIMIT_MS)
    } finally {
      lock.release()
    }
  }
  world.upstream.open(asked.id)
  await asked.over
  return asked
}

/** A recovery that dies before its commit is done by the next one. */
async function dieInRecovery(world: World, gateway: Gateway, isLeftOpen: boolean): Promise<string[]> {
  if (!isLeftOpen) {
    await gateway.start({ ZENDO_FAILPOINT: 'stream.after_chunk=kill' })
    const script = { id: 'm01-recovery', chunks: 3, delayMs: 0, usage: USAGE, fault: 'whole' } as const
    world.ask(gateway, { script, funding: 'balance', stream: true })
    await within('it dies', gateway.gone(), DIE_LIMIT_MS)
  }
  const openBefore = await world.openHolds()
  const violations: string[] = []
  for (const name of ['end.before_commit', 'sweep.before_commit']) {
    const signal = await gateway.startToEnd({ ZENDO_FAILPOINT: `${name}=kill` })
    if (signal === 'SIGKILL' && openBefore > 0 && (await world.openHolds()) === openBefore) continue
    violations.push(`a recovery that was to die at ${name} ended with ${signal}, with ${openBefore} holds before it`)
  }
  return violations
}

/** A first start that dies in the migration leaves nothing of it: the next one makes all of it. */
async function dieInMigration(world: World, context: Context): Promise<string[]> {
  const url = context.cluster ? await context.cluster.createDatabase() : null
  const dataDir = join(context.scratch, `${world.engine}-m01-migration`)
  const env = { ZENDO_FAILPOINT: 'migrate.before_commit=kill', ...(url === null ? {} : { DATABASE_URL: url }) }
  const gateway = prepareGateway({ dataDir, config: {}, compiled: join(context.scratch, 'compiled'), env })
  const signal = await gateway.startToEnd()
  const place = url === null ? { path: join(dataDir, 'zendo.db') } : { url }
  try {
    await gateway.start({ ZENDO_FAILPOINT: '' })
    const database = await openDatabase(place, { nowMs: 0 })
    const { differences } = await auditLedger(database, { nowMs: Date.now() })
    await database.close()
    if (signal === 'SIGKILL' && differences.length === 0) return []
    return [
      `a first start that was to die in its migration ended with ${signal}; then ${differences.length} differences`,
    ]
  } finally {
    await gateway.kill()
  }
}

async function compareAll(world: World, cases: readonly Case[]): Promise<string[]> {
  const rows = new Map((await listRows(world.database)).map((row) => [row.id, row]))
  const hits = world.upstream.truth()
  const violations: string[] = []
  for (const { place, question } of cases) {
    const { id } = question.script
    const row = rows.get(id)
    const found: Expected | 'held' = row?.state ?? 'no row'
    if (found !== place.expected) violations.push(`${id} is ${found}, expected ${place.expected}`)
    const charged = place.expected === 'settled' && question.funding !== 'free' ? priceOf(USAGE) : 0n
    if (row && row.charged !== charged) violations.push(`${id} is charged ${row.charged}, expected ${charged}`)
    if (row?.state === 'released' && row.outcome !== 'operator_fault') violations.push(`${id} ended as ${row.outcome}`)
    const reached = hits.get(id)?.length ?? 0
    if (reached !== place.hits) violations.push(`${id} reached the upstream ${reached} times, expected ${place.hits}`)
  }
  for (const { seen } of world.asked) {
    const { id, terminal } = seen()
    const place = cases.find(({ question }) => question.script.id === id)?.place
    if (terminal && !place?.mayShowEnd) violations.push(`${id}: its client saw an end before the kill`)
  }
  return violations
}
