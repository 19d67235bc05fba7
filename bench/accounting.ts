/** Compares three independent counts: what the load generator got, what the ledger says, what the mock sent. */
import type { LedgerTotals } from './zendo.ts'

export interface MockCount {
  readonly requests: number
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly completionTokens: number
}

export interface AccountingInput {
  readonly subject: string
  /** Complete 200 answers that the load generator received. */
  readonly answered: number
  readonly mock: MockCount
  readonly ledger: LedgerTotals
  /** The price of the mock's tokens, in nano-dollars. */
  readonly expectedNano: bigint
  readonly auditDifferences: number
}

export interface AccountingResult extends AccountingInput {
  /** Empty when all agree. Each names the two sides and both numbers. */
  readonly mismatches: readonly string[]
}

export function checkAccounting(input: AccountingInput): AccountingResult {
  const { answered, mock, ledger } = input
  const pairs: [string, number | bigint, string, number | bigint][] = [
    ['requests answered', answered, 'rows settled', ledger.settled],
    ['requests answered', answered, 'requests at the mock', mock.requests],
    ['prompt tokens sent', mock.promptTokens, 'booked', ledger.promptTokens],
    ['cached tokens sent', mock.cachedTokens, 'booked', ledger.cachedTokens],
    ['completion tokens sent', mock.completionTokens, 'booked', ledger.completionTokens],
    ['nano-dollars expected', input.expectedNano, 'charged', ledger.chargedNano],
    ['rows left held', ledger.open, 'allowed', 0],
    ['rows released', ledger.released, 'allowed', 0],
    ['differences found by the audit', input.auditDifferences, 'allowed', 0],
  ]
  const mismatches = pairs
    .filter(([, left, , right]) => left !== right)
    .map(([leftName, left, rightName, right]) => `${input.subject}: ${leftName} ${left}, ${rightName} ${right}`)
  return { ...input, mismatches }
}
