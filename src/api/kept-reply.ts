/**
 * `Idempotency-Key`: a write that is sent again, because its answer was lost, gets the first one's answer and has no
 * second effect. The name is claimed before the work. Failures are not kept, and what is told once is not stored.
 *
 * If the process dies between the effect and the keeping of the answer, the claim is free again after a minute, and a
 * repetition then does the work again: whether the first took effect, only a look at the list can tell.
 */
import { createHmac } from 'node:crypto'
import { AppError } from '../base/errors.ts'
import { type Clock, DAY_MS, MINUTE_MS, SECOND_MS } from '../base/time.ts'
import type { OperationShape } from '../contract/operation.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import { type Database, reasonOf } from '../store/database.ts'
import {
  claimReply,
  deleteRepliesBefore,
  keepReply,
  type ReplyName,
  releaseClaim,
  renewClaim,
} from '../store/kept-reply.ts'
import type { Visit } from './routes.ts'

/** An answer as it is sent: JSON text, or null for none. */
export interface SentReply {
  readonly status: number
  readonly body: string | null
  /** Whether it is the answer to an earlier request. */
  readonly isReplayed: boolean
}

/** How long an answer is kept; clients try again for minutes. */
const KEPT_MS = DAY_MS
/** A claim that was not renewed for so long belonged to a process that died. */
const ABANDONED_MS = MINUTE_MS
const RENEW_MS = 15 * SECOND_MS

export interface Repeatable {
  /** Whose answers these are: nobody else gets them. */
  readonly repeaterId: string
  readonly shape: OperationShape
  /** What was asked: parameters, query and body. */
  readonly input: unknown
}

/** Runs `work` once however often it is asked for under one name. @throws AppError conflict, and whatever `work` throws */
export async function answerOnce(
  visit: Visit,
  { repeaterId, shape, input }: Repeatable,
  work: () => Promise<SentReply>,
): Promise<SentReply> {
  const name = visit.request.headers['idempotency-key']
  if (name === undefined || shape.method === 'GET' || shape.streams) return work()
  const { database, clock, secret } = visit.control
  const at = { principal: repeaterId, name: checkName(name) }
  const nowMs = clock()
  const digest = digestOf(secret, shape, input)
  const times = { nowMs, expiredAtMs: nowMs - KEPT_MS, abandonedAtMs: nowMs - ABANDONED_MS }
  const known = await database.write((sql) => claimReply(sql, { ...at, digest, ...times }))
  if (known) return replay(known, digest)
  return workUnderClaim(visit.control, at, shape, nowMs, work)
}

/** A chore. */
export function forgetReplies(database: Database, nowMs: number): Promise<void> {
  return deleteRepliesBefore(database, nowMs - KEPT_MS)
}

function checkName(name: string | string[]): string {
  if (typeof name === 'string' && /^[\x21-\x7e]{1,255}$/.test(name)) return name
  throw new AppError(
    'invalid_request',
    'The header idempotency-key must be 1 to 255 printable characters, no spaces.',
    {
      param: 'idempotency-key',
    },
  )
}

/** Keyed, because a body may hold what could be guessed. */
function digestOf(secret: string, { id }: OperationShape, input: unknown): string {
  return createHmac('sha256', secret)
    .update(JSON.stringify(['reply', id, input]))
    .digest('base64url')
}

function replay(known: { digest: string; status: number | null; body: string | null }, digest: string): SentReply {
  if (known.digest !== digest) {
    throw new AppError('conflict', 'This idempotency-key was used for another request. Choose a new one.')
  }
  if (known.status === null) {
    throw new AppError('conflict', 'The first request with this idempotency-key is under way. Try again in a second.', {
      retryAfterSeconds: 1,
    })
  }
  return { status: known.status, body: known.body, isReplayed: true }
}

async function workUnderClaim(
  control: ControlPlane,
  at: ReplyName,
  { once = [] }: OperationShape,
  claimedAtMs: number,
  work: () => Promise<SentReply>,
): Promise<SentReply> {
  const { database, log } = control
  const claim = keepClaimed(control, at, claimedAtMs)
  try {
    const reply = await work()
    const sinceMs = await claim.stop()
    const body = reply.body === null ? null : withoutSecrets(reply.body, once)
    // The effect stands: an answer that cannot be kept is sent all the same.
    await keepReply(database, at, sinceMs, { status: reply.status, body }).catch((error: unknown) =>
      log.error({ cause: reasonOf(error) }, 'an answer could not be kept for a repetition'),
    )
    return reply
  } catch (error) {
    const sinceMs = await claim.stop()
    // After an unexpected failure nobody knows what was done: the claim stands until it counts as abandoned.
    if (error instanceof AppError && error.code !== 'internal') {
      await releaseClaim(database, at, sinceMs).catch(() => undefined)
    }
    throw error
  }
}

/** Renews a claim while its work goes on; `stop` says as of when it stands. */
function keepClaimed(
  { database, clock }: { database: Database; clock: Clock },
  at: ReplyName,
  claimedAtMs: number,
): { stop(): Promise<number> } {
  let sinceMs = claimedAtMs
  let renewal: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    renewal = renewal.then(async () => {
      const nowMs = clock()
      if (await renewClaim(database, at, sinceMs, nowMs).catch(() => false)) sinceMs = nowMs
    })
  }, RENEW_MS)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await renewal
      return sinceMs
    },
  }
}

/** What was told once is told nobody again, and stands nowhere. */
function withoutSecrets(body: string, once: readonly string[]): string {
  const reply: unknown = JSON.parse(body)
  if (once.length === 0 || typeof reply !== 'object' || reply === null) return body
  return JSON.stringify({ ...reply, ...Object.fromEntries(once.map((name) => [name, null])) })
}
