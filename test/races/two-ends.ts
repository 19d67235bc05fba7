/** The race of ends: the node of a request and somebody who takes that one for dead both end it, at the same moment. */
import type { HoldCommand } from '../../src/ledger/command.ts'
import { sampleViolations } from './checker.ts'
import { dawdle, type Field } from './nodes.ts'
import type { Random } from './random.ts'
import { type Admitted, addBuyer, type Buyer, CENT, endCommand, holdCommand, planOf, windowOf } from './world.ts'

const REQUESTS = 16

export interface EndsResult {
  readonly faults: readonly string[]
  readonly violations: readonly string[]
}

/** Half of the requests are paid by a plan, half by the balance; each is ended three times, by two nodes. */
export async function raceEnds(field: Field, rounds: number, random: Random): Promise<EndsResult> {
  const stopSampling = sampleViolations(field.db)
  const faults: string[] = []
  for (let round = 0; round < rounds; round++) {
    const buyer = await addBuyer(field.db, 1000n * CENT)
    const charged = await Promise.all(
      Array.from({ length: REQUESTS }, (_, i) => endThrice(field, buyer, i, random, faults)),
    )
    const sum = charged.reduce((total, amount) => total + amount, 0n)
    faults.push(...(await compareWithBooks(field, buyer, sum)))
  }
  return { faults, violations: await stopSampling() }
}

/** Resolves with what it was charged in all, by those whose end counted. */
async function endThrice(field: Field, buyer: Buyer, i: number, random: Random, faults: string[]): Promise<bigint> {
  const windows = [windowOf('session', 1000n * CENT), windowOf('calendar', 1000n * CENT)]
  const command = holdCommand(buyer, { amount: CENT, ...(i % 2 === 0 && { sources: [planOf(buyer, windows)] }) })
  const held = await field.nodeOf(i).hold(command)
  if (!held.ok) throw new Error('a hold was refused')
  const cost = CENT / 2n
  const ends = [
    { node: i, end: endCommand(command, held, cost, { endedBy: 'node_own' }), counts: cost },
    { node: i + 1, end: endCommand(command, held, cost, { endedBy: 'node_own' }), counts: cost },
    { node: i + 2, end: endCommand(command, held, 0n, { endedBy: 'sweep' }), counts: 0n },
  ]
  const results = await Promise.all(
    ends.map(async ({ node, end, counts }) => {
      await dawdle(random.below(6))
      const result = await field
        .nodeOf(node)
        .end(end)
        .catch((error: unknown) => void faults.push(String(error)))
      return { by: end.end.endedBy, kind: result?.kind ?? 'failed', counts }
    }),
  )
  return judge(command, held, results, faults)
}

interface OneEnd {
  readonly by: string
  readonly kind: string
  readonly counts: bigint
}

function judge(command: HoldCommand, held: Admitted, results: readonly OneEnd[], faults: string[]): bigint {
  const winners = new Set(results.filter(({ kind }) => kind === 'ended').map(({ by }) => by))
  if (winners.size !== 1)
    faults.push(`${command.request.id} of ${held.funding} was ended by ${[...winners].join(' and ')}`)
  return winners.has('node_own') ? (results[0]?.counts ?? 0n) : 0n
}

async function compareWithBooks({ db }: Field, buyer: Buyer, charged: bigint): Promise<string[]> {
  const balance = await db.get<{ posted: bigint; held: bigint }>(
    'SELECT posted, held FROM account WHERE id = ?',
    buyer.accountId,
  )
  const meter = await db.get<{ settled: bigint; held: bigint }>(
    "SELECT settled, held FROM meter WHERE workspace_id = ? AND kind = 'session'",
    buyer.workspaceId,
  )
  const spent = 1000n * CENT - (balance?.posted ?? 0n) + (meter?.settled ?? 0n)
  return [
    ...(spent === charged ? [] : [`${charged} was charged, and ${spent} is missing`]),
    ...(balance?.held === 0n && meter?.held === 0n ? [] : [`${balance?.held} and ${meter?.held} are still held`]),
  ]
}
