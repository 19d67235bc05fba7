/**
 * The meter never disagrees with itself: random requests go through the gateway's own admission and settlement, and
 * what the usage report, the totals and the rows say is compared with a list of charges that this test keeps itself.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import pino from 'pino'
import { AppError } from '../src/base/errors.ts'
import { newId } from '../src/base/ids.ts'
import { nanoUsd } from '../src/base/money.ts'
import { createSealer } from '../src/base/seal.ts'
import { MINUTE_MS } from '../src/base/time.ts'
import type { Funding } from '../src/base/words.ts'
import { auditLedger } from '../src/control/audit.ts'
import { grantCredit } from '../src/control/credit.ts'
import { recordPrices } from '../src/control/price-book.ts'
import { switchUseBalance } from '../src/control/seat-assignment.ts'
import {
  createTestInstance,
  NOON_MS,
  ofFirstSeat,
  type TestInstance,
  testActing,
} from '../src/control/test-instance.ts'
import { reportUsage } from '../src/control/usage.ts'
import { explainRequest } from '../src/control/usage-explain.ts'
import { totalUsage } from '../src/control/usage-total.ts'
import { hashKey } from '../src/domain/api-key.ts'
import { BUILT_IN_CATALOG } from '../src/domain/built-in-catalog.ts'
import type { Catalog } from '../src/domain/catalog.ts'
import { buildCatalog } from '../src/domain/catalog-build.ts'
import { OUTCOMES } from '../src/domain/charge-policy.ts'
import { parseConfig } from '../src/domain/config-parse.ts'
import { type Admission, admit } from '../src/gateway/admission.ts'
import { readCall } from '../src/gateway/call.ts'
import { createDrains } from '../src/gateway/drains.ts'
import type { Gateway } from '../src/gateway/gateway.ts'
import { createKeyCache } from '../src/gateway/key-cache.ts'
import { createOperatorEvents } from '../src/gateway/operator-events.ts'
import { createOwnKeys } from '../src/gateway/own-keys.ts'
import { settle } from '../src/gateway/settlement.ts'
import { createThoughtStore } from '../src/gateway/thought-store.ts'
import { createTraffic } from '../src/gateway/traffic.ts'
import { createUnderWay } from '../src/gateway/under-way.ts'
import { createLedger } from '../src/ledger/ledger.ts'
import { recoverPlaces } from '../src/ledger/node.ts'
import { loadKeyOwner } from '../src/store/key.ts'
import { insertNode } from '../src/store/node.ts'
import { allRequestsOf } from '../src/store/request-list.ts'
import { createUpstreamClient, type UpstreamClient } from '../src/upstream/client.ts'
import { pickInteger, type Random, randomFor } from './captures/random.ts'

const REQUESTS = 10_000
const AT_ONCE = 40
const SEED = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Weighted, promotional, tiered and free models; prices that never divide evenly. */
const CONFIG = JSON.stringify({
  models: Object.fromEntries([
    model('plain', { price: { input: 1.4, output: 4.4, cachedRead: 0.26 } }),
    model('odd', { price: { input: '0.123456789', output: '7.000000001', cachedRead: '0.000000001' } }),
    model('heavy', { price: { input: 3, output: 15, cacheWrite5m: 3.75, cacheWrite1h: 6 }, weight: { go: 4 } }),
    model('promo', { price: { input: 1, output: 2 }, weight: { go: '0.333333' } }),
    model('tiered', {
      price: { input: 1, output: 2, tiers: [{ above: 2000, input: 2, output: 3 }] },
      weight: { go: 1.5 },
    }),
    model('gratis', { free: true }),
  ]),
})
const MODELS = ['plain', 'odd', 'heavy', 'promo', 'tiered', 'gratis'] as const

function model(id: string, more: object): [string, object] {
  return [
    id,
    {
      products: ['zen', 'go'],
      context: 20_000,
      maxOutput: 30_000,
      routes: [{ provider: 'sim', model: 'sim/echo' }],
      ...more,
    },
  ]
}

function createCatalog(): Catalog {
  const parsed = parseConfig(CONFIG, 'zendo.jsonc')
  assert.ok(parsed.ok, JSON.stringify(parsed))
  return buildCatalog(BUILT_IN_CATALOG, parsed.config, new Map(), { simulatedBaseUrl: 'http://127.0.0.1:9/v1' })
}

/** A charge as this test saw it happen. */
interface Charged {
  readonly id: string
  readonly funding: Funding
  readonly admittedAtMs: number
  readonly charged: bigint
  readonly weightPpm: bigint
}

/** What is there however often the process dies. */
interface World {
  readonly instance: TestInstance
  readonly catalog: Catalog
  readonly upstream: UpstreamClient
  readonly time: { nowMs: number }
}

interface Rehearsal extends World {
  readonly random: Random
  readonly charges: Charged[]
  /** The process that runs now. */
  gateway: Gateway
  granted: bigint
  refused: number
  clamped: number
  crashes: number
}

async function createRehearsal(t: TestContext): Promise<Rehearsal> {
  const instance = await createTestInstance(t)
  const catalog = createCatalog()
  await recordPrices(instance.db, catalog, NOON_MS)
  const upstream = createUpstreamClient()
  t.after(() => upstream.close())
  const world: World = { instance, catalog, upstream, time: { nowMs: NOON_MS } }
  return {
    ...world,
    random: randomFor(SEED, 'meter'),
    charges: [],
    gateway: await startProcess(world),
    granted: 5_000_000_000n,
    refused: 0,
    clamped: 0,
    crashes: 0,
  }
}

/** What a process has of its own: a row that says it lives, and a ledger that knows what it holds. */
async function startProcess({ instance, catalog, upstream, time }: World): Promise<Gateway> {
  const { db } = instance
  const log = pino({ level: 'silent' })
  const clock = (): number => time.nowMs
  const id = newId('node', clock())
  await insertNode(db, { id, place: 'here#0' }, clock())
  return {
    catalog: () => catalog,
    database: db,
    ledger: createLedger({ database: db, spill: null, receivers: () => [], log }),
    node: { id },
    keys: createKeyCache(db),
    traffic: createTraffic({ limits: () => catalog.limits, share: 1, secret: 'salt', clock, log }),
    ownKeys: createOwnKeys({ sealer: createSealer(['k'.repeat(32)]), database: db, clock, log }),
    operatorEvents: createOperatorEvents({ database: db, webhooks: () => [], clock, log }),
    upstream,
    underWay: createUnderWay(),
    thoughts: createThoughtStore(),
    clock,
    log,
    addressSalt: 'salt',
    drains: createDrains(),
    drainMs: 0,
  }
}

interface Open {
  readonly admission: Admission
  readonly atMs: number
}

async function admitRandom(self: Rehearsal): Promise<Open | null> {
  const { random, gateway, instance } = self
  const { nowMs } = self.time
  const fields = { model: pick(random, MODELS), max_tokens: pickInteger(random, 1, 30_000), messages: [] }
  const body = Buffer.from(JSON.stringify({ ...fields, padding: 'x'.repeat(pickInteger(random, 0, 6000)) }))
  const call = readCall(gateway, {
    id: newId('req', nowMs),
    product: random() < 0.7 ? 'go' : 'zen',
    protocol: 'openai-chat',
    path: null,
    form: 'sse',
    body,
    owner: (await loadKeyOwner(instance.db, hashKey(instance.setup.key))) ?? null,
    address: '127.0.0.1',
    session: null,
    tags: null,
    idempotencyKey: null,
    forwardHeaders: [],
    strict: false,
    includeCost: false,
  })
  const size = { bytes: body.length, maxOutput: fields.max_tokens, smallestCap: 1 }
  try {
    const admission = await admit(gateway, call, size, 'sim')
    if (admission.clampedOutput !== null) self.clamped++
    return { admission, atMs: nowMs }
  } catch (error) {
    if (!(error instanceof AppError) || !['plan_limit', 'insufficient_balance'].includes(error.code)) throw error
    self.refused++
    return null
  }
}

async function settleRandom(self: Rehearsal, { admission, atMs }: Open): Promise<void> {
  const { random, gateway } = self
  const { nowMs } = self.time
  const { call, holding } = admission
  const tokens = (most: number) => (random() < 0.4 ? 0 : pickInteger(random, 0, most))
  // Now and then the upstream uses more than was asked for: the operator's loss, never the customer's.
  const most = random() < 0.02 ? 200_000 : 3000
  const output = tokens(most)
  const usage = {
    ...{ input: tokens(most), cachedRead: tokens(most), cacheWrite5m: tokens(500), cacheWrite1h: tokens(500) },
    ...{ output, reasoning: Math.floor(output / 2) },
  }
  const { charged } = await settle(gateway, admission, {
    outcome: random() < 0.7 ? 'complete' : pick(random, OUTCOMES),
    delivery: {
      usage: random() < 0.9 ? usage : null,
      usageIsFinal: random() < 0.9,
      promptEstimate: tokens(3000),
      deliveredTokens: tokens(3000),
    },
    ...{ status: 200, errorCode: null, provider: 'sim', upstreamId: null, firstByteAtMs: null },
    ...{ upstreamProtocol: 'openai-chat' as const, warnings: null },
    attempts: [{ provider: 'sim', status: 200, outcome: 'complete', startedAtMs: nowMs, endedAtMs: nowMs }],
  })
  self.charges.push({
    id: call.request.id,
    funding: holding.funding,
    admittedAtMs: atMs,
    charged,
    weightPpm: call.model.weightPpm,
  })
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)] as T
}

/** Some minutes pass; sometimes the operator changes something, or the process dies with requests under way. */
async function live(self: Rehearsal, open: Open[]): Promise<void> {
  const { random, instance, time } = self
  time.nowMs += pickInteger(random, 0, 20) * MINUTE_MS
  const acting = testActing(time.nowMs)
  if (random() < 0.3) await switchUseBalance(instance.db, acting, ofFirstSeat(instance), random() < 0.5)
  if (random() < 0.3) {
    const amount = nanoUsd(pickInteger(random, 1, 9_000_000_000))
    await grantCredit(instance.db, acting, { workspaceId: instance.setup.workspace.id, amount, note: '' })
    self.granted += amount
  }
  if (random() < 0.05) {
    open.length = 0
    await recoverPlaces(instance.db, { isOurs: () => true, spills: [] }, time.nowMs)
    self.gateway = await startProcess(self)
    self.crashes++
  }
}

/** Times the weight, to the nearest nano-dollar, halves up; written here once more. */
function weighed({ charged, weightPpm }: Charged): bigint {
  const doubled = 2n * charged * weightPpm + 1_000_000n
  return doubled / 2_000_000n
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n)

async function compare(self: Rehearsal, open: readonly Open[]): Promise<void> {
  const { instance, charges, gateway } = self
  const { nowMs } = self.time
  const { workspace, memberId } = instance.setup
  const report = await reportUsage(instance.db, gateway.catalog().plans, { workspaceId: workspace.id, memberId }, nowMs)
  const fromBalance = charges.filter(({ funding }) => funding === 'balance')
  const heldOf = (funding: string) => open.filter(({ admission }) => admission.holding.funding === funding)
  const spent = sum(fromBalance.map(({ charged }) => charged))
  const held = sum(heldOf('balance').map(({ admission }) => admission.hold))
  assert.equal(report.balance.posted_nano, String(self.granted - spent))
  assert.equal(report.balance.held_nano, String(held))
  assert.equal(report.balance.available_nano, String(self.granted - spent - held))

  const onPlan = charges.filter(({ funding }) => funding === 'plan')
  for (const window of report.seats[0]?.windows ?? []) {
    const from = window.starts_at === null ? Number.POSITIVE_INFINITY : Date.parse(window.starts_at)
    const to = window.resets_at === null ? 0 : Date.parse(window.resets_at)
    const within = onPlan.filter(({ admittedAtMs }) => admittedAtMs >= from && admittedAtMs < to)
    assert.equal(window.settled_nano, String(sum(within.map(weighed))), `${window.name} at ${report.as_of}`)
    assert.ok(BigInt(window.used_nano) <= BigInt(window.limit_nano), `${window.name} is above its limit`)
  }

  for (const by of ['day', 'model', 'key'] as const) {
    const { rows, total } = await totalUsage(instance.db, {
      filter: allRequestsOf(workspace.id, null),
      by: [by],
      zone: 'UTC',
    })
    assert.equal(total.balance_nano, String(spent))
    assert.equal(total.plan_nano, String(sum(onPlan.map(({ charged }) => charged))))
    assert.equal(total.counted_nano, String(sum(onPlan.map(weighed))))
    assert.equal(String(sum(rows.map((row) => BigInt(row.counted_nano)))), total.counted_nano)
  }
  assert.deepEqual((await auditLedger(instance.db, { nowMs })).differences, [])
}

async function compareExplanation(self: Rehearsal, charge: Charged): Promise<void> {
  const explained = await explainRequest(self.instance.db, charge.id)
  assert.equal(explained?.charged_nano, String(charge.charged))
  const counted = new Set(explained?.counted.map(({ counted_nano }) => counted_nano))
  assert.deepEqual(counted, new Set(charge.funding === 'plan' ? [String(weighed(charge))] : []))
}

describe('the meter', () => {
  const title = `${REQUESTS} random requests: report, totals, rows and charges agree to the nano-dollar (seed ${SEED})`
  it(title, { timeout: 300_000 }, async (t) => {
    const self = await createRehearsal(t)
    const open: Open[] = []
    for (let done = 0; done < REQUESTS; done += AT_ONCE) {
      const admitted = await Promise.all(Array.from({ length: AT_ONCE }, () => admitRandom(self)))
      open.push(...admitted.filter((one) => one !== null))
      await live(self, open)
      const ending = open.splice(0, pickInteger(self.random, 0, open.length))
      await Promise.all(ending.map((one) => settleRandom(self, one)))
      if (done % (25 * AT_ONCE) === 0) await compare(self, open)
    }
    await Promise.all(open.splice(0).map((one) => settleRandom(self, one)))
    await compare(self, open)
    for (const charge of self.charges.filter(() => self.random() < 0.1)) await compareExplanation(self, charge)
    const paid = (funding: string) => self.charges.filter((charge) => charge.funding === funding && charge.charged > 0n)
    const seen = [paid('plan').length, paid('balance').length, self.refused]
    const what = `${self.crashes} crashes, ${self.clamped} clamped, ${self.charges.length} settled, ${seen.join(', ')} on plan, on balance, refused`
    assert.ok(Math.min(...seen) > 100 && self.crashes > 0 && self.clamped > 0, `too little happened: ${what}`)
    t.diagnostic(what)
  })
})
