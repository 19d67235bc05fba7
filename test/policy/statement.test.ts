/** The statement of what an instance keeps names every table and column that there is, and no other. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { allRoutes } from '../../src/api/all-routes.ts'
import { describeRetention } from '../../src/control/retention-statement.ts'
import { KEPT_TABLES, type KeptTable } from '../../src/domain/kept-data.ts'
import { buildForTest } from '../../src/domain/test-catalog.ts'
import type { Database } from '../../src/store/database.ts'
import { RETENTION_PAGE, retentionPage } from '../../tools/retention-reference.ts'
import { startControlServer } from '../support/control-server.ts'
import { forEachEngine } from '../support/engines.ts'

const COLUMNS = {
  sqlite:
    'SELECT t.name AS "table", c.name AS "column" FROM sqlite_master t, pragma_table_info(t.name) c' +
    " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
  postgres:
    'SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns' +
    ' WHERE table_schema = current_schema()',
}

async function schemaOf(db: Database): Promise<string[]> {
  const rows = await db.all<{ table: string; column: string }>(COLUMNS[db.engine])
  return rows.map(({ table, column }) => `${table}.${column}`).sort()
}

function stated(tables: Readonly<Record<string, KeptTable>>): string[] {
  return Object.entries(tables)
    .flatMap(([table, { fields }]) => fields.flatMap(([, names]) => names.split(' ').map((name) => `${table}.${name}`)))
    .sort()
}

forEachEngine((engine) => {
  describe('the statement', () => {
    it('describes every column of the database once', async (t) => {
      const db = await engine.openDatabase(t)
      assert.deepEqual(stated(KEPT_TABLES), await schemaOf(db))
      // A column that nobody described is noticed.
      await db.script('ALTER TABLE request ADD COLUMN prompt TEXT')
      assert.notDeepEqual(stated(KEPT_TABLES), await schemaOf(db))
    })

    it('is given to everybody, and names the providers with their terms', async (t) => {
      const db = await engine.openDatabase(t)
      const config = {
        providers: { acme: { protocol: 'openai-chat', baseUrl: 'https://acme.example/v1', apiKey: 'k', region: 'eu' } },
      }
      const { url } = await startControlServer(t, db, { routes: allRoutes, config })
      const response = await fetch(`${url}/api/statement`)
      assert.equal(response.status, 200)
      const statement = (await response.json()) as ReturnType<typeof describeRetention>
      assert.equal(statement.prompts.stored, false)
      assert.deepEqual(
        statement.providers.find(({ id }) => id === 'acme'),
        { id: 'acme', region: 'eu', retention: null, training: null, simulated: false },
      )
      assert.ok(statement.tables.some(({ table }) => table === 'request'))
    })
  })
})

describe('the statement', () => {
  it('is what the reference says', () => {
    assert.equal(readFileSync(RETENTION_PAGE, 'utf8'), retentionPage(), 'run: npm run docs')
  })

  it('says which models that train are offered without a key', () => {
    const model = { name: 'A', free: true, products: ['zen'], protocol: 'openai-chat' }
    const { without_a_key } = describeRetention(
      buildForTest({
        providers: {
          acme: { protocol: 'openai-chat', baseUrl: 'https://acme.example/v1', apiKey: 'env:KEY', training: true },
        },
        models: {
          open: { ...model, anonymous: true, routes: [{ provider: 'acme', model: 'a' }] },
          shut: { ...model, routes: [{ provider: 'acme', model: 'a' }] },
        },
      }),
    )
    assert.deepEqual(without_a_key.trained_on, ['open'])
    assert.deepEqual(without_a_key.models, ['open', 'sim/free'])
  })
})
