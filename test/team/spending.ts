/** Uses a key as the gateway does: what its owner may draw on at that moment, held and settled through the ledger. */
import { nanoUsd, WEIGHT_ONE } from '../../src/base/money.ts'
import { hashKey } from '../../src/domain/api-key.ts'
import type { Plan } from '../../src/domain/catalog.ts'
import { seatFor } from '../../src/domain/seat.ts'
import { checkKey } from '../../src/gateway/permission.ts'
import type { HoldCommand, Source } from '../../src/ledger/command.ts'
import { holdingOf } from '../../src/ledger/release.ts'
import { endOf, NODE, run, whole } from '../../src/ledger/test-ledger.ts'
import type { Database } from '../../src/store/database.ts'
import { type KeyOwner, loadKeyOwner } from '../../src/store/key.ts'
import { insertNode } from '../../src/store/node.ts'

let serial = 0

export interface Spending {
  readonly key: string
  readonly product: 'zen' | 'go'
  readonly amount: bigint
  readonly nowMs: number
}

/** The node in whose name requests stand. */
export async function furnishNode(db: Database, nowMs: number): Promise<void> {
  await db.write((sql) => insertNode(sql, { id: NODE, place: 'here' }, nowMs))
}

/** Returns what was spent of: a plan, the balance, or nothing because the key or a limit refused. */
export async function spend(
  db: Database,
  plans: ReadonlyMap<string, Plan>,
  { key, product, amount, nowMs }: Spending,
): Promise<'plan' | 'balance' | null> {
  const owner = await loadKeyOwner(db, hashKey(key))
  if (!owner || isRefused(owner, nowMs)) return null
  const sources = sourcesOf(owner, plans, product)
  if (sources.length === 0) return null
  const command = commandOf(owner, sources, { key, product, amount, nowMs })
  const [result] = await run(db, command)
  if (typeof result !== 'object' || !('ok' in result) || !result.ok) return null
  await run(db, endOf(holdingOf(command, result), amount))
  return result.funding === 'plan' ? 'plan' : 'balance'
}

function isRefused(owner: KeyOwner, nowMs: number): boolean {
  try {
    checkKey(owner, nowMs)
    return false
  } catch {
    return true
  }
}

function sourcesOf(owner: KeyOwner, plans: ReadonlyMap<string, Plan>, product: Spending['product']): Source[] {
  if (product === 'zen') return [{ kind: 'balance' }]
  const found = seatFor(owner.seats, plans, product)
  if (!found) return []
  const { seat, plan } = found
  const source: Source = { kind: 'plan', seatId: seat.id, anchorMs: seat.startedAtMs, windows: plan.windows }
  return seat.useBalance ? [source, { kind: 'balance' }] : [source]
}

function commandOf(owner: KeyOwner, sources: readonly Source[], { product, amount, nowMs }: Spending): HoldCommand {
  return {
    kind: 'hold',
    request: {
      ...{ id: `req_${serial++}`, nodeId: NODE, workspaceId: owner.workspaceId, accountId: owner.balanceId },
      ...{ memberId: owner.memberId, keyId: owner.keyId, session: null, tags: null, product },
      ...{ protocol: 'openai-chat', model: 'any', stream: false, priceVersion: null, weightPpm: WEIGHT_ONE },
      ...{ provider: 'one', idempotencyKey: null, bodyDigest: null, createdAtMs: nowMs },
    },
    ...{ sources, caps: owner.caps, calendar: owner, size: whole(nanoUsd(amount)), anonymous: null },
  }
}
