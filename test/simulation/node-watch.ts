/** Watches who is taken for dead: only a process that is gone, or was silent while the database could be reached. */
import type { Sql } from '../../src/store/database.ts'
import { demand } from './model.ts'
import { GRACE_MS, type Machine } from './node.ts'

interface Watched {
  readonly beat: bigint
  /** How long the database had been up when it last beat. */
  readonly upMs: number
  readonly isEnded: boolean
}

export class NodeWatch {
  readonly #machines: readonly Machine[]
  readonly #upMs: () => number
  /** By id of the node's row. */
  readonly #watched = new Map<string, Watched>()
  readonly #givenUp = new Set<string>()

  /** `upMs`: for how long the database has been up in all. */
  constructor(machines: readonly Machine[], upMs: () => number) {
    this.#machines = machines
    this.#upMs = upMs
  }

  hasEnded(id: string): boolean {
    return this.#watched.get(id)?.isEnded === true
  }

  /** Whether it had been silent for so long that others could rightly end its requests. */
  wasGivenUp(id: string): boolean {
    return this.#givenUp.has(id)
  }

  /** @throws Violation when one was taken for dead that is not. */
  async look(sql: Pick<Sql, 'all'>): Promise<void> {
    const rows = await sql.all<{ id: string; beat: bigint; ended_at: bigint | null }>(
      'SELECT id, beat, ended_at FROM node',
    )
    for (const { id, beat, ended_at } of rows) {
      const known = this.#watched.get(id)
      if (known?.isEnded) continue
      const isEnded = ended_at !== null
      const silentMs = this.#upMs() - (known?.upMs ?? this.#upMs())
      if (isEnded) this.#judgeDeath(id, silentMs)
      if (isEnded || known?.beat !== beat) this.#watched.set(id, { beat, upMs: this.#upMs(), isEnded })
    }
  }

  #judgeDeath(id: string, silentMs: number): void {
    const machine = this.#machines.find(({ node }) => node?.id === id)
    const isGone = !machine || machine.owner.isDead
    const isSilent = silentMs >= GRACE_MS / 2
    if (isSilent) this.#givenUp.add(id)
    demand(isGone || isSilent, `a process was taken for dead after ${silentMs} ms of silence`)
  }
}
