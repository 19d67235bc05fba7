/**
 * Reports of 100,000 requests. An export over a real socket: its memory is that of a batch, its reader sets the pace, and
 * one who leaves ends it. A sum, and a search for what is not there: others get their turn meanwhile.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { exportJsonLines } from '../../src/control/request-export.ts'
import { listRequestPage } from '../../src/control/request-list.ts'
import { totalUsage } from '../../src/control/usage-total.ts'
import type { Database } from '../../src/store/database.ts'
import { allRequestsOf } from '../../src/store/request-list.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { fillBooks, MINE } from './books.ts'
import { NOW_MS, type Person, startWorld, type World } from './world.ts'

const REQUESTS = 100_000
/** Two of three belong to the workspace that exports. */
const LEAST_ROWS = 60_000
/** What is on its way between the two ends comes and goes; the whole export is several times as much. */
const MAX_GROWTH_BYTES = 16 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

function bytesInUse(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Memory once a tenth has gone by, and the most at any of the nine tenths after it. */
async function growthWhile(pieces: AsyncIterable<string | Buffer>, expectedBytes: number): Promise<number> {
  let bytes = 0
  let tenth = 0
  let first = 0
  let most = 0
  for await (const piece of pieces) {
    bytes += piece.length
    if (bytes < ((tenth + 1) * expectedBytes) / 10) continue
    tenth++
    const used = bytesInUse()
    if (tenth === 1) first = used
    most = Math.max(most, used)
  }
  assert.ok(tenth >= 9, `only ${bytes} bytes`)
  return most - first
}

/** Resolves once a count has stayed the same for a while. */
async function settled(count: () => number): Promise<number> {
  let last = -1
  for (let same = 0; same < 10; same++) {
    if (count() !== last) same = 0
    last = count()
    await delay(30)
  }
  return last
}

describe('reports of many requests', () => {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-export-'))
  let db: Database
  let batches = 0
  /** In all of an export. */
  let allBatches = 0

  before(async () => {
    const store = await openSqlite(join(directory, 'zendo.db'), { nowMs: 0 })
    await fillBooks(store, { requests: REQUESTS, seed: 1, plain: true })
    // As it is, and it counts how often a batch is read.
    const read: Database['read'] = (work) => {
      batches++
      return store.read(work)
    }
    db = { ...store, read }
    for await (const _ of exportJsonLines(db, allRequestsOf(MINE, null), NOW_MS));
    allBatches = batches
  })
  after(async () => {
    await db.close()
    rmSync(directory, { recursive: true, force: true })
  })

  function open(world: World, person: Person = 'admin'): Promise<IncomingMessage> {
    const headers = { authorization: `Bearer ${person}` }
    return new Promise((resolve, reject) => {
      get(`${world.url}/api/export`, { headers, agent: false }, resolve).on('error', reject)
    })
  }

  it('an export takes no more memory at its end than at its beginning', async (t) => {
    const world = await startWorld(t, db)
    let rows = 0
    const response = await open(world)
    async function* pieces(): AsyncGenerator<Buffer> {
      for await (const piece of response) {
        for (const byte of piece as Buffer) if (byte === 10) rows++
        yield piece as Buffer
      }
    }
    const growth = await growthWhile(pieces(), LEAST_ROWS * 1000)
    assert.ok(rows > LEAST_ROWS, `${rows} rows`)
    assert.ok(growth < MAX_GROWTH_BYTES, `grew by ${growth} bytes`)
  })

  it('an export that was kept whole would be seen to grow', async () => {
    const kept: string[] = []
    async function* pieces(): AsyncGenerator<string> {
      for await (const lines of exportJsonLines(db, allRequestsOf(MINE, null), NOW_MS)) {
        kept.push(lines)
        yield lines
      }
    }
    const growth = await growthWhile(pieces(), LEAST_ROWS * 1000)
    assert.ok(growth > 3 * MAX_GROWTH_BYTES, `grew by ${growth} bytes only`)
  })

  it('an export waits for its reader, and then goes on to the end', async (t) => {
    const world = await startWorld(t, db)
    batches = 0
    const response = await open(world)
    response.pause()
    const waiting = await settled(() => batches)
    assert.ok(waiting > 0 && waiting < allBatches / 2, `${waiting} of ${allBatches} batches`)
    let tail = ''
    for await (const piece of response) tail = (tail + String(piece)).slice(-500)
    assert.match(tail, /\n\{"type":"end",[^\n]*\}\n$/)
    assert.ok(batches >= allBatches)
  })

  it('an export ends when its reader leaves', async (t) => {
    const world = await startWorld(t, db)
    batches = 0
    const response = await open(world)
    await new Promise((resolve) => response.once('data', resolve))
    response.destroy()
    const read = await settled(() => batches)
    assert.ok(read < allBatches / 2, `${read} of ${allBatches} batches`)
    assert.deepEqual(world.failures, [])
  })

  it('an export is one of two at once; the next is told when to come back, and other workspaces do not wait', async (t) => {
    const world = await startWorld(t, db)
    const running = [await open(world), await open(world)]
    for (const response of running) response.pause()
    const refused = await world.fetch('/api/export')
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '10'])
    const other = await open(world, 'stranger')
    assert.equal(other.statusCode, 200)
    other.destroy()
    running[0]?.destroy()
    let next = refused
    while (next.status === 429) {
      await delay(20)
      next = await world.fetch('/api/export?until=1')
    }
    assert.equal(next.status, 200)
    running[1]?.destroy()
  })

  it('an export is cut off where the database fails in its middle, and refused where it fails at once', async (t) => {
    let left = 5
    const failing: Database = {
      ...db,
      read(work) {
        if (left-- === 0) throw new Error('the disk is gone')
        return db.read(work)
      },
    }
    const world = await startWorld(t, failing)
    const response = await open(world)
    await assert.rejects(async () => {
      for await (const piece of response) assert.ok(!String(piece).includes('"type":"end"'))
    }, /aborted/)
    assert.equal(world.failures.length, 1)
    left = 0
    assert.equal((await world.fetch('/api/export')).status, 500)
  })
  it('sums and searches leave everybody else their turn', async () => {
    const filter = allRequestsOf(MINE, null)
    const works = [
      () => totalUsage(db, { filter, by: ['day'], zone: 'UTC' }),
      () => listRequestPage(db, { ...filter, session: 'none' }, { limit: 50 }),
    ]
    for (const work of works) {
      let turns = 0
      const counting = setInterval(() => turns++, 0)
      await work()
      clearInterval(counting)
      assert.ok(turns > 20, `${turns} turns`)
    }
  })
})
