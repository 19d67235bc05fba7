/** SQL of the request rows: one per admitted request, held and then settled or released, once. */
import type { NanoUsd } from '../base/money.ts'
import type { Usage } from '../base/usage.ts'
import type { Funding, Product, Protocol } from '../base/words.ts'
import type { Sql } from './database.ts'

/** What is known of a request before it is decided who pays. */
export interface RequestFacts {
  readonly id: string
  readonly workspaceId: string | null
  readonly accountId: string | null
  readonly memberId: string | null
  readonly keyId: string | null
  readonly nodeId: string
  readonly session: string | null
  /** As `formatTags` writes them. */
  readonly tags: string | null
  readonly product: Product
  readonly protocol: Protocol
  readonly model: string
  readonly stream: boolean
  readonly priceVersion: string | null
  readonly weightPpm: bigint
  /** Where it is sent first. */
  readonly provider: string
  /** Where that provider processes requests, as it says. */
  readonly region?: string | null
  /** The workspace's own credential that it is sent with first; null for the operator's. */
  readonly credentialId?: string | null
  readonly idempotencyKey: string | null
  readonly bodyDigest: string | null
  readonly createdAtMs: number
}

/** What is known of it when its money is held. */
export interface HeldRequest extends RequestFacts {
  readonly seatId: string | null
  readonly funding: Funding
  readonly hold: NanoUsd
  /** How far the hold may grow while the answer streams. */
  readonly maxHold: NanoUsd
  /** The output cap sent instead of the client's; null where that was affordable. */
  readonly clampedOutput: number | null
}

/** What is known of it when it ends. */
export interface RequestEnd {
  readonly id: string
  /** The node whose word this is. */
  readonly endedBy: string
  readonly state: 'settled' | 'released'
  readonly cost: NanoUsd
  /** As far as its node knows the hold; what is charged is decided by the hold that stands on the row. */
  readonly charged: NanoUsd
  readonly outcome: string
  readonly policyVersion: number
  readonly estimated: boolean
  /** The status the client was sent, null when it had left before. */
  readonly status: number | null
  readonly errorCode: string | null
  readonly provider: string | null
  /** Of that provider, when the request was sent there. */
  readonly region?: string | null
  readonly credentialId?: string | null
  readonly upstreamId: string | null
  readonly upstreamProtocol: Protocol | null
  /** What translation changed or dropped, in the words of `x-zendo-warnings`. */
  readonly warnings: string | null
  readonly attempts: readonly AttemptRecord[]
  readonly usage: Usage
  readonly firstByteAtMs: number | null
  readonly endedAtMs: number
}

export interface AttemptRecord {
  readonly provider: string
  readonly status: number | null
  readonly outcome: string
  readonly startedAtMs: number
  readonly endedAtMs: number
}

export async function insertHeldRequests(sql: Sql, requests: readonly HeldRequest[]): Promise<void> {
  if (requests.length === 0) return
  await sql.runEach(
    'INSERT INTO request (id, workspace_id, account_id, member_id, key_id, node_id, seat_id, session, tags, product, protocol,' +
      ' model, stream, funding, state, price_version, weight_ppm, hold, max_hold, clamped_output, provider, idempotency_key,' +
      ' body_digest, created_at, region, credential_id) VALUES' +
      " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'held', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    requests.map((r) => [
      r.id,
      r.workspaceId,
      r.accountId,
      r.memberId,
      r.keyId,
      r.nodeId,
      r.seatId,
      r.session,
      r.tags,
      r.product,
      r.protocol,
      r.model,
      r.stream ? 1 : 0,
      r.funding,
      r.priceVersion,
      r.weightPpm,
      r.hold,
      r.maxHold,
      r.clampedOutput,
      r.provider,
      r.idempotencyKey,
      r.bodyDigest,
      r.createdAtMs,
      r.region ?? null,
      r.credentialId ?? null,
    ]),
  )
}

export interface EndedRequest {
  readonly hold: NanoUsd
  readonly charged: NanoUsd
}

/**
 * Moves a held request to its end. Resolves with what was held for it and what it is charged: its cost, and never more
 * than was held. Undefined, changing nothing, when it had already ended.
 */
export function endRequest(sql: Sql, end: RequestEnd): Promise<EndedRequest | undefined> {
  const { usage } = end
  return sql.get<EndedRequest>(
    'UPDATE request SET state = ?, ended_by = ?, cost = ?, charged = CASE WHEN hold < ? THEN hold ELSE ? END, outcome = ?, policy_version = ?, estimated = ?, status = ?,' +
      ' error_code = ?, region = CASE WHEN CAST(? AS TEXT) IS NULL THEN region ELSE ? END,' +
      ' credential_id = COALESCE(?, credential_id), provider = COALESCE(?, provider), upstream_id = ?,' +
      ' upstream_protocol = ?, warnings = ?, attempts = ?,' +
      ' input_tokens = ?, cached_read_tokens = ?, cache_write_5m_tokens = ?, cache_write_1h_tokens = ?, output_tokens = ?,' +
      " reasoning_tokens = ?, first_byte_at = ?, ended_at = ? WHERE id = ? AND state = 'held' RETURNING hold, charged",
    end.state,
    end.endedBy,
    end.cost,
    end.cost,
    end.cost,
    end.outcome,
    end.policyVersion,
    end.estimated ? 1 : 0,
    end.status,
    end.errorCode,
    end.provider,
    end.region ?? null,
    end.credentialId ?? null,
    end.provider,
    end.upstreamId,
    end.upstreamProtocol,
    end.warnings,
    end.attempts.length,
    usage.input,
    usage.cachedRead,
    usage.cacheWrite5m,
    usage.cacheWrite1h,
    usage.output,
    usage.reasoning,
    end.firstByteAtMs,
    end.endedAtMs,
    end.id,
  )
}

export async function insertAttempts(sql: Sql, ends: readonly RequestEnd[]): Promise<void> {
  const rows = ends.flatMap(({ id, attempts }) =>
    attempts.map((a, index) => [id, index + 1, a.provider, a.status, a.outcome, a.startedAtMs, a.endedAtMs]),
  )
  if (rows.length === 0) return
  await sql.runEach(
    'INSERT INTO attempt (request_id, n, provider, status, outcome, started_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
    rows,
  )
}

/** Lets the hold of an open request grow. Resolves with whether it was still open and held `before`. */
export async function growHold(sql: Sql, id: string, before: NanoUsd, after: NanoUsd): Promise<boolean> {
  return (
    (await sql.run(
      "UPDATE request SET hold = ? WHERE id = ? AND state = 'held' AND hold = ? AND max_hold >= ?",
      after,
      id,
      before,
      after,
    )) === 1
  )
}

/** Takes back what an open request holds beyond an amount: its node was never told of it. */
export async function shrinkHold(sql: Sql, id: string, to: NanoUsd): Promise<void> {
  await sql.run("UPDATE request SET hold = ? WHERE id = ? AND state = 'held' AND hold > ?", to, id, to)
}

/** How a request stands, for whoever comes with its end or its idempotency key a second time. */
export interface RequestState {
  readonly id: string
  readonly state: 'held' | 'settled' | 'released'
  readonly endedBy: string | null
  readonly charged: NanoUsd | null
  readonly hold: NanoUsd
  readonly bodyDigest: string | null
}

const SELECT_STATE = 'SELECT id, state, ended_by AS "endedBy", charged, hold, body_digest AS "bodyDigest" FROM request'

export function loadRequestState(sql: Sql, id: string): Promise<RequestState | undefined> {
  return sql.get<RequestState>(`${SELECT_STATE} WHERE id = ?`, id)
}

/** The request of a workspace that carries this idempotency key and may have cost something. */
export function findByIdempotencyKey(sql: Sql, workspaceId: string, key: string): Promise<RequestState | undefined> {
  return sql.get<RequestState>(
    `${SELECT_STATE} WHERE workspace_id = ? AND idempotency_key = ?` +
      " AND idempotency_key IS NOT NULL AND state <> 'released'",
    workspaceId,
    key,
  )
}

/** Keeps what a request would have cost that had been ended without the node that reports it. */
export async function recordLateCost(sql: Sql, id: string, cost: NanoUsd): Promise<void> {
  await sql.run('UPDATE request SET late_cost = ? WHERE id = ? AND late_cost IS NULL', cost, id)
}

export interface OpenHold {
  readonly id: string
  readonly workspaceId: string | null
  readonly accountId: string | null
  readonly nodeId: string | null
  readonly funding: Funding
  readonly hold: NanoUsd
  readonly weightPpm: bigint
  readonly createdAtMs: number
}

/**
 * Open requests of one node that are older than an instant, by id, after `afterId`; with a null node those of before
 * nodes were known.
 */
export async function listOpenHolds(
  sql: Sql,
  nodeId: string | null,
  beforeMs: number,
  limit: number,
  afterId = '',
): Promise<OpenHold[]> {
  const rows = await sql.all<Omit<OpenHold, 'createdAtMs'> & { created_at: bigint }>(
    'SELECT id, workspace_id AS "workspaceId", account_id AS "accountId", node_id AS "nodeId", funding, hold,' +
      ' weight_ppm AS "weightPpm", created_at FROM request' +
      " WHERE state = 'held' AND COALESCE(node_id, '') = ? AND created_at < ? AND id > ? ORDER BY id LIMIT ?",
    nodeId ?? '',
    beforeMs,
    afterId,
    limit,
  )
  return rows.map(({ created_at, ...row }) => ({ ...row, createdAtMs: Number(created_at) }))
}
