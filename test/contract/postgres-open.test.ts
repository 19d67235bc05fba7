/** What opening a PostgreSQL database refuses, and what the refusal says. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { inspect } from 'node:util'
import { openPostgres } from '../../src/store/postgres.ts'
import { createSessions } from '../../src/store/postgres-session.ts'
import { statementOf } from '../../src/store/postgres-sql.ts'
import { describeWithPostgres } from '../support/engines.ts'
import { type PostgresCluster, runSql } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const PASSWORD = 'hunter2-secret'
const WRONG_PASSWORD = 'hunter3-secret'
const OPTIONS = { nowMs: 0, statementTimeoutMs: 1000 }

describeWithPostgres('opening a PostgreSQL database', (server) => {
  /** Refused as storage that cannot be used, for the reason, and without the address or a password anywhere in it. */
  async function assertRefused(url: string, reason: RegExp): Promise<void> {
    const error = await openPostgres(url, OPTIONS).then(
      () => assert.fail('it was opened'),
      (failure: unknown) => failure,
    )
    assert.ok(error instanceof Error)
    assert.match(error.message, reason)
    const { code, status } = error as { code?: string; status?: number }
    assert.deepEqual({ code, status }, { code: 'storage_unavailable', status: 503 })
    const everything = inspect(error, { depth: 10, showHidden: true })
    for (const secret of [PASSWORD, WRONG_PASSWORD, 'tester:', '@127.0.0.1'])
      assert.ok(!everything.includes(secret), everything)
  }

  const withLogin = (url: string, password: string): string => {
    const login = new URL(url)
    login.username = 'tester'
    login.password = password
    return login.href
  }

  it('a wrong password, a wrong name, a database that is missing', async () => {
    const url = await server().createDatabase()
    await addTester(server(), url)
    await assertRefused(withLogin(url, WRONG_PASSWORD), /password authentication failed/)
    await assertRefused(withLogin(url, ''), /password/)
    const nobody = new URL(withLogin(url, PASSWORD))
    nobody.username = 'nobody'
    await assertRefused(nobody.href, /"nobody"/)
    const missing = new URL(withLogin(url, PASSWORD))
    missing.pathname = '/missing'
    await assertRefused(missing.href, /"missing" does not exist/)
    const db = await openPostgres(withLogin(url, PASSWORD), OPTIONS)
    await db.close()
  })

  it('a role that may not make tables', async () => {
    const url = await server().createDatabase()
    await addTester(server(), url)
    await runSql(url, 'ALTER SCHEMA public OWNER TO postgres')
    await assertRefused(withLogin(url, PASSWORD), /permission denied/)
  })

  it('no server there, an address that is none, and one of another kind', async () => {
    await assertRefused(`postgres://tester:${PASSWORD}@127.0.0.1:1/x`, /ECONNREFUSED/)
    await assertRefused(`postgres://tester:${PASSWORD}@localhost:1/x`, /ECONNREFUSED/)
    await assertRefused(`postgres://tester:${PASSWORD}@no.such.host.invalid/x`, /ENOTFOUND|EAI_AGAIN/)
    await assertRefused(`postgres://tester:${PASSWORD}@127.0.0.1:99999/x`, /cannot be used/)
    await assertRefused(`mysql://tester:${PASSWORD}@127.0.0.1/x`, /must begin with postgres/)
  })

  it('a server with no connection left; when there is one again, it opens', async (t) => {
    const url = await server().createDatabase()
    await addTester(server(), url)
    const first = await openPostgres(withLogin(url, PASSWORD), OPTIONS)
    t.after(() => first.close())
    const database = new URL(url).pathname.slice(1)
    await runSql(url, `ALTER DATABASE ${database} CONNECTION LIMIT 2`)
    await first.write(async (sql) => sql.get('SELECT 1'))
    await first.get('SELECT 1')
    await assertRefused(withLogin(url, PASSWORD), /too many connections/)
    await assert.rejects(
      first.read(async () => first.get('SELECT 1')),
      { code: 'storage_unavailable' },
      'the same for a process that needs one more',
    )
    await runSql(url, `ALTER DATABASE ${database} CONNECTION LIMIT 10`)
    await first.read(async () => first.get('SELECT 1'))
  })

  it('a database that would lose what it has acknowledged', async (t) => {
    const url = await server().createDatabase()
    const database = new URL(url).pathname.slice(1)
    for (const value of ['off', 'local']) {
      await runSql(url, `ALTER DATABASE ${database} SET synchronous_commit = ${value}`)
      await assertRefused(url, new RegExp(`not durable: synchronous_commit is ${value}`))
    }
    await runSql(url, `ALTER DATABASE ${database} SET synchronous_commit = remote_apply`)
    await (await openPostgres(url, OPTIONS)).close()
    for (const name of ['fsync', 'full_page_writes']) {
      await setOnServer(server(), t, name, 'off')
      await assertRefused(url, new RegExp(`not durable: ${name} is off`))
      await setOnServer(server(), t, name, 'on')
    }
    await (await openPostgres(url, OPTIONS)).close()
  })

  it('a database that cannot hold every character', async () => {
    const url = server().url('latin')
    await runSql(
      server().url(),
      "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc",
    )
    await assertRefused(url, /encoding is LATIN1/)
  })

  it('a connection that is for transactions takes no write outside of one', async (t) => {
    const url = await server().createDatabase()
    await runSql(url, 'CREATE TABLE thing (id INTEGER)')
    const sessions = createSessions({ url, max: 1, statementTimeoutMs: 1000, refusesLoneWrites: true })
    t.after(() => sessions.close())
    const session = await sessions.acquire(1000)
    // As if BEGIN had failed and what was sent behind it ran all the same.
    await assert.rejects(session.send(statementOf('INSERT INTO thing VALUES (?)'), [1]), {
      code: 'storage_unavailable',
    })
    session.release()
  })
})

/** A role with a password, which owns the database and its schema. */
async function addTester(server: PostgresCluster, url: string): Promise<void> {
  const hba = join(server.directory, 'data', 'pg_hba.conf')
  const rule = 'host all tester 127.0.0.1/32 scram-sha-256\n'
  const rules = readFileSync(hba, 'utf8')
  if (!rules.startsWith(rule)) {
    writeFileSync(hba, rule + rules)
    await runSql(url, 'SELECT pg_reload_conf()')
    await runSql(url, `CREATE ROLE tester LOGIN PASSWORD '${PASSWORD}'`)
    await until('the rule is in force', async () => {
      const login = new URL(url)
      login.username = 'tester'
      return runSql(login.href, 'SELECT 1').then(
        () => false,
        () => true,
      )
    })
  }
  await runSql(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} OWNER TO tester`)
  await runSql(url, 'ALTER SCHEMA public OWNER TO tester')
}

async function setOnServer(server: PostgresCluster, t: TestContext, name: string, value: string): Promise<void> {
  await runSql(server.url(), `ALTER SYSTEM SET ${name} = ${value}`)
  await runSql(server.url(), 'SELECT pg_reload_conf()')
  t.after(() => runSql(server.url(), `ALTER SYSTEM RESET ${name}`))
  const isSet = `DO $$ BEGIN ASSERT current_setting('${name}') = '${value}'; END $$`
  await until(`${name} is ${value}`, async () => {
    return runSql(server.url(), isSet).then(
      () => true,
      () => false,
    )
  })
}
