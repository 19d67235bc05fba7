/** The reference says what the code does: each table is compared with its source, both ways. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { allRoutes } from '../src/api/all-routes.ts'
import { ERROR_CODES, errorClassOf } from '../src/base/errors.ts'
import { CHARGE_POLICY_VERSION, OUTCOMES } from '../src/domain/charge-policy.ts'
import { openApiText, withOperations } from '../tools/api-reference.ts'

function reference(name: string): string {
  return readFileSync(new URL(`../docs/reference/${name}`, import.meta.url), 'utf8')
}

/** The cells of every row of a page's tables, without the heads. */
function rows(page: string): string[][] {
  return page
    .split('\n')
    .filter((line) => /^\|(?!\s*-)/.test(line) && !/^\|\s*(?:code|method|variable|outcome)\s*\|/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    )
}

describe('reference', () => {
  it('errors.md has each code with its status, type and retry, and no other', () => {
    const documented = rows(reference('errors.md')).map(([code, status, type, retry]) => [code, status, type, retry])
    const defined = ERROR_CODES.map((code) => {
      const { status, compatibleType, retry } = errorClassOf(code)
      return [code, String(status), compatibleType, retry]
    })
    assert.deepEqual(documented, defined)
  })

  it('api.md has each operation as it is defined, and openapi.json is the document that is served', () => {
    const page = reference('api.md')
    assert.equal(withOperations(page), page, 'run: npm run docs')
    assert.equal(openApiText(), reference('openapi.json'), 'run: npm run docs')
  })

  it('routes.md has each route that is no operation, with its method and auth class, and no other', () => {
    const documented = rows(reference('routes.md'))
      .filter(([method]) => method === 'GET' || method === 'POST')
      .map(([method, path, auth]) => `${method} ${path} ${auth}`)
    const defined = allRoutes
      .filter(({ operation }) => !operation)
      .map(({ method, pattern, auth }) => `${method} ${pattern} ${auth}`)
    assert.deepEqual(documented.sort(), defined.sort())
  })

  it('settings.md has each variable that the settings read, and no other', () => {
    const source = readFileSync(new URL('../src/settings.ts', import.meta.url), 'utf8')
    const read = [...new Set([...source.matchAll(/ZENDO_[A-Z_]+|DATABASE_URL/g)].map(([name]) => name))]
    const documented = rows(reference('settings.md')).map(([name]) => name)
    assert.deepEqual(documented.sort(), read.sort())
  })

  it('charge-policy.md has each outcome and the version in force', () => {
    const page = reference('charge-policy.md')
    assert.deepEqual(
      rows(page)
        .map(([outcome]) => outcome)
        .sort(),
      [...OUTCOMES].sort(),
    )
    assert.match(page, new RegExp(`^Version ${CHARGE_POLICY_VERSION}\\.`, 'm'))
  })
})
