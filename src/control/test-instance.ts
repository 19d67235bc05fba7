/** For tests: an instance on a real database file, and requests that leave the rows the gateway leaves. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { minUsd, type NanoUsd, nanoUsd, parseUsd, WEIGHT_ONE, weighUsd, ZERO_USD } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import { NO_USAGE, type Usage } from '../base/usage.ts'
import type { Funding } from '../base/words.ts'
import type { Plan, Price } from '../domain/catalog.ts'
import { CHARGE_POLICY_VERSION, chargeRuleOf, type Outcome } from '../domain/charge-policy.ts'
import { chargeForUsage } from '../domain/price.ts'
import { type Entry, holdBalance, loadBalance, postTransfer, releaseBalance } from '../store/account.ts'
import { loadCurrentWindows } from '../store/current-window.ts'
import { type Database, openDatabase } from '../store/database.ts'
import { savePriceVersions } from '../store/price-version.ts'
import { endRequest, insertHeldRequest } from '../store/request.ts'
import { writeTransaction } from '../store/transaction.ts'
import { holdWindow, openWindow, settleWindows } from '../store/window.ts'
import { databasePath } from './instance.ts'
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

export interface TestInstance {
  readonly db: Database
  readonly dataDir: string
  readonly setup: Extract<Setup, { created: true }>
}

/** Set up in a directory of its own, which the end of the test removes. */
export function createTestInstance(t: TestContext, nowMs = NOON_MS): TestInstance {
  const dataDir = mkdtempSync(join(tmpdir(), 'zendo-control-'))
  const db = openDatabase(databasePath(dataDir), { nowMs })
  t.after(() => {
    db.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const setup = setUpInstance(db, { nowMs, randomBytes, dataDir })
  if (!setup.created) throw new Error('the database was not empty')
  savePriceVersions(db, [PRICE], nowMs)
  return { db, dataDir, setup }
}

export interface SampleRequest {
  readonly id: string
  readonly funding: Funding
  readonly atMs?: number
  readonly hold?: NanoUsd
  readonly weightPpm?: bigint
}

/** Holds what a request may cost, as an admission does. */
export function holdSample({ db, setup }: TestInstance, sample: SampleRequest): void {
  const { id, funding, atMs = NOON_MS, weightPpm = WEIGHT_ONE } = sample
  const hold = funding === 'free' ? ZERO_USD : (sample.hold ?? parseUsd(1))
  writeTransaction(db, () => {
    if (funding === 'balance' && !holdBalance(db, balanceIdOf(db, setup.workspace.id), hold))
      throw new Error('no money')
    if (funding === 'plan')
      holdWindows(db, { id: setup.seatId, startedAtMs: NOON_MS }, id, weighUsd(hold, weightPpm), atMs)
    insertHeldRequest(db, {
      ...{ id, funding, hold, weightPpm, createdAtMs: atMs, stream: true, session: null },
      ...{ workspaceId: setup.workspace.id, memberId: setup.memberId, keyId: setup.keyId },
      seatId: funding === 'plan' ? setup.seatId : null,
      product: funding === 'plan' ? 'go' : 'zen',
      protocol: 'openai-chat',
      model: funding === 'free' ? 'big-pickle' : 'glm-5.2',
      priceVersion: funding === 'free' ? null : PRICE.version,
    })
  })
}

function holdWindows(
  db: Database,
  seat: { id: string; startedAtMs: number },
  requestId: string,
  amount: NanoUsd,
  atMs: number,
): void {
  for (const window of loadCurrentWindows(db, seat, GO_PLAN, atMs)) {
    const { name, kind, limit } = window.spec
    const windowId = window.id ?? openWindow(db, { seatId: seat.id, name, kind, bounds: window, limit })
    if (!holdWindow(db, windowId, requestId, amount, limit)) throw new Error(`${name} is full`)
  }
}

export interface SampleEnd {
  readonly usage?: Usage
  readonly outcome?: Outcome
}

/** Ends a held request as a settlement does; `complete` with the given usage when nothing else is said. */
export function endSample({ db, setup }: TestInstance, sample: SampleRequest, end: SampleEnd = {}): void {
  const { id, funding, atMs = NOON_MS, weightPpm = WEIGHT_ONE } = sample
  const { usage = NO_USAGE, outcome = 'complete' } = end
  const hold = funding === 'free' ? ZERO_USD : (sample.hold ?? parseUsd(1))
  const settled = chargeRuleOf(outcome) !== 'nothing'
  const cost = settled && funding !== 'free' ? chargeForUsage(PRICE, usage) : ZERO_USD
  const charged = minUsd(cost, hold)
  writeTransaction(db, () => {
    endRequest(db, {
      ...{ id, cost, charged, outcome, usage, policyVersion: CHARGE_POLICY_VERSION, estimated: false },
      ...{ status: 200, errorCode: null, provider: 'acme', upstreamId: null, firstByteAtMs: atMs + 200 },
      ...{ upstreamProtocol: 'openai-chat', warnings: null },
      state: settled ? 'settled' : 'released',
      attempts: [{ provider: 'acme', status: 200, outcome, startedAtMs: atMs, endedAtMs: atMs + 1000 }],
      endedAtMs: atMs + 1000,
    })
    if (funding === 'plan') settleWindows(db, id, weighUsd(hold, weightPpm), weighUsd(charged, weightPpm))
    if (funding === 'balance') postSample(db, balanceIdOf(db, setup.workspace.id), { id, hold, cost, charged, atMs })
  })
}

function postSample(
  db: Database,
  balanceId: string,
  end: { id: string; hold: NanoUsd; cost: NanoUsd; charged: NanoUsd; atMs: number },
): void {
  const { id, hold, cost, charged, atMs } = end
  releaseBalance(db, balanceId, hold)
  if (cost === 0n) return
  const entries: Entry[] = [
    { accountId: balanceId, amount: nanoUsd(-charged) },
    { accountId: 'usage_revenue', amount: cost },
  ]
  if (cost > charged) entries.push({ accountId: 'write_off', amount: nanoUsd(charged - cost) })
  postTransfer(db, { id: `s:${id}`, kind: 'settlement', atMs, entries })
}

export function balanceIdOf(db: Database, workspaceId: string): string {
  const balance = loadBalance(db, workspaceId)
  if (!balance) throw new Error(`${workspaceId} has no balance`)
  return balance.id
}
