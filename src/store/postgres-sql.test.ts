import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sqlFor } from './engine-sql.ts'
import { statementOf, VALUE_TYPES } from './postgres-sql.ts'

describe('SQL for one engine', () => {
  const script =
    'CREATE TABLE a (b TEXT) /*sqlite WITHOUT ROWID*/;\n/*postgres\nCREATE FUNCTION f() AS $$ ? $$;\n*/ /* for both */'

  it('opens the comments of that engine, which may span lines, and drops those of the other', () => {
    assert.equal(sqlFor('sqlite', script), 'CREATE TABLE a (b TEXT)  WITHOUT ROWID;\n /* for both */')
    assert.equal(
      sqlFor('postgres', script),
      'CREATE TABLE a (b TEXT) ;\n\nCREATE FUNCTION f() AS $$ ? $$;\n /* for both */',
    )
  })

  it('leaves comments alone that only begin like it', () => {
    assert.equal(sqlFor('sqlite', '/*sqlites x*/ /* sqlite x*/'), '/*sqlites x*/ /* sqlite x*/')
  })
})

describe('statements for PostgreSQL', () => {
  const textOf = (sql: string): string => statementOf(sql).text

  it('number their parameters, but nothing in quotes or comments', () => {
    assert.equal(textOf('a = ? AND b IN (?, ?)'), 'a = $1 AND b IN ($2, $3)')
    assert.equal(
      textOf(`'?' = ? /* ? */ || "?" -- ?\n|| 'it''s ?' || ?`),
      `'?' = $1 /* ? */ || "?" -- ?\n|| 'it''s ?' || $2`,
    )
    assert.equal(
      textOf('SELECT 1 WHERE id = ? /*postgres AND x = ? FOR UPDATE*/ /*sqlite AND y = ?*/'),
      'SELECT 1 WHERE id = $1  AND x = $2 FOR UPDATE ',
    )
  })

  it('keep their name, and no two share one', () => {
    const [a, b] = [statementOf('SELECT 1 -- a'), statementOf('SELECT 1 -- b')]
    assert.notEqual(a.name, b.name)
    assert.equal(statementOf('SELECT 1 -- a'), a)
  })

  it('are reads only when they begin with SELECT', () => {
    assert.deepEqual(
      [
        'SELECT 1',
        '\n select 1',
        'UPDATE a SET b = 1 RETURNING b',
        'WITH x AS (DELETE FROM a RETURNING b) SELECT b FROM x',
      ].map((sql) => statementOf(sql).isRead),
      [true, true, false, false],
    )
  })

  it('are kept by name up to a bound; those beyond it are sent each time', () => {
    let named = 0
    for (let n = 0; n < 5000; n++) if (statementOf(`SELECT ${n} AS bound`).name !== null) named++
    assert.ok(named > 0 && named <= 2000, String(named))
  })

  it('of great length are not kept', () => {
    assert.equal(statementOf(`SELECT 1 IN (${'?, '.repeat(10_000)}?)`).name, null)
  })
})

describe('values from PostgreSQL', () => {
  const read = (type: number, text: string): unknown => VALUE_TYPES.getTypeParser(type)(text)

  it('whole numbers are bigint, whatever their width; others are numbers; the rest is text', () => {
    assert.equal(read(21, '-7'), -7n)
    assert.equal(read(23, '7'), 7n)
    assert.equal(read(20, '9223372036854775807'), 9223372036854775807n)
    assert.equal(read(1700, '92233720368547758070'), 92233720368547758070n)
    assert.equal(read(1700, '1.50'), 1.5)
    assert.equal(read(701, '0.25'), 0.25)
    assert.equal(read(16, 't'), 1n)
    assert.equal(read(16, 'f'), 0n)
    assert.equal(read(25, '12'), '12')
  })
})
