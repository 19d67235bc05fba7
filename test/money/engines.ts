/** Plays money tests on both engines: on a file in the data directory, and on a PostgreSQL server of the test file's own. */
import { after, describe, it } from 'node:test'
import { findPostgres, type PostgresCluster, startPostgres } from '../support/postgres.ts'

export interface SceneEngine {
  readonly name: 'sqlite' | 'postgres'
  /** The URL of an empty database; null where the gateway keeps a file of its own. */
  createDatabase(): Promise<string | null>
}

/** Defines tests once for each engine. Where PostgreSQL is not installed, one test says that it was skipped. */
export function onEachEngine(define: (engine: SceneEngine) => void): void {
  describe('on SQLite', () => define({ name: 'sqlite', createDatabase: () => Promise.resolve(null) }))
  describe('on PostgreSQL', () => {
    if (findPostgres() === null) {
      it('needs PostgreSQL', { skip: 'PostgreSQL is not installed' }, () => undefined)
      return
    }
    let cluster: Promise<PostgresCluster> | null = null
    define({
      name: 'postgres',
      async createDatabase() {
        cluster ??= startPostgres()
        return (await cluster).createDatabase()
      },
    })
    // Hooks run in the order in which they were set: the gateways have ended by then.
    after(async () => (await cluster)?.close())
  })
}
