/** The race of twins: requests with one idempotency key, at the same moment, on several ledgers. */
import type { HoldCommand } from '../../src/ledger/command.ts'
import { violationsOf } from './checker.ts'
import { dawdle, type Field } from './nodes.ts'
import type { Random } from './random.ts'
import { addBuyer, CENT, endCommand, holdCommand, nextId } from './world.ts'

const TWINS = 12

/** Resolves with what went wrong. By turns the first twin fails, and its key is free again, or is charged. */
export async function raceTwins(field: Field, rounds: number, random: Random): Promise<string[]> {
  const faults: string[] = []
  const buyer = await addBuyer(field.db, 100_000n * CENT)
  for (let round = 0; round < rounds; round++) {
    const idempotencyKey = nextId('key')
    let admitted = 0
    let repeated = 0
    const twin = async (i: number): Promise<void> => {
      await dawdle(random.below(6))
      const plain = holdCommand(buyer, { amount: CENT })
      const command: HoldCommand = { ...plain, request: { ...plain.request, idempotencyKey, bodyDigest: 'same' } }
      const result = await field.nodeOf(i).hold(command)
      if (result.ok) {
        admitted++
        await field.nodeOf(i + 1).end(endCommand(command, result, round % 2 === 0 ? CENT : 0n))
      } else if (result.refusal.kind === 'repeated') repeated++
      else faults.push(`refused as ${result.refusal.kind}`)
    }
    const twins = await Promise.allSettled(Array.from({ length: TWINS }, (_, i) => twin(i)))
    faults.push(...twins.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : [])))
    // One that was released leaves its key to the next, which may be any of them.
    const isRight = round % 2 === 0 ? admitted === 1 : admitted >= 1
    if (!isRight || admitted + repeated !== TWINS) faults.push(`${admitted} were admitted, ${repeated} repeated`)
  }
  return [...faults, ...(await violationsOf(field.db))]
}
