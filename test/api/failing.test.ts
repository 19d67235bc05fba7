/** What the server answers when it cannot even find out who asks. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { serve } from '../../src/api/operation-route.ts'
import { operation } from '../../src/contract/operation.ts'
import type { Database } from '../../src/store/database.ts'
import { startControlServer } from '../support/control-server.ts'
import { forEachEngine } from '../support/engines.ts'
import { within } from '../support/until.ts'

const look = operation({
  ...({ id: 'x.look', method: 'GET', path: '/api/workspaces/{workspace}/x', access: 'member' } as const),
  ...({ rate: 'read', scope: 'read', summary: 'Looks.', reply: z.strictObject({}) } as const),
})
const routes = [serve(look, async () => ({}))]

/** A database whose reads can be made to have no end. */
function stallable(database: Database): { database: Database; stall(): void } {
  let isStalled = false
  const get: Database['get'] = (...asked) => (isStalled ? new Promise(() => undefined) : database.get(...asked))
  return { database: { ...database, get }, stall: () => (isStalled = true) }
}

forEachEngine((engine) => {
  describe('a database that never answers', () => {
    it('is told as such to whoever asks, by session or by key, with when to come again', async (t) => {
      const { database, stall } = stallable(await engine.openDatabase(t))
      const server = await startControlServer(t, database, { routes })
      const callers = [await server.signIn('ann', { role: 'admin' }), await server.makeKey(['read'])]
      const ask = async (headers: Readonly<Record<string, string>>) => {
        const response = await fetch(`${server.url}/api/workspaces/${server.workspaceId}/x`, { headers })
        const { code } = (await response.json()) as { code?: string }
        return [response.status, code, response.headers.get('retry-after')]
      }
      for (const who of callers) assert.deepEqual(await ask(who), [200, undefined, null])
      stall()
      const answers = await within('an answer', Promise.all(callers.map(ask)), 20_000)
      for (const answer of answers) assert.deepEqual(answer, [503, 'storage_unavailable', '1'])
    })
  })

  describe('a request that fails before it has an id', () => {
    it('is answered with 500, and the next one is served', async (t) => {
      let isBroken = false
      const clock = (): number => {
        if (isBroken) throw new Error('the clock has stopped')
        return Date.now()
      }
      const server = await startControlServer(t, await engine.openDatabase(t), { routes, clock })
      const headers = await server.signIn('ann', { role: 'admin' })
      const ask = async () => {
        const response = await fetch(`${server.url}/api/workspaces/${server.workspaceId}/x`, { headers })
        await response.arrayBuffer()
        return response.status
      }
      isBroken = true
      assert.equal(await ask(), 500)
      isBroken = false
      assert.equal(await ask(), 200)
    })
  })
})
