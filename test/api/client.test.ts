/** The typed client against the real server: input goes where the definition says, and refusals come as typed errors. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { allRoutes } from '../../src/api/all-routes.ts'
import { serve } from '../../src/api/operation-route.ts'
import { ApiProblem, createClient } from '../../src/contract/client.ts'
import { operation } from '../../src/contract/operation.ts'
import { openDatabase } from '../../src/store/open-database.ts'
import { startControlServer } from '../support/control-server.ts'

const echo = operation({
  ...({ id: 'test.echo', method: 'POST', path: '/api/echo/{one}/{two}', access: 'person', rate: 'write' } as const),
  ...({ scope: 'manage', summary: 'Says it again.' } as const),
  query: z.strictObject({ n: z.coerce.number().default(7), text: z.string().optional() }),
  body: z.strictObject({ deep: z.strictObject({ list: z.array(z.string()) }) }),
  reply: z.strictObject({ one: z.string(), two: z.string(), n: z.number(), list: z.array(z.string()) }),
})

describe('the client', () => {
  const start = async (t: Parameters<typeof startControlServer>[0]) => {
    const directory = mkdtempSync(join(tmpdir(), 'zendo-client-'))
    const database = await openDatabase({ path: join(directory, 'zendo.db') }, { nowMs: 0 })
    t.after(async () => {
      await database.close()
      rmSync(directory, { recursive: true, force: true })
    })
    const route = serve(echo, async (_, { params, query, body }) => ({ ...params, n: query.n, list: body.deep.list }))
    return await startControlServer(t, database, { routes: [...allRoutes, route] })
  }

  it('sends parameters, query and body, by session with its token or by key', async (t) => {
    const server = await start(t)
    const { cookie = '', 'x-zendo-csrf': csrf } = await server.signIn('ann')
    const input = { params: { one: 'a:b@c.d', two: '~x' }, query: { n: 3 }, body: { deep: { list: ['ü', '"'] } } }
    const expected = { one: 'a:b@c.d', two: '~x', n: 3, list: ['ü', '"'] }
    const bySession = createClient({ baseUrl: server.url, headers: { cookie }, csrf: () => csrf })
    assert.deepEqual(await bySession.call(echo, input), expected)
    const { authorization = '' } = await server.makeKey(['manage'])
    const byKey = createClient({ baseUrl: `${server.url}/`, key: authorization.slice('Bearer '.length) })
    assert.deepEqual(await byKey.call(echo, { ...input, query: {} }), { ...expected, n: 7 })
    assert.equal((await bySession['session.read']()).person.id, 'per_ann')
  })

  it('a refusal is an ApiProblem with its code, field and request; what is no answer of ours has no code', async (t) => {
    const server = await start(t)
    const stranger = createClient({ baseUrl: server.url })
    await assert.rejects(stranger['session.read'](), (error) => {
      assert.ok(error instanceof ApiProblem)
      assert.deepEqual([error.status, error.problem?.code, error.retryAfterSeconds], [401, 'sign_in_required', null])
      assert.match(error.problem?.request_id ?? '', /^req_/)
      return true
    })
    const proxied = createClient({ baseUrl: server.url, fetch: async () => new Response('<html>', { status: 502 }) })
    await assert.rejects(proxied['session.read'](), { name: 'ApiProblem', status: 502, problem: null })
  })

  it('an id that would lead elsewhere is not sent', async (t) => {
    const server = await start(t)
    const client = createClient({ baseUrl: server.url })
    for (const one of ['..', '.', '']) {
      const input = { params: { one, two: 'x' }, body: { deep: { list: [] } } }
      await assert.rejects(client.call(echo, input), { name: 'TypeError' })
    }
    const slash = { params: { one: 'a/b', two: '?x#y' }, body: { deep: { list: [] } } }
    await assert.rejects(client.call(echo, slash), { status: 404 })
  })

  it('the served document is the one of the definitions, under the address of the instance', async (t) => {
    const server = await start(t)
    const document = await createClient({ baseUrl: server.url })['openapi.read']()
    assert.deepEqual(document.servers, [{ url: server.url }])
    assert.equal(document.openapi, '3.1.0')
  })

  it('nothing of the contract needs Node: a browser can load it', async () => {
    const root = new URL('../../src/contract/', import.meta.url)
    for await (const name of glob('*.ts', { cwd: root })) {
      if (name.endsWith('.test.ts')) continue
      const text = readFileSync(new URL(name, root), 'utf8')
      assert.doesNotMatch(text, /from 'node:|\bBuffer\b|\bprocess\./, name)
      for (const [, from] of text.matchAll(/from '([^']+)'/g)) {
        assert.match(String(from), /^(?:zod$|\.\/|\.\.\/base\/|\.\.\/domain\/)/, `${name} imports ${from}`)
      }
    }
  })
})
