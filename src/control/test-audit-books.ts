/** For tests of the audit: books with a request of every kind, and a way to spoil them that leaves no trace. */
import { addUsd, asTokenPrice, type NanoUsd, parseUsd, WEIGHT_ONE } from '../base/money.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import type { WindowSpec } from '../domain/catalog.ts'
import { CHARGE_POLICY_VERSION } from '../domain/charge-policy.ts'
import { chargeForUsage } from '../domain/price.ts'
import { UTC_CALENDAR } from '../domain/window.ts'
import type { Command, HoldCommand, Holding } from '../ledger/command.ts'
import { releaseOf } from '../ledger/release.ts'
import { runCommands } from '../ledger/transaction.ts'
import { createBalance } from '../store/account.ts'
import type { Database } from '../store/database.ts'
import { listMetersOf } from '../store/meter.ts'
import { insertWorkspace } from '../store/workspace.ts'
import { setCap } from './cap.ts'
import { grantCredit } from './credit.ts'
import { refundRequest } from './refund.ts'
import {
  balanceIdOf,
  endSample,
  holdSample,
  NOON_MS,
  PRICE,
  type SampleEnd,
  type SampleRequest,
  setUpTestInstance,
  TEST_NODE,
  type TestInstance,
  testActing,
} from './test-instance.ts'

export const SMALL = {
  ...NO_USAGE,
  input: 123,
  cachedRead: 301,
  cacheWrite5m: 7,
  cacheWrite1h: 3,
  output: 211,
  reasoning: 50,
}
/** Above the tier's threshold of 1,000 prompt tokens. */
export const LARGE = { ...NO_USAGE, input: 999, cachedRead: 100_001, output: 5000 }

const rolling = (limit: NanoUsd): WindowSpec[] => [
  { name: 'rolling', kind: 'sliding', lengthMs: 5 * HOUR_MS, unit: null, limit },
]

/** Every way to pay, to limit and to end, and some under way. The database must be empty. */
export async function createBusyBooks(db: Database, dataDir: string): Promise<TestInstance> {
  const instance = await setUpTestInstance(db, { dataDir })
  await giveCredit(instance)
  await chargeTheBalance(instance)
  await chargeThePlan(instance)
  await holdInSlices(instance)
  await endTooLate(instance)
  await expireAndRefund(instance)
  await chargeAnotherWorkspace(db)
  await holdSample(instance, { id: 'req_open', funding: 'balance', hold: parseUsd('0.7') })
  await holdSample(instance, {
    id: 'req_open_plan',
    funding: 'plan',
    hold: parseUsd('0.3'),
    weightPpm: 500_000n,
  })
  return instance
}

async function giveCredit({ db, setup }: TestInstance): Promise<void> {
  const workspaceId = setup.workspace.id
  const lots = [
    { amount: parseUsd('2.5') },
    { amount: parseUsd(1), source: 'promotion', priority: 1, expiresAtMs: NOON_MS + HOUR_MS },
    { amount: parseUsd(3), source: 'promotion', priority: 900, expiresAtMs: NOON_MS + 30 * DAY_MS },
  ] as const
  for (const lot of lots) await grantCredit(db, testActing(), { workspaceId, note: '', ...lot })
  const caps = [
    { scope: 'workspace', subjectId: workspaceId, unit: 'day', limit: parseUsd(50) },
    { scope: 'key', subjectId: setup.keyId, unit: 'month', limit: parseUsd(60) },
    { scope: 'member', subjectId: setup.memberId, unit: 'week', limit: parseUsd(70) },
  ] as const
  for (const cap of caps) await setCap(db, testActing(), { workspaceId, ...cap })
}

async function done(instance: TestInstance, sample: SampleRequest, end: SampleEnd): Promise<void> {
  await holdSample(instance, sample)
  await endSample(instance, sample, end)
}

async function chargeTheBalance(instance: TestInstance): Promise<void> {
  const funding = 'balance'
  await done(instance, { id: 'req_paid', funding }, { usage: SMALL })
  await done(instance, { id: 'req_tier', funding }, { usage: LARGE })
  await done(instance, { id: 'req_lost', funding, hold: parseUsd('0.01') }, { usage: LARGE })
  await done(instance, { id: 'req_failed', funding }, { outcome: 'upstream_failed' })
  await done(instance, { id: 'req_nothing', funding }, { usage: NO_USAGE })
  await done(instance, { id: 'req_free', funding: 'free' }, { usage: LARGE })
}

async function chargeThePlan(instance: TestInstance): Promise<void> {
  const funding = 'plan'
  await done(instance, { id: 'req_plan', funding }, { usage: SMALL })
  await done(instance, { id: 'req_weighed', funding, weightPpm: 1_500_001n }, { usage: LARGE })
  await done(instance, { id: 'req_cut', funding, weightPpm: 4_000_000n }, { outcome: 'operator_fault' })
  const windows = rolling(parseUsd(2))
  await done(instance, { id: 'req_rolling', funding, windows }, { usage: LARGE })
  await done(instance, { id: 'req_rolling2', funding, windows, atMs: NOON_MS + 10 * MINUTE_MS }, { usage: LARGE })
  // More than half of it: a threshold is told.
  const tight: WindowSpec[] = [
    { name: 'tight', kind: 'session', lengthMs: HOUR_MS, unit: null, limit: parseUsd('0.15') },
  ]
  await done(instance, { id: 'req_told', funding, windows: tight, hold: parseUsd('0.12') }, { usage: LARGE })
}

/** Of an output that the balance does not cover: capped, and held slice by slice. */
async function holdInSlices({ db, setup }: TestInstance): Promise<void> {
  const command = await ownHold(db, setup.workspace.id, 'req_sliced')
  const [held] = await run(db, [
    { ...command, size: { ...command.size, output: 5_000_000, leastOutput: 1000, slice: 4096 } },
  ])
  if (typeof held !== 'object' || !('cover' in held)) throw new Error('the slice was not held')
  const { hold } = held.cover
  const holding = await holdingFor(db, command)
  await run(db, [{ kind: 'extend', holding, before: hold, after: addUsd(hold, parseUsd('0.05')), atMs: NOON_MS }])
}

async function endTooLate(instance: TestInstance): Promise<void> {
  const sample = { id: 'req_swept', funding: 'balance' } as const
  await holdSample(instance, sample)
  const { db, setup } = instance
  const command = await ownHold(db, setup.workspace.id, sample.id)
  await run(db, [releaseOf(await holdingFor(db, command), 'sweep', NOON_MS)])
  await endSample(instance, sample, { usage: SMALL })
}

async function expireAndRefund(instance: TestInstance): Promise<void> {
  // What is left of the first promotion goes with the first hold after its expiry.
  const sample = { id: 'req_after', funding: 'balance', atMs: NOON_MS + 2 * HOUR_MS } as const
  await endSliced(instance)
  await done(instance, sample, { usage: SMALL })
  for (const amount of ['0.0002', '0.0001']) {
    const refund = { requestId: 'req_paid', amount: parseUsd(amount), note: 'a test' }
    await refundRequest(instance.db, testActing(sample.atMs), refund)
  }
}

async function endSliced(instance: TestInstance): Promise<void> {
  await endSample(instance, { id: 'req_sliced', funding: 'balance' }, { usage: SMALL })
}

export const OTHER_WORKSPACE = 'wrk_other'

/** Most of its credit: a threshold is told. */
async function chargeAnotherWorkspace(db: Database): Promise<void> {
  await db.write(async (sql) => {
    await insertWorkspace(sql, { id: OTHER_WORKSPACE, name: 'other' }, NOON_MS)
    await createBalance(sql, 'acc_other', OTHER_WORKSPACE)
  })
  await grantCredit(db, testActing(), { workspaceId: OTHER_WORKSPACE, amount: parseUsd('0.15'), note: '' })
  const command = await ownHold(db, OTHER_WORKSPACE, 'req_other')
  await run(db, [{ ...command, size: { ...command.size, prompt: asTokenPrice(parseUsd('0.12')), output: 0 } }])
  const cost = chargeForUsage(PRICE, LARGE)
  const end = releaseOf(await holdingFor(db, command), TEST_NODE, NOON_MS).end
  const attempt = { provider: 'acme', status: 200, outcome: 'complete', startedAtMs: NOON_MS, endedAtMs: NOON_MS }
  await run(db, [
    {
      kind: 'end',
      holding: await holdingFor(db, command),
      end: {
        ...{ ...end, cost, charged: cost, usage: LARGE, attempts: [attempt], policyVersion: CHARGE_POLICY_VERSION },
        ...{ state: 'settled', outcome: 'complete', status: 200, errorCode: null, provider: 'acme' },
      },
    },
  ])
}

/** A hold from the balance of any workspace, without caps. */
async function ownHold(db: Database, workspaceId: string, id: string): Promise<HoldCommand> {
  return {
    kind: 'hold',
    request: {
      ...{ id, workspaceId, accountId: await balanceIdOf(db, workspaceId), nodeId: TEST_NODE },
      ...{ memberId: null, keyId: null, session: null, tags: null, stream: true, provider: 'acme' },
      ...{ product: 'zen', protocol: 'openai-chat', model: 'glm-5.2', priceVersion: PRICE.version },
      ...{ weightPpm: WEIGHT_ONE, idempotencyKey: id, bodyDigest: null, createdAtMs: NOON_MS },
    },
    sources: [{ kind: 'balance' }],
    caps: [],
    calendar: UTC_CALENDAR,
    size: { prompt: 0n, outputRate: PRICE.base.output, output: 0, leastOutput: 0, slice: null },
    anonymous: null,
  }
}

async function holdingFor(db: Database, { request }: HoldCommand): Promise<Holding> {
  const { id: requestId, workspaceId, accountId, weightPpm } = request
  return { requestId, workspaceId, accountId, weightPpm, funding: 'balance', meters: await listMetersOf(db, requestId) }
}

function run(db: Database, commands: readonly Command[]): ReturnType<typeof runCommands> {
  return db.write((sql) => runCommands(sql, commands, { receivers: () => [] }), { opensLedger: true })
}
