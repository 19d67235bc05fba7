/** Random programs of credit: lots that expire and outrank each other, holds, ends and refunds, against the model. */
import assert from 'node:assert/strict'
import { nanoUsd } from '../../src/base/money.ts'
import { refundRequest } from '../../src/control/refund.ts'
import { testActing } from '../../src/control/test-instance.ts'
import type { EndResult, HoldCommand, HoldResult } from '../../src/ledger/command.ts'
import { grantLot } from '../../src/ledger/credit.ts'
import { expireCredit } from '../../src/ledger/expired-credit.ts'
import { runCommands } from '../../src/ledger/transaction.ts'
import { createBalance } from '../../src/store/account.ts'
import type { Database, Sql } from '../../src/store/database.ts'
import { insertWorkspace } from '../../src/store/workspace.ts'
import { createCreditModel } from './credit-model.ts'
import type { Random } from './random.ts'
import { type Admitted, type Buyer, endCommand, holdCommand, lotOf, makeBuyer, NOON_MS, nextId } from './world.ts'

const STEPS = 10
const NOBODY_TOLD = { receivers: () => [] }

/** What a program saw of the parts that matter, so that it can be told that they were reached. */
export interface Seen {
  refused: number
  expired: number
  keptByHold: number
  refunded: number
  writtenOff: number
}

export const NOTHING_SEEN: Readonly<Seen> = { refused: 0, expired: 0, keptByHold: 0, refunded: 0, writtenOff: 0 }

/** Runs one program in the transaction given. @throws AssertionError with the steps where books and model differ */
export async function runCreditProgram(db: Database, sql: Sql, random: Random, seen: Seen): Promise<void> {
  const program = await createProgram(db, sql, random, seen)
  try {
    for (let step = 0; step < STEPS; step++) await program.step()
    await program.finish()
  } catch (error) {
    throw new Error(`after ${program.steps.join('; ')}: ${String(error)}`, { cause: error })
  }
}

interface Program {
  readonly steps: readonly string[]
  step(): Promise<void>
  finish(): Promise<void>
}

interface Open {
  readonly command: HoldCommand
  readonly held: Admitted
}

async function createProgram(db: Database, sql: Sql, random: Random, seen: Seen): Promise<Program> {
  const buyer = makeBuyer()
  await insertWorkspace(sql, { id: buyer.workspaceId, name: buyer.workspaceId }, NOON_MS)
  await createBalance(sql, buyer.accountId, buyer.workspaceId)
  const within = insideOf(db, sql)
  const model = createCreditModel()
  const steps: string[] = []
  const open: Open[] = []
  const charged: { id: string; left: bigint }[] = []
  let nowMs = NOON_MS

  async function grant(): Promise<void> {
    const amount = BigInt(1 + random.below(20))
    const priority = random.pick([50, 100, 100, 200])
    const expiresAtMs = random.pick([null, nowMs + 1 + random.below(40)])
    const lot = lotOf(buyer, amount, { id: nextId('lot'), priority, expiresAtMs, createdAtMs: nowMs })
    steps.push(`${nowMs - NOON_MS}: grant ${amount} of ${priority} until ${expiresAtMs && expiresAtMs - NOON_MS}`)
    await grantLot(sql, buyer.accountId, lot)
    model.grant({ ...lot, remaining: amount })
  }

  async function hold(): Promise<void> {
    const amount = BigInt(1 + random.below(15))
    const command = holdCommand(buyer, { amount, atMs: nowMs })
    const [result] = (await runCommands(sql, [command], NOBODY_TOLD)) as HoldResult[]
    const fits = model.hold(command.request.id, amount, nowMs)
    steps.push(`${nowMs - NOON_MS}: hold ${amount}: ${result?.ok}`)
    assert.equal(result?.ok, fits, 'is it admitted?')
    if (result?.ok) open.push({ command, held: result })
    else seen.refused++
  }

  async function end(): Promise<void> {
    const [one] = open.splice(random.below(Math.max(1, open.length)), 1)
    if (!one) return
    const { id } = one.command.request
    const cost = BigInt(random.below(Number(one.held.cover.hold) + 4))
    const [result] = (await runCommands(
      sql,
      [endCommand(one.command, one.held, cost, { atMs: nowMs })],
      NOBODY_TOLD,
    )) as EndResult[]
    steps.push(`${nowMs - NOON_MS}: end of ${one.held.cover.hold} at ${cost}`)
    const amount = model.end(id, cost)
    assert.ok(result?.kind === 'ended' && result.charged === amount, 'what is charged')
    if (cost > amount) seen.writtenOff++
    if (amount > 0n) charged.push({ id, left: amount })
  }

  async function refund(): Promise<void> {
    const one = charged[random.below(Math.max(1, charged.length))]
    if (!one || one.left === 0n) return
    const amount = BigInt(1 + random.below(Number(one.left)))
    steps.push(`${nowMs - NOON_MS}: refund ${amount}`)
    const { lot } = await refundRequest(within, testActing(nowMs), {
      requestId: one.id,
      amount: nanoUsd(amount),
      note: 'x',
    })
    one.left -= amount
    model.grant({ ...lot, remaining: amount })
    const tooMuch = { requestId: one.id, amount: nanoUsd(one.left + 1n), note: 'x' }
    await assert.rejects(refundRequest(within, testActing(nowMs), tooMuch), { code: 'invalid_request' })
    seen.refunded++
  }

  async function sweep(): Promise<void> {
    steps.push(`${nowMs - NOON_MS}: expire`)
    await expireCredit(within, nowMs)
    model.expire(nowMs)
  }

  async function compare(): Promise<void> {
    const rows = await sql.all<{ id: string; remaining: bigint; expires_at: bigint | null }>(
      'SELECT id, remaining, expires_at FROM credit_grant WHERE workspace_id = ? AND remaining > 0',
      buyer.workspaceId,
    )
    const rest = model.rest()
    const books = rows.map(({ id, remaining }) => `${id} ${remaining}`).sort()
    const wanted = [...rest].filter(([, amount]) => amount > 0n).map(([id, amount]) => `${id} ${amount}`)
    assert.deepEqual(books, wanted.sort(), 'what is left of each lot')
    if (rows.some((row) => row.remaining > 0n && row.expires_at !== null && row.expires_at <= BigInt(nowMs)))
      seen.keptByHold++
    await compareAccount(sql, buyer, [...rest.values()], model.held())
  }

  /** What is left does not concern the programs that follow. */
  async function spendAll(): Promise<void> {
    const amount = [...model.rest().values()].reduce((sum, rest) => sum + rest, 0n)
    if (amount === 0n) return
    const command = holdCommand(buyer, { amount, atMs: nowMs })
    const [result] = (await runCommands(sql, [command], NOBODY_TOLD)) as HoldResult[]
    assert.ok(result?.ok, 'all that is left can be spent')
    await runCommands(sql, [endCommand(command, result, amount, { atMs: nowMs })], NOBODY_TOLD)
    model.hold(command.request.id, amount, nowMs)
    model.end(command.request.id, amount)
    await compare()
  }

  return {
    steps,
    async step() {
      nowMs += 1 + random.below(8)
      await random.pick([grant, grant, hold, hold, hold, end, end, refund, refund, sweep])()
      await compare()
    },
    async finish() {
      while (open.length > 0) await end()
      nowMs += 1000
      await sweep()
      await compare()
      if (model.expired() > 0n) seen.expired++
      await spendAll()
    },
  }
}

async function compareAccount(sql: Sql, { accountId }: Buyer, rest: readonly bigint[], held: bigint): Promise<void> {
  const row = await sql.get<{ posted: bigint; held: bigint }>(
    'SELECT posted, held FROM account WHERE id = ?',
    accountId,
  )
  const total = rest.reduce((sum, amount) => sum + amount, 0n)
  assert.deepEqual([row?.posted, row?.held], [total, held], 'the balance and what it holds')
}

/** Work that opens a transaction of its own joins the one that is open: programs are many, and each commit is a wait. */
function insideOf(db: Database, sql: Sql): Database {
  return { ...db, ...sql, write: (work) => work(sql), read: (work) => work(sql) }
}
