/** What an operation is sent is JSON by its label: pages of other origins cannot send that without being asked first. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { z } from 'zod'
import { serve } from '../../src/api/operation-route.ts'
import { operation } from '../../src/contract/operation.ts'
import { startControlServer } from '../support/control-server.ts'
import { forEachEngine } from '../support/engines.ts'

const make = operation({
  ...({ id: 'x.make', method: 'POST', path: '/api/x', access: 'person', rate: 'write', scope: 'manage' } as const),
  ...({ summary: 'Makes.', body: z.strictObject({ name: z.string().optional() }), reply: z.strictObject({}) } as const),
})

forEachEngine((engine) => {
  it('an operation takes application/json and nothing that only looks like it', async (t) => {
    const server = await startControlServer(t, await engine.openDatabase(t), {
      routes: [serve(make, async () => ({}))],
    })
    const who = await server.signIn('ann')
    const statusOf = async (type: string | null, text: string | null) => {
      // Bytes have no type of their own, as text has.
      const body = text === null ? null : Buffer.from(text)
      const headers = { ...who, ...(type !== null && { 'content-type': type }) }
      const response = await fetch(`${server.url}/api/x`, { method: 'POST', headers, body })
      await response.arrayBuffer()
      return response.status
    }
    for (const type of ['application/json', 'Application/JSON; charset=utf-8', 'application/json ;x=y']) {
      assert.equal(await statusOf(type, '{"name":"x"}'), 201, type)
    }
    for (const type of [
      ...['text/plain;x=json', 'text/plain; application/json', 'text/json', 'application/jsonp'],
      ...['application/problem+json', 'application/json, text/plain', 'multipart/form-data; boundary=json'],
      ...['application/x-www-form-urlencoded', null],
    ]) {
      assert.equal(await statusOf(type, '{"name":"x"}'), 400, String(type))
    }
    assert.equal(await statusOf(null, null), 201, 'where nothing is sent, nothing needs a label')
  })
})
