/** Databases for runs, each fresh: copies of one that is furnished once. In memory where the system has a place for it. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from '../../src/store/database.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { type PostgresCluster, runSql, startPostgres } from '../support/postgres.ts'
import { furnish, START_MS } from './world.ts'

export type Engine = 'sqlite' | 'postgres'

export interface Fresh {
  readonly database: Database
  /** Empty. */
  readonly directory: string
  remove(): Promise<void>
}

export interface Places {
  open(): Promise<Fresh>
  close(): Promise<void>
}

const MEMORY = '/dev/shm'

function makeDirectory(): string {
  return mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'zendo-simulation-'))
}

export function createPlaces(engine: Engine): Promise<Places> {
  return engine === 'sqlite' ? onSqlite() : onPostgres()
}

async function onSqlite(): Promise<Places> {
  const root = makeDirectory()
  const template = join(root, 'template.db')
  const first = await openSqlite(template, { nowMs: START_MS })
  await furnish(first)
  await first.close()
  return {
    async open() {
      const directory = makeDirectory()
      const path = join(directory, 'zendo.db')
      copyFileSync(template, path)
      const database = await openSqlite(path, { nowMs: START_MS, isMigrated: true })
      return {
        database,
        directory,
        async remove() {
          await database.close()
          rmSync(directory, { recursive: true, force: true })
        },
      }
    },
    close: async () => rmSync(root, { recursive: true, force: true }),
  }
}

async function onPostgres(): Promise<Places> {
  const cluster = await startPostgres({ settings: { fsync: 'on' } })
  try {
    const first = await openPostgres(await cluster.createDatabase(), { nowMs: START_MS })
    await furnish(first)
    await first.close()
  } catch (error) {
    await cluster.close()
    throw error
  }
  const template = `test_${process.pid}_1`
  let count = 0
  return {
    open: () => openCopy(cluster, template, `run_${++count}`),
    close: () => cluster.close(),
  }
}

async function openCopy(cluster: PostgresCluster, template: string, name: string): Promise<Fresh> {
  await runSql(cluster.url(), `CREATE DATABASE ${name} TEMPLATE ${template}`)
  const database = await openPostgres(cluster.url(name), { nowMs: START_MS, isMigrated: true, maxConnections: 2 })
  const directory = makeDirectory()
  return {
    database,
    directory,
    async remove() {
      await database.close()
      rmSync(directory, { recursive: true, force: true })
      await runSql(cluster.url(), `DROP DATABASE ${name} WITH (FORCE)`)
    },
  }
}
