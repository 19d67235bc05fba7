/** For tests: an instance on a real database, and requests that leave the rows the gateway leaves. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { asTokenPrice, minUsd, type NanoUsd, parseUsd, WEIGHT_ONE, ZERO_USD } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import { NO_USAGE, type Usage } from '../base/usage.ts'
import type { Funding } from '../base/words.ts'
import { hashKey } from '../domain/api-key.ts'
import type { Plan, Price } from '../domain/catalog.ts'
import { CHARGE_POLICY_VERSION, chargeRuleOf, type Outcome } from '../domain/charge-policy.ts'
import { type HoldSize, NOTHING_TO_HOLD } from '../domain/hold-size.ts'
import { chargeForUsage } from '../domain/price.ts'
import type { EndCommand, EndResult, HoldCommand, HoldResult, Source } from '../ledger/command.ts'
import { runCommands } from '../ledger/transaction.ts'
import { loadBalance } from '../store/account.ts'
import type { Database, Sql } from '../store/database.ts'
import { type KeyOwner, loadKeyOwner } from '../store/key.ts'
import { listMetersOf } from '../store/meter.ts'
import { insertNode } from '../store/node.ts'
import { openDatabase } from '../store/open-database.ts'
import { savePriceVersions } from '../store/price-version.ts'
import type { Acting } from './acting.ts'
import { databasePath, ensureInstanceSecrets } from './instance.ts'
import { deriveSecrets } from './key-encryption.ts'
import { type Setup, setUpInstance } from './setup.ts'

/** Friday noon. */
export const NOON_MS = Date.UTC(2026, 10, 20, 12)

export const GO_PLAN: Plan = {
  id: 'go',
  price: parseUsd(10),
  interval: 'month',
  products: ['go'],
  windows: [
    { name: '5 hour', kind: 'session', lengthMs: 5 * HOUR_MS, unit: null, limit: parseUsd(12) },
    { name: 'weekly', kind: 'calendar', lengthMs: 0, unit: 'week', limit: parseUsd(30) },
    { name: 'monthly', kind: 'anchored', lengthMs: 0, unit: 'month', limit: parseUsd(60) },
  ],
}
export const PLANS: ReadonlyMap<string, Plan> = new Map([['go', GO_PLAN]])

/** Rates whose products need rounding, and a tier above 1,000 prompt tokens. */
export const PRICE: Price = {
  version: 'glm-5.2@1',
  base: ratesOf(['1.40', '4.40', '0.260000003', '1.75', '2.80']),
  tiers: [{ above: 1000, ...ratesOf(['2.80', '8.80', '0.52', '3.50', '5.60']) }],
}

function ratesOf(dollars: readonly [string, string, string, string, string]) {
  const [input, output, cachedRead, cacheWrite5m, cacheWrite1h] = dollars
  return {
    input: parseUsd(input),
    output: parseUsd(output),
    cachedRead: parseUsd(cachedRead),
    cacheWrite5m: parseUsd(cacheWrite5m),
    cacheWrite1h: parseUsd(cacheWrite1h),
  }
}

/** In the name of whoever may run commands, where it does not matter whether the audit log can be verified. */
export function testActing(nowMs = NOON_MS): Acting {
  return { actor: { kind: 'shell', id: null }, nowMs, requestId: null, trailKey: 'a trail key', randomBytes }
}

export interface TestInstance {
  readonly db: Database
  readonly dataDir: string
  readonly setup: Extract<Setup, { created: true }>
}

const NOBODY_TOLD = { receivers: () => [] }

/** Stands on the requests of samples. */
export const TEST_NODE = 'node_test'

/** Set up in a directory of its own, which the end of the test removes. */
export async function createTestInstance(t: TestContext, nowMs = NOON_MS): Promise<TestInstance> {
  const dataDir = mkdtempSync(join(tmpdir(), 'zendo-control-'))
  const db = await openDatabase({ path: databasePath(dataDir) }, { nowMs })
  t.after(async () => {
    await db.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return await setUpTestInstance(db, { dataDir, nowMs })
}

/** The same on a database that the test has opened, of either engine, and closes. It must be empty. */
export async function setUpTestInstance(
  db: Database,
  { dataDir, nowMs = NOON_MS }: { readonly dataDir: string; readonly nowMs?: number },
): Promise<TestInstance> {
  const { trailKey } = deriveSecrets([ensureInstanceSecrets(dataDir, randomBytes).addressSalt])
  const setup = await setUpInstance(db, { nowMs, randomBytes, trailKey, dataDir })
  if (!setup.created) throw new Error('the database was not empty')
  await db.write(async (sql) => {
    await insertNode(sql, { id: TEST_NODE, place: dataDir }, nowMs)
    await savePriceVersions(sql, [PRICE], nowMs)
  })
  return { db, dataDir, setup }
}

/** The seat of the first start, as `switchUseBalance` is told which. */
export function ofFirstSeat({ setup: { workspace, seatId } }: TestInstance) {
  return { workspaceId: workspace.id, seatId, ownerId: null }
}

export interface SampleRequest {
  readonly id: string
  /** `plan` is the seat of the first start, `balance` is under the caps that are set. */
  readonly funding: Funding
  readonly atMs?: number
  readonly hold?: NanoUsd
  readonly weightPpm?: bigint
  /** In place of those of `GO_PLAN`. */
  readonly windows?: Plan['windows']
  /** As of a seat that may use the balance: it is asked when the plan has no room. */
  readonly orBalance?: boolean
}

/** Holds what a request may cost, as an admission does. @throws Error when a limit refuses it. */
export async function holdSample(instance: TestInstance, sample: SampleRequest): Promise<void> {
  const result = await tryHoldSample(instance, sample)
  if (result.ok) return
  const { refusal } = result
  throw new Error(refusal.kind === 'limit' ? `${refusal.limit.name} refuses ${sample.id}` : refusal.kind)
}

/** The same, and what the ledger says of it. */
export async function tryHoldSample(instance: TestInstance, sample: SampleRequest): Promise<HoldResult> {
  const { db, setup } = instance
  const owner = await loadKeyOwner(db, hashKey(setup.key))
  if (!owner) throw new Error('the first key is gone')
  const command = holdCommandOf(setup, owner, sample)
  const [result] = await db.write((sql) => runCommands(sql, [command], NOBODY_TOLD), { opensLedger: true })
  if (typeof result !== 'object' || !('ok' in result)) throw new Error('a hold was not answered as one')
  return result
}

function holdCommandOf(setup: TestInstance['setup'], owner: KeyOwner, sample: SampleRequest): HoldCommand {
  const { id, funding, atMs = NOON_MS, weightPpm = WEIGHT_ONE } = sample
  const isFree = funding === 'free'
  return {
    kind: 'hold',
    request: {
      ...{ id, weightPpm, createdAtMs: atMs, nodeId: TEST_NODE, workspaceId: owner.workspaceId },
      ...{ accountId: owner.balanceId, memberId: owner.memberId, keyId: owner.keyId },
      ...{ session: null, tags: null, stream: true, provider: 'acme', idempotencyKey: null, bodyDigest: null },
      product: funding === 'plan' ? 'go' : 'zen',
      protocol: 'openai-chat',
      model: isFree ? 'big-pickle' : 'glm-5.2',
      priceVersion: isFree ? null : PRICE.version,
    },
    sources: [sourceOf(setup, owner, sample), ...(sample.orBalance ? [{ kind: 'balance' as const }] : [])],
    caps: owner.caps,
    calendar: owner,
    size: isFree ? NOTHING_TO_HOLD : sizeOf(sample.hold ?? DEFAULT_HOLD),
    anonymous: null,
  }
}

const DEFAULT_HOLD = parseUsd(1)

function sourceOf({ seatId }: TestInstance['setup'], owner: KeyOwner, { funding, windows }: SampleRequest): Source {
  if (funding !== 'plan') return { kind: funding }
  const anchorMs = owner.seats.find(({ id }) => id === seatId)?.startedAtMs ?? NOON_MS
  return { kind: 'plan', seatId, anchorMs, windows: windows ?? GO_PLAN.windows }
}

/** All of it, or nothing. */
function sizeOf(hold: NanoUsd): HoldSize {
  return { prompt: asTokenPrice(hold), outputRate: ZERO_USD, output: 0, leastOutput: 0, slice: null }
}

export interface SampleEnd {
  readonly usage?: Usage
  readonly outcome?: Outcome
}

/** Ends a held request as a settlement does; `complete` with the given usage when nothing else is said. */
export async function endSample(
  { db, setup }: TestInstance,
  sample: SampleRequest,
  end: SampleEnd = {},
): Promise<EndResult> {
  return await db.write(
    async (sql) => {
      const command = await endCommandOf(sql, setup, sample, end)
      const [result] = await runCommands(sql, [command], NOBODY_TOLD)
      if (typeof result !== 'object' || !('kind' in result)) throw new Error('an end was not answered as one')
      return result
    },
    { opensLedger: true },
  )
}

async function endCommandOf(
  sql: Sql,
  setup: TestInstance['setup'],
  sample: SampleRequest,
  { usage = NO_USAGE, outcome = 'complete' }: SampleEnd,
): Promise<EndCommand> {
  const { id, funding, atMs = NOON_MS, weightPpm = WEIGHT_ONE, hold = DEFAULT_HOLD } = sample
  const workspaceId = setup.workspace.id
  const accountId = await balanceIdOf(sql, workspaceId)
  const isSettled = chargeRuleOf(outcome) !== 'nothing'
  const cost = isSettled && funding !== 'free' ? chargeForUsage(PRICE, usage) : ZERO_USD
  return {
    kind: 'end',
    holding: { requestId: id, workspaceId, accountId, funding, weightPpm, meters: await listMetersOf(sql, id) },
    end: {
      ...{ id, cost, charged: minUsd(cost, hold), outcome, usage, estimated: false },
      ...{ endedBy: TEST_NODE, policyVersion: CHARGE_POLICY_VERSION, status: 200, errorCode: null },
      ...{ provider: 'acme', upstreamId: null, upstreamProtocol: 'openai-chat', warnings: null },
      ...{ firstByteAtMs: atMs + 200, endedAtMs: atMs + 1000 },
      state: isSettled ? 'settled' : 'released',
      attempts: [{ provider: 'acme', status: 200, outcome, startedAtMs: atMs, endedAtMs: atMs + 1000 }],
    },
  }
}

export async function balanceIdOf(sql: Sql, workspaceId: string): Promise<string> {
  const balance = await loadBalance(sql, workspaceId)
  if (!balance) throw new Error(`${workspaceId} has no balance`)
  return balance.id
}
