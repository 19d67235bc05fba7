/** No route exists that does not say who may ask and how often, and none that is not written down in the contract. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { allRoutes } from '../../src/api/all-routes.ts'
import { serve } from '../../src/api/operation-route.ts'
import { createRouteTable, type RouteDefinition } from '../../src/api/routes.ts'
import { allOperations } from '../../src/contract/all-operations.ts'
import type { OperationShape } from '../../src/contract/operation.ts'

/** Reports that keys read, older than the contract. */
const REPORTS = ['/api/requests', '/api/requests/*', '/api/usage', '/api/export', '/api/charge-policy']

const GOOD: OperationShape = {
  ...({ id: 'thing.create', method: 'POST', path: '/api/workspaces/{workspace}/things', access: 'admin' } as const),
  ...({ rate: 'write', scope: 'manage', summary: 'Makes a thing.' } as const),
  reply: z.strictObject({ id: z.string() }),
}

function route(changes: Partial<OperationShape> = {}): RouteDefinition {
  return serve({ ...GOOD, ...changes }, async () => ({ id: 'x' }))
}

describe('the route table', () => {
  it('has a handler for each operation of the contract, and no route under /api/ that is none', () => {
    const served = allRoutes.flatMap(({ operation }) => operation ?? [])
    assert.deepEqual(served.map(({ id }) => id).sort(), allOperations.map(({ id }) => id).sort())
    for (const shape of allOperations) assert.ok(served.includes(shape), `${shape.id} is served by another definition`)
    const others = allRoutes.filter(({ operation, pattern }) => !operation && pattern.startsWith('/api/'))
    assert.deepEqual([...new Set(others.map(({ pattern }) => pattern))].sort(), REPORTS.sort())
  })

  it('is in order as it stands', () => {
    assert.equal(createRouteTable(allRoutes).all, allRoutes)
    assert.doesNotThrow(() => createRouteTable([route()]))
  })

  const path = GOOD.path
  const faults: readonly (readonly [string, readonly RouteDefinition[], RegExp])[] = [
    ['no auth class', [{ ...route(), auth: undefined as never }], /let in/],
    ['no access', [{ ...route(), access: undefined as never }], /who may ask/],
    ['an access that there is not', [route({ access: 'everybody' as never })], /who may ask/],
    ['no rate', [{ ...route(), rate: undefined as never }], /how often/],
    ['no handler', [{ ...route(), handle: undefined as never }], /nobody to answer/],
    ['another access than its operation', [{ ...route(), access: 'public' }], /as its operation says/],
    ['another rate than its operation', [{ ...route(), rate: 'none' }], /as its operation says/],
    ['an operation without the checks of one', [{ ...route(), auth: 'none' }], /by half/],
    ['the checks of an operation without one', [{ ...route(), operation: null }], /by half/],
    ['one method and path twice', [route(), route({ id: 'thing.add' })], /stands twice/],
    [
      'one path under two names',
      [route(), route({ id: 'b', path: path.replace('{workspace}', '{w}'), access: 'operator' })],
      /stands twice/,
    ],
    ['one id twice', [route(), route({ path: `${path}/more` })], /served twice/],
    ['a workspace open to anybody signed in', [route({ access: 'person' })], /anybody may name/],
    ['a workspace open to the public', [route({ access: 'public', scope: null })], /anybody may name/],
    ['an admin of no workspace', [route({ path: '/api/things' })], /of no workspace/],
    ['a path outside of /api', [route({ path: '/things/{workspace}' })], /outside of/],
    [
      'sensitive and public',
      [route({ access: 'public', scope: null, path: '/api/x', isSensitive: true })],
      /from nobody/,
    ],
    ['sensitive and open to keys', [route({ isSensitive: true })], /a key may do it/],
    ['public with a scope', [route({ access: 'public', path: '/api/x' })], /asks for a scope/],
    ['a write by a key that reads', [route({ scope: 'read' })], /only read/],
    ['a write at the rate of readings', [route({ rate: 'read' })], /rate of readings/],
    ['a reading with a body', [route({ method: 'GET', rate: 'read', body: z.strictObject({}) })], /with a body/],
    ['a secret that is not in the answer', [route({ once: ['secret'] })], /tells once/],
  ]
  for (const [name, routes, fault] of faults) {
    it(`refuses at start: ${name}`, () => assert.throws(() => createRouteTable(routes), fault))
  }
})
