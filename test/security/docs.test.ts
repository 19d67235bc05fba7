/** The reference of who may ask what is that of the code, and the page on security names tests that exist. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { allRoutes } from '../../src/api/all-routes.ts'
import { matrixPage } from './matrix.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const page = (name: string): string => readFileSync(join(REPOSITORY, 'docs', 'reference', name), 'utf8')

it('route-matrix.md is what the routes declare: `node test/security/write-matrix.ts` writes it', () => {
  assert.equal(page('route-matrix.md'), matrixPage(allRoutes))
})

it('security.md names files that exist', () => {
  const named = [...page('security.md').matchAll(/`((?:src|test|tools)\/[^`\s]+)`/g)].map(([, path]) => path ?? '')
  assert.ok(named.length > 20)
  const missing = named.filter(
    (path) => !existsSync(join(REPOSITORY, path)) && globSync(path, { cwd: REPOSITORY }).length === 0,
  )
  assert.deepEqual(missing, [])
})
