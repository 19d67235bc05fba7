/** How one comparison ended, in the form that the table is made of. */

/** `disclosed`: something is not there that the test names, with its reason. */
export type Verdict = 'passed' | 'disclosed' | 'failed'

export interface Outcome {
  /** The row of the table. */
  readonly family: string
  /** Its column: whose client, or which upstream. */
  readonly target: string
  /** Tells it from all others in reports. */
  readonly label: string
  readonly verdict: Verdict
  /** The reasons of what is not there. */
  readonly losses: readonly string[]
  readonly problems: readonly string[]
}
