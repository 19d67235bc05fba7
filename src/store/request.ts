/** SQL of the request rows: one per admitted request, held and then settled or released, once. */
import type { NanoUsd } from '../base/money.ts'
import type { Usage } from '../base/usage.ts'
import type { Funding, Product, Protocol } from '../base/words.ts'
import type { Database } from './database.ts'

/** What is known of a request when its money is held. */
export interface HeldRequest {
  readonly id: string
  readonly workspaceId: string | null
  readonly memberId: string | null
  readonly keyId: string | null
  readonly seatId: string | null
  readonly session: string | null
  readonly product: Product
  readonly protocol: Protocol
  readonly model: string
  readonly stream: boolean
  readonly funding: Funding
  readonly priceVersion: string | null
  readonly weightPpm: bigint
  readonly hold: NanoUsd
  readonly createdAtMs: number
}

/** What is known of it when it ends. */
export interface RequestEnd {
  readonly id: string
  readonly state: 'settled' | 'released'
  readonly cost: NanoUsd
  readonly charged: NanoUsd
  readonly outcome: string
  readonly policyVersion: number
  readonly estimated: boolean
  /** The status the client was sent, null when it had left before. */
  readonly status: number | null
  readonly errorCode: string | null
  readonly provider: string | null
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

export function insertHeldRequest(db: Database, r: HeldRequest): void {
  db.run(
    'INSERT INTO request (id, workspace_id, member_id, key_id, seat_id, session, product, protocol, model, stream,' +
      " funding, state, price_version, weight_ppm, hold, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'held', ?, ?, ?, ?)",
    r.id,
    r.workspaceId,
    r.memberId,
    r.keyId,
    r.seatId,
    r.session,
    r.product,
    r.protocol,
    r.model,
    r.stream ? 1 : 0,
    r.funding,
    r.priceVersion,
    r.weightPpm,
    r.hold,
    r.createdAtMs,
  )
}

/** Moves a held request to its end. Returns false, changing nothing, when it had already ended. */
export function endRequest(db: Database, end: RequestEnd): boolean {
  const { usage } = end
  const changed = db.run(
    'UPDATE request SET state = ?, cost = ?, charged = ?, outcome = ?, policy_version = ?, estimated = ?, status = ?,' +
      ' error_code = ?, provider = ?, upstream_id = ?, upstream_protocol = ?, warnings = ?, attempts = ?, input_tokens = ?, cached_read_tokens = ?,' +
      ' cache_write_5m_tokens = ?, cache_write_1h_tokens = ?, output_tokens = ?, reasoning_tokens = ?, first_byte_at = ?,' +
      " ended_at = ? WHERE id = ? AND state = 'held'",
    end.state,
    end.cost,
    end.charged,
    end.outcome,
    end.policyVersion,
    end.estimated ? 1 : 0,
    end.status,
    end.errorCode,
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
  if (changed === 0) return false
  end.attempts.forEach((attempt, index) => {
    insertAttempt(db, end.id, index + 1, attempt)
  })
  return true
}

function insertAttempt(db: Database, requestId: string, n: number, attempt: AttemptRecord): void {
  db.run(
    'INSERT INTO attempt (request_id, n, provider, status, outcome, started_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
    requestId,
    n,
    attempt.provider,
    attempt.status,
    attempt.outcome,
    attempt.startedAtMs,
    attempt.endedAtMs,
  )
}

export interface OpenHold {
  readonly id: string
  readonly workspaceId: string | null
  readonly funding: Funding
  readonly hold: NanoUsd
  readonly weightPpm: bigint
}

/** Requests that never ended; after a start, those that a crash left behind. */
export function listOpenHolds(db: Database): OpenHold[] {
  return db.all<OpenHold>(
    'SELECT id, workspace_id AS "workspaceId", funding, hold, weight_ppm AS "weightPpm" FROM request' +
      " WHERE state = 'held' ORDER BY id",
  )
}
