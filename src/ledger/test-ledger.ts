/** For tests: one workspace with money, and commands of which only what matters must be said. */
import { asTokenPrice, type NanoUsd, nanoUsd, WEIGHT_ONE, ZERO_USD } from '../base/money.ts'
import { NO_USAGE } from '../base/usage.ts'
import { CHARGE_POLICY_VERSION } from '../domain/charge-policy.ts'
import type { HoldSize } from '../domain/hold-size.ts'
import { UTC_CALENDAR } from '../domain/window.ts'
import { createBalance, ensureSystemAccounts } from '../store/account.ts'
import type { Database } from '../store/database.ts'
import { insertNode } from '../store/node.ts'
import type { RequestEnd, RequestFacts } from '../store/request.ts'
import { insertWorkspace } from '../store/workspace.ts'
import type { Command, EndCommand, EndResult, HoldCommand, Holding, HoldResult } from './command.ts'
import { grantLot, type NewLot } from './credit.ts'
import { holdingOf } from './release.ts'
import { runCommands } from './transaction.ts'

/** Friday noon. */
export const NOON_MS = Date.UTC(2026, 10, 20, 12)
export const NODE = 'node_a'

/** Writes the operator's accounts, a node, and workspaces `wrk_<name>` with balances `acc_<name>`. */
export async function furnish(database: Database, ...names: readonly string[]): Promise<void> {
  await database.write(async (sql) => {
    await ensureSystemAccounts(sql)
    await insertNode(sql, { id: NODE, place: 'here' }, NOON_MS)
    for (const name of names) {
      await insertWorkspace(sql, { id: `wrk_${name}`, name }, NOON_MS)
      await createBalance(sql, `acc_${name}`, `wrk_${name}`)
    }
  })
}

/** A lot of credit for a workspace. */
export async function grant(
  database: Database,
  name: string,
  amount: bigint,
  more: Partial<NewLot> = {},
): Promise<void> {
  const lot: NewLot = {
    ...{
      id: `lot_${name}_${amount}`,
      workspaceId: `wrk_${name}`,
      amount: nanoUsd(amount),
      source: 'operator',
      note: '',
    },
    ...{ priority: 100, expiresAtMs: null, createdAtMs: NOON_MS },
    ...more,
  }
  await database.write((sql) => grantLot(sql, `acc_${name}`, lot), { opensLedger: true })
}

export interface Asked extends Partial<Pick<HoldCommand, 'sources' | 'caps' | 'size'>> {
  readonly facts?: Partial<RequestFacts>
}

/** All of it at once. */
export function whole(hold: bigint): HoldSize {
  return { prompt: asTokenPrice(nanoUsd(hold)), outputRate: ZERO_USD, output: 0, leastOutput: 0, slice: null }
}

/** Nothing for the prompt, a nano-dollar for each token of output. */
export function sliced(output: number, slice: number): HoldSize {
  return { prompt: 0n, outputRate: nanoUsd(1_000_000), output, leastOutput: 1, slice }
}

/** A request of the workspace `a` that its balance pays. */
export function holdOf(id: string, asked: Asked = {}, workspace = 'a'): HoldCommand {
  return {
    kind: 'hold',
    request: {
      ...{
        id,
        workspaceId: `wrk_${workspace}`,
        accountId: `acc_${workspace}`,
        memberId: 'mem_a',
        keyId: 'key_a',
        nodeId: NODE,
      },
      ...{ session: null, tags: null, product: 'zen', protocol: 'openai-chat', model: 'any', stream: false },
      ...{ priceVersion: null, weightPpm: WEIGHT_ONE, provider: 'one', idempotencyKey: null, bodyDigest: null },
      createdAtMs: NOON_MS,
      ...asked.facts,
    },
    sources: asked.sources ?? [{ kind: 'balance' }],
    caps: asked.caps ?? [],
    calendar: UTC_CALENDAR,
    size: asked.size ?? whole(100n),
    anonymous: null,
  }
}

export function endOf(holding: Holding, cost: bigint, more: Partial<RequestEnd> = {}): EndCommand {
  const end: RequestEnd = {
    ...{ id: holding.requestId, endedBy: NODE, state: 'settled', cost: nanoUsd(cost), charged: nanoUsd(cost) },
    ...{ outcome: 'complete', policyVersion: CHARGE_POLICY_VERSION, estimated: false, status: 200, errorCode: null },
    ...{ provider: 'one', upstreamId: null, upstreamProtocol: 'openai-chat', warnings: null, usage: NO_USAGE },
    attempts: [{ provider: 'one', status: 200, outcome: 'complete', startedAtMs: NOON_MS, endedAtMs: NOON_MS }],
    ...{ firstByteAtMs: null, endedAtMs: NOON_MS + 1000 },
    ...more,
  }
  return { kind: 'end', holding, end }
}

/** Does commands in one transaction. */
export function run(
  database: Database,
  ...commands: readonly Command[]
): Promise<(HoldResult | EndResult | boolean)[]> {
  return database.write((sql) => runCommands(sql, commands, { receivers: () => [] }), { opensLedger: true })
}

/** Holds what is asked. @throws Error when it is refused. */
export async function hold(database: Database, command: HoldCommand): Promise<Holding> {
  const [result] = await run(database, command)
  if (typeof result !== 'object' || !('ok' in result) || !result.ok)
    throw new Error(`${command.request.id} was refused`)
  return holdingOf(command, result)
}

/** What is refused, by which limit. */
export async function refusalOf(database: Database, command: HoldCommand): Promise<string | null> {
  const [result] = await run(database, command)
  if (typeof result !== 'object' || !('ok' in result)) throw new Error('a hold was not answered as one')
  if (result.ok) return null
  return result.refusal.kind === 'limit' ? result.refusal.limit.name : result.refusal.kind
}

/** Posted and held of a balance. */
export async function balanceOf(database: Database, name = 'a'): Promise<readonly [NanoUsd, NanoUsd]> {
  const row = await database.get<{ posted: NanoUsd; held: NanoUsd }>(
    'SELECT posted, held FROM account WHERE id = ?',
    `acc_${name}`,
  )
  if (!row) throw new Error('there is no balance')
  return [row.posted, row.held]
}

/** What is left of each lot, by id. */
export async function restsOf(database: Database): Promise<Record<string, bigint>> {
  const rows = await database.all<{ id: string; remaining: bigint }>(
    'SELECT id, remaining FROM credit_grant ORDER BY id',
  )
  return Object.fromEntries(rows.map(({ id, remaining }) => [id, remaining]))
}
