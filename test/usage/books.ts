/**
 * Fills a database with requests of two workspaces, as many as asked for, with everything that hangs on them: attempts,
 * meters, settlements drawn from lots of credit. The books are sound; what is drawn comes from a seed.
 */

import { newId } from '../../src/base/ids.ts'
import { minUsd, type NanoUsd, nanoUsd, weighUsd } from '../../src/base/money.ts'
import { DAY_MS } from '../../src/base/time.ts'
import { NO_USAGE, type Usage } from '../../src/base/usage.ts'
import type { Funding } from '../../src/base/words.ts'
import type { Price } from '../../src/domain/catalog.ts'
import { CHARGE_POLICY_VERSION, chargeRuleOf, OUTCOMES } from '../../src/domain/charge-policy.ts'
import { chargeForUsage } from '../../src/domain/price.ts'
import { formatTags } from '../../src/domain/tags.ts'
import { ensureSystemAccounts } from '../../src/store/account.ts'
import type { Database, Sql, SqlValue } from '../../src/store/database.ts'
import { savePriceVersions } from '../../src/store/price-version.ts'
import { ratesOf } from '../support/rates.ts'

export const ZONE = 'Europe/Berlin'
export const MINE = 'wrk_mine'
export const OTHERS = 'wrk_others'
/** Of the first an admin and a member, of the other a member. */
export const ADMIN = { workspaceId: MINE, memberId: 'mem_admin', keyId: 'key_admin' } as const
export const MEMBER = { workspaceId: MINE, memberId: 'mem_member', keyId: 'key_member' } as const
export const STRANGER = { workspaceId: OTHERS, memberId: 'mem_stranger', keyId: 'key_stranger' } as const
const PEOPLE = [ADMIN, MEMBER, STRANGER] as const

/** A week in which Berlin's clocks are set back. */
export const SINCE_MS = Date.UTC(2026, 9, 21)
export const UNTIL_MS = SINCE_MS + 7 * DAY_MS

const PRICES: readonly Price[] = [
  {
    version: 'glm-5.2@1',
    base: ratesOf('1.40', '4.40', '0.260000003', '1.75', '2.80'),
    tiers: [{ above: 1000, ...ratesOf('2.80', '8.80', '0.52', '3.50', '5.60') }],
  },
  { version: 'glm-5.2@2', base: ratesOf('1.399999999', '4.1', '0.000000001', '1.7', '0'), tiers: [] },
  {
    version: 'minimax@7',
    base: ratesOf('0.3', '1.2', '0.03', '0.375', '0.6'),
    tiers: [
      { above: 500, ...ratesOf('0.333333333', '1.3', '0.04', '0.4', '0.7') },
      { above: 2000, ...ratesOf('0.6', '2.4', '0.05', '0.5', '0.8') },
    ],
  },
]

/** Numbers from 0 to 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export interface BooksOptions {
  readonly requests: number
  readonly seed: number
  /** Less on each row, for when there are very many: one try, and no cap. */
  readonly plain?: true
}

const ROWS_PER_WRITE = 5000

export async function fillBooks(db: Database, options: BooksOptions): Promise<void> {
  const random = randomFrom(options.seed)
  await db.write((sql) => writePeople(sql), { opensLedger: true })
  for (let from = 0; from < options.requests; from += ROWS_PER_WRITE) {
    const count = Math.min(ROWS_PER_WRITE, options.requests - from)
    const drawn = Array.from({ length: count }, (_, index) => drawRequest(random, from + index, options))
    await db.write((sql) => writeRequests(sql, drawn), { opensLedger: true })
  }
  await db.write((sql) => closeBooks(sql), { opensLedger: true })
}

interface Drawn {
  readonly row: readonly SqlValue[]
  readonly attempts: readonly (readonly SqlValue[])[]
  readonly meters: readonly (readonly SqlValue[])[]
  readonly transfer: readonly SqlValue[] | null
  readonly entries: readonly (readonly SqlValue[])[]
}

const METERS = ['5 hour', 'weekly', 'monthly'] as const

function drawRequest(random: () => number, index: number, { requests, plain }: BooksOptions): Drawn {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const person = pick(PEOPLE)
  const funding = pick<Funding>(['balance', 'balance', 'plan', 'free'])
  const createdAtMs = SINCE_MS + Math.floor(((index + random()) / requests) * (UNTIL_MS - SINCE_MS))
  // Admitted some time after it had arrived.
  const id = newId('req', createdAtMs - Math.floor(random() * 3000))
  const price = pick(PRICES)
  const weightPpm = pick([1_000_000n, 500_000n, 1_333_333n])
  const isHeld = random() < 0.01
  const outcome = random() < 0.8 ? 'complete' : pick(OUTCOMES)
  const isSold = chargeRuleOf(outcome) !== 'nothing'
  const state = isHeld ? 'held' : isSold ? 'settled' : 'released'
  const usage = isHeld ? NO_USAGE : drawUsage(random)
  const cost = !isHeld && isSold && funding !== 'free' ? chargeForUsage(price, usage) : nanoUsd(0)
  const hold =
    funding === 'free' ? nanoUsd(0) : nanoUsd(Math.floor(random() < 0.05 ? random() * 1e6 : 1e9 + random() * 1e6))
  const charged = minUsd(cost, hold)
  const provider = funding === 'free' ? 'sim' : pick(['acme', 'umbrella'])
  const attempts = isHeld ? 0 : plain || random() < 0.9 ? 1 : 2
  const endedAtMs = isHeld ? null : createdAtMs + 1500
  return {
    row: [
      ...[id, person.workspaceId, person.memberId, person.keyId, funding === 'plan' ? `seat_${person.memberId}` : null],
      random() < 0.1 ? null : `ses_${Math.floor(random() * 20)}`,
      formatTags(pick(['', 'team=core', 'team=core,nightly', 'team=api', 'nightly'])),
      ...[
        funding === 'plan' ? 'go' : 'zen',
        'openai-chat',
        funding === 'free' ? 'big-pickle' : (price.version.split('@')[0] as string),
      ],
      ...[1, funding, state, funding === 'free' ? null : price.version, weightPpm, hold, hold],
      ...(isHeld ? [null, null, null, null] : [cost, charged, outcome, CHARGE_POLICY_VERSION]),
      ...[!isHeld && isSold && random() < 0.1 ? 1 : 0, isHeld ? null : 200, provider, attempts],
      ...[usage.input, usage.cachedRead, usage.cacheWrite5m, usage.cacheWrite1h, usage.output, usage.reasoning],
      ...[createdAtMs, endedAtMs && createdAtMs + 300, endedAtMs],
    ],
    attempts: Array.from({ length: attempts }, (_, n) => {
      const isLast = n === attempts - 1
      return [
        id,
        n + 1,
        isLast ? provider : 'broken',
        isLast ? 200 : 503,
        isLast ? outcome : 'upstream_failed',
        createdAtMs,
        createdAtMs + 1500,
      ]
    }),
    meters: drawMeters(random, { id, person, funding, state, hold, charged, weightPpm, plain: plain === true }),
    ...drawSettlement({ id, person, funding, cost, charged, atMs: createdAtMs + 1500, split: random() < 0.2 }),
  }
}

function drawUsage(random: () => number): Usage {
  const some = (most: number): number => (random() < 0.4 ? 0 : Math.floor(random() * most))
  const output = some(900)
  return {
    ...{ input: some(1200), cachedRead: some(900), cacheWrite5m: some(300), cacheWrite1h: some(300), output },
    reasoning: Math.floor(random() * output),
  }
}

interface DrawnCharge {
  readonly id: string
  readonly person: (typeof PEOPLE)[number]
  readonly funding: Funding
  readonly charged: NanoUsd
}

function drawMeters(
  random: () => number,
  drawn: DrawnCharge & { state: string; hold: NanoUsd; weightPpm: bigint; plain: boolean },
): SqlValue[][] {
  const { id, person, funding, state, hold, charged, weightPpm, plain } = drawn
  const isHeld = state === 'held'
  const count = (meter: string, weight: bigint): SqlValue[] => [
    ...[id, meter, isHeld ? weighUsd(hold, weight) : 0n, isHeld ? 0n : weighUsd(charged, weight)],
  ]
  if (funding === 'plan') return METERS.map((name) => count(`seat_${person.memberId}:${name}`, weightPpm))
  if (funding === 'balance' && !plain && random() < 0.5) return [count(`${person.keyId}:daily key cap`, 1_000_000n)]
  return []
}

function drawSettlement(
  drawn: DrawnCharge & { cost: NanoUsd; atMs: number; split: boolean },
): Pick<Drawn, 'transfer' | 'entries'> {
  const { id, person, funding, cost, charged, atMs, split } = drawn
  if (funding !== 'balance' || cost === 0n) return { transfer: null, entries: [] }
  const { workspaceId } = person
  const first = split ? charged / 3n : charged
  const legs: [string, bigint, string | null][] = [[`acc_${workspaceId}`, -first, `grant_${workspaceId}_1`]]
  if (first < charged) legs.push([`acc_${workspaceId}`, first - charged, `grant_${workspaceId}_2`])
  legs.push(['usage_revenue', cost, null])
  if (cost > charged) legs.push(['write_off', charged - cost, null])
  const entries = legs.map(([account, amount, grant], leg) => [`s:${id}`, leg, account, amount, grant])
  return { transfer: [`s:${id}`, 'settlement', atMs], entries }
}

const REQUEST_COLUMNS =
  'id, workspace_id, member_id, key_id, seat_id, session, tags, product, protocol, model, stream, funding, state,' +
  ' price_version, weight_ppm, hold, max_hold, cost, charged, outcome, policy_version, estimated, status, provider,' +
  ' attempts, input_tokens, cached_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,' +
  ' reasoning_tokens, created_at, first_byte_at, ended_at'

async function writeRequests(sql: Sql, drawn: readonly Drawn[]): Promise<void> {
  const insert = (table: string, columns: string, rows: readonly (readonly SqlValue[])[]): Promise<number[]> => {
    const marks = columns
      .split(',')
      .map(() => '?')
      .join(', ')
    return sql.runEach(`INSERT INTO ${table} (${columns}) VALUES (${marks})`, rows)
  }
  await insert(
    'request',
    REQUEST_COLUMNS,
    drawn.map(({ row }) => row),
  )
  const attemptColumns = 'request_id, n, provider, status, outcome, started_at, ended_at'
  await insert(
    'attempt',
    attemptColumns,
    drawn.flatMap(({ attempts }) => attempts),
  )
  await insert(
    'request_meter',
    'request_id, meter_id, held, counted',
    drawn.flatMap(({ meters }) => meters),
  )
  const transfers = drawn.map(({ transfer }) => transfer).filter((transfer) => transfer !== null)
  await insert('transfer', 'id, kind, created_at', transfers)
  await insert(
    'entry',
    'transfer_id, leg, account_id, amount, grant_id',
    drawn.flatMap(({ entries }) => entries),
  )
}

async function writePeople(sql: Sql): Promise<void> {
  await ensureSystemAccounts(sql)
  await savePriceVersions(sql, PRICES, 1)
  for (const id of [MINE, OTHERS]) {
    await sql.run('INSERT INTO workspace (id, name, created_at, time_zone) VALUES (?, ?, 1, ?)', id, id, ZONE)
    await sql.run("INSERT INTO account (id, workspace_id, kind) VALUES (?, ?, 'balance')", `acc_${id}`, id)
    for (const n of [1, 2]) await writeLot(sql, id, n)
  }
  for (const { workspaceId, memberId, keyId } of PEOPLE) {
    const role = memberId === MEMBER.memberId ? 'member' : 'admin'
    const member = 'INSERT INTO member (id, workspace_id, name, role, created_at) VALUES (?, ?, ?, ?, 1)'
    await sql.run(member, memberId, workspaceId, memberId, role)
    const key =
      'INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, created_at) VALUES (?, ?, ?, ?, ?, ?, 1)'
    await sql.run(key, keyId, workspaceId, memberId, keyId, `hash of ${keyId}`, '')
    const meters = METERS.map((name) => ['seat', `seat_${memberId}`, name, 'calendar'])
    for (const [scope, subject, name, kind] of [...meters, ['key', keyId, 'daily key cap', 'calendar']]) {
      const insert =
        'INSERT INTO meter (id, workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'
      const id = `${subject}:${name}`
      await sql.run(
        insert,
        id,
        workspaceId,
        `${scope}`,
        `${subject}`,
        `${name}`,
        `${kind}`,
        SINCE_MS,
        UNTIL_MS,
        10n ** 15n,
      )
    }
  }
}

const LOT = 10n ** 15n

async function writeLot(sql: Sql, workspaceId: string, n: number): Promise<void> {
  const id = `grant_${workspaceId}_${n}`
  const insert =
    "INSERT INTO credit_grant (id, workspace_id, source, amount, remaining, note, created_at) VALUES (?, ?, 'operator', ?, ?, '', 1)"
  await sql.run(insert, id, workspaceId, LOT, LOT)
  await sql.run("INSERT INTO transfer (id, kind, created_at) VALUES (?, 'grant', 1)", `g:${id}`)
  const entry = 'INSERT INTO entry (transfer_id, leg, account_id, amount, grant_id) VALUES (?, ?, ?, ?, ?)'
  await sql.run(entry, `g:${id}`, 0, `acc_${workspaceId}`, LOT, id)
  await sql.run(entry, `g:${id}`, 1, 'credit_issued', -LOT, null)
}

/** Sets the cached sums to what the rows make. */
async function closeBooks(sql: Sql): Promise<void> {
  await sql.run(
    'UPDATE account SET posted = (SELECT COALESCE(SUM(amount), 0) FROM entry WHERE account_id = account.id)',
  )
  await sql.run(
    "UPDATE account SET held = (SELECT COALESCE(SUM(hold), 0) FROM request WHERE workspace_id = account.workspace_id AND state = 'held' AND funding = 'balance') WHERE kind = 'balance'",
  )
  await sql.run('UPDATE credit_grant SET remaining = (SELECT SUM(amount) FROM entry WHERE grant_id = credit_grant.id)')
  await sql.run(
    'UPDATE meter SET settled = (SELECT COALESCE(SUM(counted), 0) FROM request_meter WHERE meter_id = meter.id),' +
      ' held = (SELECT COALESCE(SUM(held), 0) FROM request_meter WHERE meter_id = meter.id)',
  )
}
