/** Each fault of the simulated provider, on both protocols, as a client sees it on the socket. */
import assert from 'node:assert/strict'
import { performance } from 'node:perf_hooks'
import { test } from 'node:test'
import { Pool } from 'undici'
import { eventsIn, exchange, HELLO, open, provide, readUntil } from './test-client.ts'

/** For the tests that would wait ten minutes if they failed. */
const LIMITS = { timeout: 20_000 }

const protocols = [
  { name: 'chat', path: '/chat/completions', overloadedStatus: 503, terminal: '[DONE]' },
  { name: 'messages', path: '/messages', overloadedStatus: 529, terminal: 'message_stop' },
]

function ask(model: string, stream: boolean, text = 'one two three') {
  return { model, stream, max_tokens: 100, messages: [{ role: 'user', content: text }] }
}

for (const { name, path, overloadedStatus, terminal } of protocols) {
  test(`${name}: a cut stream resets the connection after half of the words`, async (t) => {
    const { baseUrl } = await provide(t)
    const reply = await exchange(baseUrl + path, ask('cut', true))
    assert.deepEqual([reply.status, reply.end], [200, 'ECONNRESET'])
    assert.ok(reply.text.includes('[simulated]') && reply.text.includes(' one'))
    assert.ok(!reply.text.includes(' two') && !reply.text.includes(terminal))
  })

  test(`${name}: a cut reply that is not streamed ends after half of its bytes`, async (t) => {
    const { baseUrl } = await provide(t)
    const reply = await exchange(baseUrl + path, ask('cut', false))
    assert.deepEqual([reply.status, reply.end], [200, 'ECONNRESET'])
    assert.equal(reply.text.length, Math.floor(Number(reply.headers['content-length']) / 2))
  })

  test(`${name}: a stalled stream falls silent after half of the words and is reset in the end`, async (t) => {
    const { baseUrl } = await provide(t, { stallMs: 20 })
    for (const stream of [true, false]) {
      const beganMs = performance.now()
      const reply = await exchange(baseUrl + path, ask('stall', stream))
      assert.ok(performance.now() - beganMs >= 19)
      assert.equal(reply.end, 'ECONNRESET')
      assert.ok(reply.text.length > 0 && !reply.text.includes(terminal))
    }
  })

  test(`${name}: a slow reply sends its headers at once`, LIMITS, async (t) => {
    const { baseUrl } = await provide(t, { firstTokenDelayMs: 600_000 })
    for (const stream of [true, false]) {
      const response = await open(baseUrl + path, ask('slow-first-token', stream))
      assert.equal(response.statusCode, 200)
      response.destroy()
    }
  })

  test(`${name}: the delay of a slow reply can be set in the prompt`, LIMITS, async (t) => {
    const { baseUrl } = await provide(t, { firstTokenDelayMs: 600_000 })
    for (const stream of [true, false]) {
      const beganMs = performance.now()
      const reply = await exchange(baseUrl + path, ask('slow-first-token', stream, 'wait [[sim delayMs=30]]'))
      assert.ok(performance.now() - beganMs >= 29)
      assert.equal(reply.end, 'complete')
      assert.ok(reply.text.includes('[simulated]'))
    }
  })

  test(`${name}: a stream that fails halfway ends cleanly after the error, without the terminal event`, async (t) => {
    const { baseUrl } = await provide(t)
    const reply = await exchange(baseUrl + path, ask('midstream-error', true))
    assert.deepEqual([reply.status, reply.end], [200, 'complete'])
    const last = eventsIn(reply.text).at(-1)
    assert.ok(last?.error !== undefined)
    assert.ok(reply.text.includes(' one') && !reply.text.includes(' two') && !reply.text.includes(terminal))
  })

  test(`${name}: a reply that would fail halfway is an HTTP error when it is not streamed`, async (t) => {
    const { baseUrl } = await provide(t)
    const reply = await exchange(baseUrl + path, ask('midstream-error', false))
    assert.equal(reply.status, overloadedStatus)
    assert.ok(JSON.parse(reply.text).error.message)
  })

  test(`${name}: rate limits and failures are HTTP errors, streamed or not`, async (t) => {
    const { baseUrl } = await provide(t)
    for (const stream of [true, false]) {
      const limited = await exchange(baseUrl + path, ask('error-429', stream))
      assert.deepEqual([limited.status, limited.headers['retry-after']], [429, '2'])
      const failed = await exchange(baseUrl + path, ask('error-500', stream))
      assert.deepEqual([failed.status, failed.headers['retry-after']], [500, undefined])
    }
  })
}

test('error bodies have the types of each vendor', async (t) => {
  const { baseUrl } = await provide(t)
  const errorOf = async (path: string, model: string) =>
    JSON.parse((await exchange(baseUrl + path, ask(model, false))).text).error
  const chat = '/chat/completions'
  const limited = await errorOf(chat, 'error-429')
  assert.deepEqual([limited.type, limited.code, limited.param], ['requests', 'rate_limit_exceeded', null])
  assert.equal((await errorOf(chat, 'error-500')).type, 'server_error')
  assert.equal((await errorOf(chat, 'midstream-error')).type, 'server_error')
  assert.equal((await errorOf('/messages', 'error-429')).type, 'rate_limit_error')
  assert.equal((await errorOf('/messages', 'error-500')).type, 'api_error')
  assert.equal((await errorOf('/messages', 'midstream-error')).type, 'overloaded_error')
})

test('errors within a stream have the bytes of each vendor', async (t) => {
  const { baseUrl } = await provide(t)
  const message = 'Simulated overload of the provider.'
  const chat = await exchange(`${baseUrl}/chat/completions`, ask('midstream-error', true))
  assert.ok(
    chat.text.endsWith(`data: {"error":{"message":"${message}","type":"server_error","param":null,"code":null}}\n\n`),
  )
  const messages = await exchange(`${baseUrl}/messages`, ask('midstream-error', true))
  const error = `{"details":null,"type":"overloaded_error","message":"${message}"}`
  assert.ok(messages.text.endsWith(`event: error\ndata: {"type":"error","error":${error}}\n\n`))
})

test('a pooled client goes on over a new connection after a cut', async (t) => {
  const { baseUrl } = await provide(t)
  const pool = new Pool(new URL(baseUrl).origin, { connections: 1 })
  t.after(() => pool.destroy())
  const send = async (model: string) => {
    const body = JSON.stringify(ask(model, true))
    const reply = await pool.request({ method: 'POST', path: '/v1/chat/completions', body })
    return reply.body.text()
  }
  assert.match(await send('echo'), /\[DONE\]/)
  await assert.rejects(send('cut'), { code: 'ECONNRESET' })
  assert.match(await send('echo'), /\[DONE\]/)
})

test('closing the provider ends the replies that are still open', async (t) => {
  const provider = await provide(t)
  const response = await open(`${provider.baseUrl}/chat/completions`, { ...ask('stall', true), messages: HELLO })
  await readUntil(response, ' one')
  const ended = new Promise<Error>((resolve) => response.once('error', resolve))
  response.resume()
  await provider.close()
  assert.match(String(await ended), /aborted/)
})
