/** Runs the same tests on both engines, each on fresh databases of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { Database } from '../../src/store/database.ts'
import { type DatabasePlace, openDatabase } from '../../src/store/open-database.ts'
import { findPostgres, type PostgresCluster, runSql, startPostgres } from './postgres.ts'

/** The URL of a running server on which databases may be made; without it a cluster is made per test file. */
const SHARED_URL = process.env.ZENDO_TEST_POSTGRES_URL

export interface TestStore {
  /** For processes that open it themselves. */
  readonly place: DatabasePlace
  /** One more `Database` on it, as if from one more process; the end of the test closes it. */
  open(): Promise<Database>
}

export interface TestEngine {
  readonly name: Database['engine']
  /** An empty database, which the first `open` migrates; the end of the test removes it. */
  createStore(t: TestContext): Promise<TestStore>
  /** A fresh migrated database. */
  openDatabase(t: TestContext): Promise<Database>
  /** A fresh migrated database, opened as if by so many processes. */
  openDatabases(t: TestContext, count: number): Promise<Database[]>
}

/** Defines tests once for each engine. Where PostgreSQL is not installed, one test says that it was skipped. */
export function forEachEngine(define: (engine: TestEngine) => void): void {
  describe('on SQLite', () => define(engineOf('sqlite', { createEmpty: createFile, createMigrated: createFile })))
  describe('on PostgreSQL', () => {
    if (SHARED_URL === undefined && findPostgres() === null) return skipped()
    const server = shareServer()
    after(() => server.close())
    const createEmpty = (t: TestContext): Promise<DatabasePlace> => createOnServer(t, server, 'template1')
    const createMigrated = async (t: TestContext): Promise<DatabasePlace> =>
      createOnServer(t, server, await server.template())
    define(engineOf('postgres', { createEmpty, createMigrated }))
  })
}

/** Defines tests of a server that they may kill and freeze: a cluster of their own, running when each begins. */
export function describeWithPostgres(name: string, define: (server: () => PostgresCluster) => void): void {
  describe(name, () => {
    if (findPostgres() === null) return skipped()
    let cluster: PostgresCluster | null = null
    before(async () => {
      cluster = await startPostgres()
    })
    after(() => cluster?.close())
    define(() => {
      if (cluster === null) throw new Error('the server is not running')
      return cluster
    })
  })
}

function skipped(): void {
  it('needs PostgreSQL', { skip: 'PostgreSQL is not installed' }, () => undefined)
}

interface Places {
  readonly createEmpty: (t: TestContext) => Promise<DatabasePlace>
  /** Where a copy is made faster than migrations are done, the tables are there already. */
  readonly createMigrated: (t: TestContext) => Promise<DatabasePlace>
}

function engineOf(name: TestEngine['name'], { createEmpty, createMigrated }: Places): TestEngine {
  async function createStoreAt(t: TestContext, createPlace: Places['createEmpty']): Promise<TestStore> {
    const opened: Database[] = []
    // Hooks run in the order in which they were set: what is open is closed before its place is removed.
    t.after(() => Promise.all(opened.map((database) => database.close())))
    const place = await createPlace(t)
    return {
      place,
      async open() {
        const database = await openDatabase(place, { nowMs: 0 })
        opened.push(database)
        return database
      },
    }
  }
  async function openDatabases(t: TestContext, count: number): Promise<Database[]> {
    const store = await createStoreAt(t, createMigrated)
    const databases: Database[] = []
    while (databases.length < count) databases.push(await store.open())
    return databases
  }
  async function openOne(t: TestContext): Promise<Database> {
    const [database] = await openDatabases(t, 1)
    if (!database) throw new Error('no database')
    return database
  }
  const createStore = (t: TestContext): Promise<TestStore> => createStoreAt(t, createEmpty)
  return { name, createStore, openDatabases, openDatabase: openOne }
}

async function createFile(t: TestContext): Promise<DatabasePlace> {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-store-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return { path: join(directory, 'zendo.db') }
}

async function createOnServer(t: TestContext, server: Server, template: string): Promise<DatabasePlace> {
  const adminUrl = await server.url()
  const name = `test_${process.pid}_${++databases}`
  await runSql(adminUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`)
  // A cluster of this file's own is deleted whole.
  if (SHARED_URL !== undefined) t.after(() => runSql(adminUrl, `DROP DATABASE ${name} WITH (FORCE)`))
  return { url: urlOf(adminUrl, name) }
}

function urlOf(adminUrl: string, name: string): string {
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}

let databases = 0

interface Server {
  url(): Promise<string>
  /** The name of a migrated database, to be copied. */
  template(): Promise<string>
  close(): Promise<void>
}

/** Started by the first test that needs it. */
function shareServer(): Server {
  let cluster: Promise<PostgresCluster> | null = null
  let template: Promise<string> | null = null
  const url = async (): Promise<string> => {
    if (SHARED_URL !== undefined) return SHARED_URL
    cluster ??= startPostgres()
    return (await cluster).url()
  }
  return {
    url,
    template() {
      template ??= url().then(makeTemplate)
      return template
    },
    async close() {
      // A cluster of this file's own is deleted whole.
      if (SHARED_URL !== undefined && template) await runSql(SHARED_URL, `DROP DATABASE ${await template}`)
      await (await cluster)?.close()
    },
  }
}

async function makeTemplate(adminUrl: string): Promise<string> {
  const name = `template_${process.pid}`
  await runSql(adminUrl, `CREATE DATABASE ${name}`)
  // Nobody may be connected to what is copied.
  const database = await openDatabase({ url: urlOf(adminUrl, name) }, { nowMs: 0 })
  await database.close()
  return name
}
