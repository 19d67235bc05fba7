/** The shape of one chaos test, and what it gets to work with. */
import type { PostgresCluster } from '../../support/postgres.ts'
import type { Engine } from './world.ts'

export interface Context {
  readonly engine: Engine
  readonly seed: number
  /** Below it everything is made; removed at the end. */
  readonly scratch: string
  /** How many kills at random, on this engine. */
  readonly kills: number
  readonly isLong: boolean
  /** Fewer of what only repeats. */
  readonly isQuick: boolean
  /** A running server; null on SQLite. */
  readonly cluster: PostgresCluster | null
  /** Writes a line of progress. */
  say(text: string): void
}

export interface Outcome {
  /** By name, in the order in which they are shown. */
  readonly figures: Readonly<Record<string, number | string>>
  /** Empty when the test passed. */
  readonly violations: readonly string[]
  /** Why nothing was tested. */
  readonly skipped?: string
}

export interface ChaosTest {
  /** As in the plan of tests: `m01`. */
  readonly id: string
  readonly title: string
  readonly engines: readonly Engine[]
  run(context: Context): Promise<Outcome>
}
