/**
 * M06: the disk is full: that of the data directory, where the spill has its blocks already; that of the server; and
 * then nothing can be written at all. Nobody is shown an end that is not on disk, and space alone brings it back.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type PostgresCluster, startPostgres } from '../support/postgres.ts'
import { until, within } from '../support/until.ts'
import { judgeWorld, listRows } from './harness/evidence.ts'
import type { Gateway } from './harness/gateway.ts'
import type { ChaosTest, Context, Outcome } from './harness/suite.ts'
import { openWorld, type World } from './harness/world.ts'
import { endAll, putUnderWay, refuseAll, untilAnswered } from './outage.ts'

const VOLUME_MIB = { sqlite: 48, postgres: 192 }
const STREAMS = 24
const REFUSED = 12
const BACK_LIMIT_MS = 30_000

export const m06: ChaosTest = {
  id: 'm06',
  title: 'disk full',
  engines: ['sqlite', 'postgres'],
  async run(context) {
    const volume = join(context.scratch, `${context.engine}-m06-volume`)
    const isMounted = mountVolume(volume, VOLUME_MIB[context.engine])
    if (!isMounted) return { figures: {}, violations: [], skipped: 'a volume of its own needs root' }
    try {
      return await onVolume(volume, context)
    } finally {
      execFileSync('umount', ['--lazy', volume])
    }
  },
}

function mountVolume(path: string, mib: number): boolean {
  if (process.getuid?.() !== 0) return false
  mkdirSync(path, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,mode=1777`, 'tmpfs', path], { stdio: 'pipe' })
    // Whatever ends the run, its volume must not stay.
    process.once('exit', () => unmountQuietly(path))
    return true
  } catch {
    return false
  }
}

function unmountQuietly(path: string): void {
  try {
    execFileSync('umount', ['--lazy', path], { stdio: 'pipe' })
  } catch {
    // It is gone already.
  }
}

/** SQLite: the data directory is on the volume. PostgreSQL: all of the server is, and the spill is elsewhere. */
async function onVolume(volume: string, context: Context): Promise<Outcome> {
  const server = context.engine === 'postgres' ? await startOn(volume) : null
  const world = await openWorld({
    ...context,
    name: 'm06',
    cluster: server,
    ...(server ? {} : { dataRoot: volume }),
  })
  try {
    return await fillAndFree(world, volume, server)
  } finally {
    await world.close()
    await server?.close()
  }
}

async function startOn(volume: string): Promise<PostgresCluster> {
  const before = process.env.TMPDIR
  process.env.TMPDIR = volume
  try {
    return await startPostgres({ settings: { max_wal_size: '32MB', min_wal_size: '32MB' } })
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  }
}

async function fillAndFree(world: World, volume: string, server: PostgresCluster | null): Promise<Outcome> {
  const [gateway] = world.gateways
  if (!gateway) throw new Error('no gateway')
  const violations: string[] = []
  const underWay = await putUnderWay(world, gateway, 'm06', STREAMS)
  const filler = fill(volume)
  // Some room may be left inside the files: requests use it up.
  const admitted = await untilRefused(world, gateway)
  violations.push(...(await endAll(world, underWay)))
  // A server finds room by itself now and then: what it then takes is as good as any other.
  if (!server) violations.push(...(await refuseAll(world, gateway, 'm06-refused', REFUSED)))
  rmSync(filler)
  const backMs = await recover(world, gateway, 'm06-back', server)
  violations.push(...(server ? [] : await withNothingWritable(world, gateway)))
  const { figures, violations: wrong } = await judgeWorld(world)
  return { figures: { admitted, backMs, ...figures }, violations: [...violations, ...wrong] }
}

/** Everything that is left of the volume. */
function fill(volume: string): string {
  const path = join(volume, 'filler')
  const file = openSync(path, 'w')
  const block = Buffer.alloc(64 * 1024)
  try {
    for (let size = block.length; size >= 512; ) {
      try {
        if (writeSync(file, block, 0, size) < size) size = Math.floor(size / 2)
      } catch {
        size = Math.floor(size / 2)
      }
    }
  } finally {
    closeSync(file)
  }
  return path
}

/** Resolves with how many requests were still admitted. */
async function untilRefused(world: World, gateway: Gateway): Promise<number> {
  for (let n = 0; n < 3000; n++) {
    const script = {
      id: `m06-fill-${n}`,
      chunks: 1,
      delayMs: 0,
      usage: { input: 400, output: 60 },
      fault: 'whole',
    } as const
    const { over } = world.ask(gateway, { script, funding: 'balance', stream: false })
    const { status } = await within('a request on a full disk is over', over, 30_000)
    if (status === 503) return n
  }
  throw new Error('the disk never became full')
}

/** The gateway is not started again; a server that gave up is, as its supervisor would. */
async function recover(world: World, gateway: Gateway, name: string, server: PostgresCluster | null): Promise<number> {
  if (server) {
    await server.kill()
    await server.start()
  }
  return untilAnswered(world, gateway, name, BACK_LIMIT_MS)
}

/** Neither the database nor the spill takes a byte: no end is shown, and what was under way is charged nothing. */
async function withNothingWritable(world: World, gateway: Gateway): Promise<string[]> {
  const underWay = await putUnderWay(world, gateway, 'm06-both', STREAMS)
  const limit = (bytes: string): unknown =>
    execFileSync('prlimit', ['--pid', String(gateway.pid()), `--fsize=${bytes}:unlimited`])
  limit('0')
  const violations: string[] = []
  try {
    for (const { id } of underWay) world.upstream.open(id)
    const seen = await within('all are over', Promise.all(underWay.map(({ over }) => over)), 30_000)
    for (const { id, terminal, error } of seen) {
      if (terminal) violations.push(`${id}: its client saw an end that is on no disk`)
      if (error === null) violations.push(`${id}: its client was told nothing`)
    }
    violations.push(...(await refuseAll(world, gateway, 'm06-both-refused', REFUSED)))
  } finally {
    limit('unlimited')
  }
  await untilAnswered(world, gateway, 'm06-both-back', BACK_LIMIT_MS)
  await until('nothing is held', async () => (await world.openHolds()) === 0, BACK_LIMIT_MS)
  const told = new Set(underWay.map(({ id }) => id))
  const charged = (await listRows(world.database)).filter((row) => told.has(row.id) && row.charged !== 0n)
  violations.push(...charged.map((row) => `${row.id}: its client was told of no charge, and is charged ${row.charged}`))
  return violations
}
