/** The shape of one class of attacks, and what it gets to work with. */

export interface AttackContext {
  /** Everything random follows from it. */
  readonly seed: number
  /** The whole measure of `npm run test:security`; else the smaller one of `npm test`. */
  readonly isLong: boolean
}

export interface Outcome {
  /** By name, in the order in which they are shown. */
  readonly figures: Readonly<Record<string, number | string>>
  /** Empty when nothing was found. */
  readonly violations: readonly string[]
  /** What was not tried here, and why. */
  readonly skipped?: readonly string[]
}

export interface AttackClass {
  /** As in the plan of tests. */
  readonly id: string
  readonly title: string
  run(context: AttackContext): Promise<Outcome>
  /**
   * The same look at a gateway with a planted fault, or at a plain client that has it: what it must find. A class
   * whose control finds nothing proves nothing.
   */
  control(context: AttackContext): Promise<Outcome>
}

/** Collects what was found, so that one find does not hide the others. */
export class Findings {
  readonly violations: string[] = []
  readonly #figures = new Map<string, number>()

  count(name: string, by = 1): void {
    this.#figures.set(name, (this.#figures.get(name) ?? 0) + by)
  }

  check(isRight: boolean, what: () => string): void {
    if (!isRight) this.violations.push(what())
  }

  outcome(skipped: readonly string[] = []): Outcome {
    const figures = Object.fromEntries(this.#figures)
    return { figures, violations: this.violations, ...(skipped.length > 0 && { skipped }) }
  }
}
