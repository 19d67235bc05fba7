/** The race for the last money: many clients at once, on a balance that pays for ten of them. */
import type { HoldCommand, HoldResult, Refusal } from '../../src/ledger/command.ts'
import { sampleViolations } from './checker.ts'
import { dawdle, type Field } from './nodes.ts'
import type { Random } from './random.ts'
import { type Admitted, addBuyer, CENT, endCommand, holdCommand } from './world.ts'

export const CLIENTS = 64
export const AFFORDABLE = 10

export interface RoundResult {
  readonly admitted: number
  readonly refused: readonly Refusal[]
  /** Of clients that got neither. */
  readonly failed: readonly string[]
  /** What the balance was in the end. */
  readonly left: bigint
}

export interface RoundsResult {
  readonly rounds: readonly RoundResult[]
  readonly violations: readonly string[]
}

/** Runs rounds of it, each on a fresh balance, and looks at the books meanwhile. */
export async function raceForLastMoney(field: Field, rounds: number, random: Random): Promise<RoundsResult> {
  const stopSampling = sampleViolations(field.db)
  const results: RoundResult[] = []
  for (let round = 0; round < rounds; round++) results.push(await runRound(field, random, round % 2 === 0))
  return { rounds: results, violations: await stopSampling() }
}

/** `endsAtOnce`: who is admitted ends while others still ask; else all ask first. */
async function runRound(field: Field, random: Random, endsAtOnce: boolean): Promise<RoundResult> {
  const buyer = await addBuyer(field.db, BigInt(AFFORDABLE) * CENT)
  const refused: Refusal[] = []
  const failed: string[] = []
  const won: { i: number; command: HoldCommand; held: Admitted }[] = []
  const end = async ({ i, command, held }: (typeof won)[number]): Promise<void> => {
    // By another node than the one that took it, at times: ends may be swept or replayed.
    const ended = await field.nodeOf(i + random.below(2)).end(endCommand(command, held, CENT))
    if (ended.kind !== 'ended') failed.push('an end came late')
  }
  const client = async (i: number): Promise<void> => {
    await dawdle(random.below(12))
    const command = holdCommand(buyer, { amount: CENT })
    const result = await field.nodeOf(i).hold(command).catch(reasonText)
    if (typeof result === 'string') failed.push(result)
    else if (!result.ok) refused.push(result.refusal)
    else {
      won.push({ i, command, held: result })
      if (endsAtOnce) await end({ i, command, held: result }).catch((error: unknown) => void failed.push(String(error)))
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(i)))
  if (!endsAtOnce)
    await Promise.all(won.map((one) => end(one).catch((error: unknown) => void failed.push(String(error)))))
  const row = await field.db.get<{ posted: bigint }>('SELECT posted FROM account WHERE id = ?', buyer.accountId)
  return { admitted: won.length, refused, failed, left: row?.posted ?? 0n }
}

function reasonText(error: unknown): string | HoldResult {
  return String(error)
}

/** What a round did that it should not have; empty when all is well. */
export function faultsOf({ admitted, refused, failed, left }: RoundResult): string[] {
  const wrong = refused.filter((one) => one.kind !== 'limit' || one.limit.kind !== 'balance')
  return [
    ...(admitted === AFFORDABLE ? [] : [`${admitted} were admitted`]),
    ...(refused.length === CLIENTS - AFFORDABLE ? [] : [`${refused.length} were refused`]),
    ...wrong.map(({ kind }) => `refused as ${kind}`),
    ...failed,
    ...(left === 0n ? [] : [`${left} is left`]),
  ]
}
