/**
 * Slows down whoever guesses: failures in a row are counted per account and per address, for all processes together and
 * for accounts that do not exist just the same. An attempt counts as a failure before it is judged, so that guesses made
 * at the same time all count; one that was right takes its count back.
 *
 * Somebody else's guesses must not shut an owner out: from where an account signed in of late it has a count of its own.
 */
import { createHmac } from 'node:crypto'
import { AppError } from '../../base/errors.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, secondsUntil } from '../../base/time.ts'
import { addressGroup } from '../../domain/client-address.ts'
import type { Sql } from '../../store/database.ts'
import {
  deleteIdleThrottles,
  deleteThrottle,
  ensureThrottle,
  lockThrottle,
  saveThrottle,
  type ThrottleRow,
} from '../../store/throttle.ts'
import type { ControlPlane } from '../control-plane.ts'

interface Pace {
  /** So many failures make nobody wait. */
  readonly free: number
  /** One failure is forgotten in this time, however many more come. */
  readonly forgetMs: number
}

const ACCOUNT: Pace = { free: 5, forgetMs: HOUR_MS }
/** Many may sit behind one address. */
const ADDRESS: Pace = { free: 50, forgetMs: MINUTE_MS }

/** After the last free failure; each further one doubles it. */
const FIRST_WAIT_MS = SECOND_MS
const MAX_WAIT_MS = 15 * MINUTE_MS
/** Failures beyond those that lead to the longest wait make nothing worse. */
const MOST_DOUBLINGS = Math.ceil(Math.log2(MAX_WAIT_MS / FIRST_WAIT_MS))

/** How long an address counts as one from where an account signs in. */
const PLACE_MS = 30 * DAY_MS
/** Failures of longer ago are forgotten whatever they were. */
const IDLE_MS = 2 * DAY_MS

export interface AttemptBy {
  /** How somebody tries to sign in; each way has counts of its own for an account, while an address has one for all. */
  readonly way: 'password' | 'email_code' | 'password_reset' | 'passkey' | 'setup' | 'invite'
  /** The address of e-mail in lower case, whether or not there is such an account; null: no account is named. */
  readonly account: string | null
  /** Of the client. */
  readonly address: string
}

/** An attempt that was counted and may now be judged. */
export interface Attempt {
  /** Failures of the account in a row, with this one, should it fail; 0 where no account is named. */
  readonly failures: number
  /** Keyed hashes: of the address, of the account, and of the two together; null where no account is named. */
  readonly addressSubject: string
  readonly accountSubject: string | null
  readonly placeSubject: string | null
  /** Whether it counts for the place alone. */
  readonly isKnownPlace: boolean
}

/**
 * Call it before anything is looked at. It stands in a transaction of its own: what comes afterwards cannot undo it.
 * @throws AppError rate_limited, with when to come back
 */
export function beginAttempt(
  { database, clock, secret }: Pick<ControlPlane, 'database' | 'clock' | 'secret'>,
  { way, account, address }: AttemptBy,
): Promise<Attempt> {
  const group = addressGroup(address)
  const addressSubject = subjectOf(secret, ['address', group])
  const accountSubject = account === null ? null : subjectOf(secret, ['account', way, account])
  const placeSubject = account === null ? null : subjectOf(secret, ['place', way, account, group])
  const nowMs = clock()
  return database.write(async (sql) => {
    // Whatever is locked, the address is first: no two attempts can wait for each other.
    const atAddress = await lookAt(sql, addressSubject, ADDRESS, nowMs)
    const place = placeSubject === null ? undefined : await lockThrottle(sql, placeSubject)
    const isKnownPlace = place !== undefined && place.changedAtMs + PLACE_MS > nowMs
    const subject = isKnownPlace ? placeSubject : accountSubject
    const ofAccount = subject === null ? undefined : await lookAt(sql, subject, ACCOUNT, nowMs)
    await saveThrottle(sql, addressSubject, countFailure(atAddress, ADDRESS, nowMs))
    const counted = ofAccount && countFailure(ofAccount, ACCOUNT, nowMs)
    if (subject !== null && counted) await saveThrottle(sql, subject, counted)
    return { failures: counted?.failures ?? 0, addressSubject, accountSubject, placeSubject, isKnownPlace }
  })
}

/** For an attempt that was right, in the transaction in which somebody is signed in. */
export async function passAttempt(sql: Sql, attempt: Attempt, nowMs: number): Promise<void> {
  const { addressSubject, accountSubject, placeSubject, isKnownPlace } = attempt
  await passAddress(sql, addressSubject, nowMs)
  if (accountSubject === null || placeSubject === null) return
  if (!isKnownPlace) await deleteThrottle(sql, accountSubject)
  await ensureThrottle(sql, placeSubject, nowMs)
  await saveThrottle(sql, placeSubject, { failures: 0, blockedUntilMs: 0, changedAtMs: nowMs })
}

/** For what was asked for from an address earlier, and has turned out to be meant. */
export function passEarlier(
  sql: Sql,
  { secret }: Pick<ControlPlane, 'secret'>,
  address: string,
  nowMs: number,
): Promise<void> {
  return passAddress(sql, subjectOf(secret, ['address', addressGroup(address)]), nowMs)
}

async function passAddress(sql: Sql, addressSubject: string, nowMs: number): Promise<void> {
  const address = await ensureThrottle(sql, addressSubject, nowMs)
  await saveThrottle(sql, addressSubject, {
    failures: Math.max(0, address.failures - 1),
    // Other attempts from there go on as they were; only the wait that this one brought about is gone.
    blockedUntilMs: address.failures > ADDRESS.free ? address.blockedUntilMs : 0,
    changedAtMs: address.changedAtMs,
  })
}

/** Whether a failure is worth a line on record: the first one, and each that makes the next one wait. */
export function isStep({ failures }: Attempt): boolean {
  return failures === 1 || failures >= ACCOUNT.free
}

/** What makes nobody wait any more goes, and places that nobody came back to. */
export function forgetFailures(sql: Sql, nowMs: number): Promise<void> {
  return deleteIdleThrottles(sql, { failedBeforeMs: nowMs - IDLE_MS, beforeMs: nowMs - PLACE_MS })
}

async function lookAt(sql: Sql, subject: string, pace: Pace, nowMs: number): Promise<ThrottleRow> {
  const row = await ensureThrottle(sql, subject, nowMs)
  if (row.blockedUntilMs > nowMs) throw tooMany(row.blockedUntilMs, nowMs)
  const forgotten = Math.max(0, Math.floor((nowMs - row.changedAtMs) / pace.forgetMs))
  if (forgotten >= row.failures) return { ...row, failures: 0, changedAtMs: nowMs }
  return { ...row, failures: row.failures - forgotten, changedAtMs: row.changedAtMs + forgotten * pace.forgetMs }
}

function countFailure(row: ThrottleRow, { free }: Pace, nowMs: number): ThrottleRow {
  const failures = Math.min(row.failures + 1, free + MOST_DOUBLINGS)
  const waitMs = failures < free ? 0 : Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - free))
  return { failures, blockedUntilMs: nowMs + waitMs, changedAtMs: row.changedAtMs }
}

function tooMany(untilMs: number, nowMs: number): AppError {
  const seconds = secondsUntil(untilMs, nowMs)
  return new AppError(
    'rate_limited',
    `Too many attempts. Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`,
    {
      retryAfterSeconds: seconds,
    },
  )
}

function subjectOf(secret: string, parts: readonly string[]): string {
  return createHmac('sha256', secret)
    .update(JSON.stringify(['throttle', ...parts]))
    .digest('base64url')
}
