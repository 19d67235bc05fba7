/**
 * `GET /api/usage`: sums by any sides are the sums of the rows, the same on both engines, and what the ledger and the
 * meters have. The oracle groups the raw rows by itself, and asks ICU instead of Temporal what a zone's clocks show.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { UsageTotal, UsageTotals } from '../../src/control/usage-total.ts'
import { parseTags } from '../../src/domain/tags.ts'
import type { Database } from '../../src/store/database.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { fillBooks, MEMBER, MINE, randomFrom, SINCE_MS } from './books.ts'
import { startWorld, type World } from './world.ts'

const SIDES = ['hour', 'day', 'key', 'member', 'model', 'session', 'tag', 'tag:team', 'product', 'funding', 'provider']
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'Asia/Kathmandu',
  'America/St_Johns',
  'Pacific/Kiritimati',
  'Australia/Lord_Howe',
]

async function createWorld(t: TestContext, engine: TestEngine): Promise<World & { readonly db: Database }> {
  const db = await engine.openDatabase(t)
  await fillBooks(db, { requests: 1200, seed: 8 })
  return { ...(await startWorld(t, db)), db }
}

interface Row {
  readonly [column: string]: string | bigint | null
}

/** What the oracle adds up. */
type Sums = Record<'requests' | 'input' | 'output' | 'balance' | 'plan' | 'counted' | 'estimated', bigint>

const NOTHING: Sums = { requests: 0n, input: 0n, output: 0n, balance: 0n, plan: 0n, counted: 0n, estimated: 0n }

async function readRows(db: Database): Promise<Row[]> {
  return await db.all<Row>(
    "SELECT r.*, (SELECT c.counted FROM request_meter c WHERE c.request_id = r.id AND c.meter_id LIKE '%weekly') AS weekly" +
      " FROM request r WHERE r.workspace_id = ? AND r.state <> 'held'",
    MINE,
  )
}

function labelOf(row: Row, side: string, zone: string): string | null {
  const text = (column: string): string | null => row[column] as string | null
  if (side === 'hour' || side === 'day') return wallClock(zone, Number(row.created_at), side)
  if (side === 'key' || side === 'member') return text(`${side}_id`)
  const tags = parseTags(text('tags'))
  if (side === 'tag') return tags.length === 0 ? null : tags.join(',')
  if (side === 'tag:team') return tags.find((tag) => tag.startsWith('team='))?.slice(5) ?? null
  return text(side)
}

const formats = new Map(
  ZONES.map((zone) => {
    const fields = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit' } as const
    const format = new Intl.DateTimeFormat('en', {
      timeZone: zone,
      hourCycle: 'h23',
      ...fields,
      timeZoneName: 'longOffset',
    })
    return [zone, format]
  }),
)

function wallClock(zone: string, atMs: number, side: 'hour' | 'day'): string {
  const format = formats.get(zone)
  assert.ok(format)
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]))
  const day = `${parts.year}-${parts.month}-${parts.day}`
  const offset = parts.timeZoneName === 'GMT' ? '+00:00' : parts.timeZoneName?.replace('GMT', '')
  return side === 'day' ? day : `${day}T${parts.hour}:00${offset}`
}

function addRow(sums: Sums, row: Row): Sums {
  const count = (column: string): bigint => (row.state === 'settled' ? BigInt(row[column] ?? 0) : 0n)
  const paid = (funding: string): bigint => (row.funding === funding ? BigInt(row.charged ?? 0) : 0n)
  return {
    requests: sums.requests + 1n,
    input: sums.input + count('input_tokens'),
    output: sums.output + count('output_tokens'),
    balance: sums.balance + paid('balance'),
    plan: sums.plan + paid('plan'),
    counted: sums.counted + BigInt(row.weekly ?? 0),
    estimated: sums.estimated + count('estimated'),
  }
}

function sumsOf(total: UsageTotal): Sums {
  return {
    requests: BigInt(total.requests),
    input: BigInt(total.tokens.input),
    output: BigInt(total.tokens.output),
    balance: BigInt(total.balance_nano),
    plan: BigInt(total.plan_nano),
    counted: BigInt(total.counted_nano),
    estimated: BigInt(total.estimated),
  }
}

function groupRows(rows: readonly Row[], by: readonly string[], zone: string): Map<string, Sums> {
  const groups = new Map<string, Sums>()
  for (const row of rows) {
    const key = JSON.stringify(by.map((side) => labelOf(row, side, zone)))
    groups.set(key, addRow(groups.get(key) ?? NOTHING, row))
  }
  return groups
}

function shownGroups({ rows, by }: UsageTotals): Map<string, Sums> {
  const entries = rows.map((row) => [JSON.stringify(by.map((side) => row[side])), sumsOf(row)] as const)
  assert.equal(new Map(entries).size, rows.length, 'a group stands twice')
  return new Map(entries)
}

function ask(world: World, by: readonly string[], zone: string, more = ''): Promise<UsageTotals> {
  return world.get<UsageTotals>(`/api/usage?by=${by.join(',')}&zone=${encodeURIComponent(zone)}${more}`)
}

/** The same on each engine, which the second run checks. */
const seen = new Map<string, string>()

forEachEngine((engine) => {
  describe('sums of usage', () => {
    it('by any one, two or three sides are what the rows make, in every zone', async (t) => {
      const world = await createWorld(t, engine)
      const rows = await readRows(world.db)
      const random = randomFrom(17)
      for (let round = 0; round < 60; round++) {
        const shuffled = [...SIDES].sort(() => random() - 0.5)
        const by = shuffled.slice(0, 1 + (round % 3))
        const zone = ZONES[round % ZONES.length] as string
        const totals = await ask(world, by, zone)
        assert.deepEqual(shownGroups(totals), groupRows(rows, by, zone), `${by} in ${zone}`)
        assert.deepEqual(sumsOf(totals.total), rows.reduce(addRow, NOTHING))
      }
    })

    it('are the same on both engines, to the last byte', async (t) => {
      const world = await createWorld(t, engine)
      for (const by of [['day', 'model'], ['hour'], ['session', 'tag', 'provider']]) {
        const text = JSON.stringify(await ask(world, by, 'Europe/Berlin'))
        const before = seen.get(by.join()) ?? text
        seen.set(by.join(), text)
        // The ids of requests are drawn anew, and so is nothing that is summed.
        assert.equal(text, before)
      }
    })

    it('by whatever sides have one total, and it is that of the ledger and of the meters', async (t) => {
      const world = await createWorld(t, engine)
      const totals: UsageTotal[] = []
      for (const side of SIDES) totals.push((await ask(world, [side], 'Asia/Kathmandu')).total)
      for (const total of totals) assert.deepEqual(total, totals[0])
      const ledger = await world.db.get<{ spent: bigint }>(
        "SELECT -SUM(e.amount) AS spent FROM entry e JOIN transfer t ON t.id = e.transfer_id WHERE e.account_id = ? AND t.kind = 'settlement'",
        `acc_${MINE}`,
      )
      const meters = await world.db.get<{ settled: bigint }>(
        "SELECT SUM(settled) AS settled FROM meter WHERE workspace_id = ? AND scope = 'seat' AND name = 'weekly'",
        MINE,
      )
      const lost = await world.db.get<{ lost: bigint }>(
        "SELECT SUM(r.cost - r.charged) AS lost FROM request r WHERE r.workspace_id = ? AND r.state <> 'held'",
        MINE,
      )
      assert.equal(totals[0]?.balance_nano, String(ledger?.spent))
      assert.equal(totals[0]?.counted_nano, String(meters?.settled))
      assert.equal(totals[0]?.written_off_nano, String(lost?.lost))
      assert.ok(BigInt(totals[0]?.written_off_nano ?? 0) > 0n)
    })

    it('have 25 hours on the day on which the clocks go back, in the order of time', async (t) => {
      const world = await createWorld(t, engine)
      const day = '&since=2026-10-24T22:00:00Z&until=2026-10-25T23:00:00Z'
      const { rows } = await ask(world, ['hour'], 'Europe/Berlin', day)
      const hours = rows.map(({ hour }) => `${hour}`)
      assert.equal(hours.length, 25)
      assert.deepEqual(hours.slice(1, 4), [
        '2026-10-25T01:00+02:00',
        '2026-10-25T02:00+02:00',
        '2026-10-25T02:00+01:00',
      ])
      const byDay = await ask(world, ['day'], 'Europe/Berlin', day)
      assert.deepEqual(
        byDay.rows.map((row) => row.day),
        ['2026-10-25'],
      )
      assert.deepEqual(byDay.total, (await ask(world, ['hour'], 'Europe/Berlin', day)).total)
    })

    it('of a filter are sums of what it lets through', async (t) => {
      const world = await createWorld(t, engine)
      const rows = (await readRows(world.db)).filter(
        ({ model, created_at }) => model === 'glm-5.2' && Number(created_at) >= SINCE_MS + 1e8,
      )
      const totals = await ask(world, ['key'], 'UTC', `&model=glm-5.2&since=${SINCE_MS + 1e8}`)
      assert.deepEqual(shownGroups(totals), groupRows(rows, ['key'], 'UTC'))
    })

    it("are by the workspace's zone and by day when nothing is said", async (t) => {
      const world = await createWorld(t, engine)
      const totals = await world.get<UsageTotals>('/api/usage')
      assert.deepEqual(totals, await ask(world, ['day'], 'Europe/Berlin'))
      assert.equal(totals.workspaceID, MINE)
    })

    it("of a member are its own, and a stranger's none of them", async (t) => {
      const world = await createWorld(t, engine)
      const rows = (await readRows(world.db)).filter((row) => row.member_id === MEMBER.memberId)
      const own = await world.get<UsageTotals>('/api/usage?by=member', 'member')
      assert.deepEqual(shownGroups(own), groupRows(rows, ['member'], 'UTC'))
      const others = await world.get<UsageTotals>('/api/usage?by=member', 'stranger')
      assert.deepEqual(
        others.rows.map(({ member }) => member),
        ['mem_stranger'],
      )
      assert.equal((await world.get<UsageTotals>('/api/usage?member=mem_admin', 'member')).total.requests, 0)
      const agents = await world.get<UsageTotals>('/api/usage?by=member', 'agent')
      assert.deepEqual(
        agents.rows.map(({ member }) => member),
        ['mem_admin'],
        "an admin's key for inference alone",
      )
    })

    it('do not include what is under way', async (t) => {
      const world = await createWorld(t, engine)
      assert.equal((await world.get<UsageTotals>('/api/usage?state=held')).total.requests, 0)
    })

    it('are refused by sides, zones and parameters that are none, and by too many groups', async (t) => {
      const world = await createWorld(t, engine)
      for (const [query, name] of [
        ['by=moon', 'by'],
        ['by=day,key,model,member', 'by'],
        ['zone=Mars/Olympus', 'zone'],
        ['zone=%2B05:30', 'zone'],
        ['group=day', 'group'],
      ] as const) {
        const { status, param } = await world.refusal(`/api/usage?${query}`)
        assert.deepEqual([status, param], [400, name], query)
      }
      await world.db.write(async (sql) => {
        await sql.runEach(
          "INSERT INTO request (id, workspace_id, session, product, protocol, model, stream, funding, state, weight_ppm, hold, cost, charged, created_at) VALUES (?, ?, ?, 'zen', 'openai-chat', 'm', 1, 'free', 'settled', 1, 0, 0, 0, 1)",
          Array.from({ length: 10_001 }, (_, n) => [`req_many${n}`, MINE, `many${n}`]),
        )
      })
      const refusal = await world.refusal('/api/usage?by=session')
      assert.deepEqual([refusal.status, refusal.param], [400, 'by'])
      assert.match(refusal.message, /10000/)
      assert.deepEqual(world.failures, [])
    })
  })
})
