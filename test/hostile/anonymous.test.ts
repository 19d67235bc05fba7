/** Without a key a stranger gets free models, and no more of the server's memory or the operator's account than that. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { startTarget, type Target } from './target.ts'

let target: Target
before(async () => {
  target = await startTarget({ maxBodyBytes: 8 * 1024 * 1024 })
})
after(() => target.closeUnharmed())

function post(path: string, body: unknown, key?: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) }
  return fetch(`${target.instance.baseUrl()}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

it('a body of 3 MB is refused without a key, before it is looked at', async () => {
  const messages = [{ role: 'user', content: 'a'.repeat(3 * 1024 * 1024) }]
  const refused = await post('/zen/v1/chat/completions', { model: 'free-model', messages })
  assert.equal(refused.status, 413)
  const looked = await post(
    '/zen/v1/chat/completions',
    { model: 'nothing-of-that-name', messages },
    target.instance.apiKey,
  )
  assert.equal(looked.status, 404)
})

it('tokens are counted for nobody in particular without asking the provider', async () => {
  const body = { model: 'free-model', tag: 'count-anonymous', messages: [{ role: 'user', content: 'How many?' }] }
  const counted = await post('/zen/v1/messages/count_tokens', body)
  assert.equal(counted.status, 200)
  const { input_tokens: count } = (await counted.json()) as { input_tokens: number }
  assert.ok(count > 0)
  assert.equal(target.upstream.callsOf('count-anonymous').length, 0)
})
