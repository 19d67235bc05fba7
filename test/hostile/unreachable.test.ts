/** Upstreams that cannot be reached, and token counts that nobody pays for: neither may hang or leak. */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { DIALECTS, jsonReply, MESSAGES, STREAM_HEAD } from '../support/dialect.ts'
import type { Script } from '../support/fault-upstream.ts'
import { rawPost } from '../support/raw-http.ts'
import { watch } from '../support/stream-client.ts'
import { until, within } from '../support/until.ts'
import { assertRefusal, parse, startTarget, type Target } from './target.ts'

const CONNECT_MS = 600
const LATE_MS = 1500

let target: Target
before(async () => {
  const closed = await closedPort()
  const plain = createServer((socket) => void socket.on('error', () => {}))
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  plain.unref()
  const addresses: Record<string, string> = {
    refused: `http://127.0.0.1:${closed}/v1`,
    unnamed: 'http://no-such-host.invalid/v1',
    // TEST-NET-1: nobody answers there, whether the network says so or not.
    nowhere: 'http://192.0.2.1:9/v1',
    untrusted: `https://127.0.0.1:${(plain.address() as AddressInfo).port}/v1`,
  }
  const names = Object.keys(addresses)
  target = await startTarget({
    timeouts: { connectMs: CONNECT_MS, headersMs: 1000, idleMs: 1000, totalMs: 4000 },
    more: {
      providers: Object.fromEntries(
        names.map((name) => [
          name,
          {
            baseUrls: { 'openai-chat': addresses[name], 'anthropic-messages': addresses[name] },
            timeouts: { connectMs: CONNECT_MS, headersMs: 1000, idleMs: 1000, totalMs: 4000 },
          },
        ]),
      ),
      models: Object.fromEntries(
        names.map((name) => [
          name,
          { products: ['zen'], price: { input: 1, output: 1 }, routes: [{ provider: name }] },
        ]),
      ),
    },
  })
})
after(() => target.closeUnharmed())

/** A port where nothing listens. */
async function closedPort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

describe('an upstream that cannot be reached', { concurrency: true }, () => {
  for (const dialect of DIALECTS) {
    for (const model of ['refused', 'unnamed', 'nowhere', 'untrusted']) {
      it(`${model}, ${dialect.protocol}: is told within the connect time, and free`, async () => {
        const body = dialect.request({ model, stream: true, maxTokens: 10, tag: 'reach' })
        const answer = target.askOnce(rawPost(`/zen/v1/${dialect.path}`, [target.auth], body))
        const reply = await within('the client is told', answer, CONNECT_MS + LATE_MS)
        assertRefusal(reply, 'upstream_unavailable', dialect.path === 'messages' ? 'messages' : 'chat')
        assert.doesNotMatch(reply.body, /192\.0\.2\.1|no-such-host|ECONN|ENOTFOUND|:\d{4,5}/)
        const row = target.books.find(reply.headers.get('x-request-id') ?? '')
        assert.deepEqual([row?.state, row?.charged], ['released', 0n])
      })
    }
  }
})

describe('count_tokens', { concurrency: true }, () => {
  const ask = (body: string) => target.askOnce(rawPost('/zen/v1/messages/count_tokens', [target.auth], body))
  const count = (tag: string) => MESSAGES.request({ model: 'messages-model', stream: false, maxTokens: 1, tag })
  const faults: Record<string, Script> = {
    'status 500': (call) => call.write(jsonReply('{"error":{"message":"no"}}', '500 No')),
    'status 401': (call) => call.write(jsonReply('{"error":{"message":"no"}}', '401 No')),
    'a redirect': (call) => call.write(jsonReply('', '307 Elsewhere', ['location: http://192.0.2.1/'])),
    HTML: (call) => call.write(jsonReply('<html>')),
    'a count that is none': (call) => call.write(jsonReply('{"input_tokens":"many"}')),
    'a stream': (call) => call.write(`${STREAM_HEAD}data: {"input_tokens":1}\n\n`).then(() => call.end()),
    'a reset': (call) => call.reset(),
    silence: () => {},
  }
  for (const [name, script] of Object.entries(faults)) {
    it(`${name} of the upstream gives an estimate above zero`, async () => {
      const tag = `count-${name.replaceAll(' ', '-')}`
      target.upstream.on(tag, script)
      const reply = await within('the client is told', ask(count(tag)), 1000 + LATE_MS)
      assert.equal(reply.status, 200, reply.body)
      assert.ok(Number(parse(reply.body).input_tokens) > 0)
    })
  }

  it('an endless count of the upstream is cut at its size, not at the total time', async () => {
    target.upstream.on('count-endless', async (call) => {
      await call.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n')
      while (!call.isClosed()) await call.write(Buffer.alloc(65_536, ' '))
    })
    const reply = await within('the client is told', ask(count('count-endless')), 1000)
    assert.equal(reply.status, 200)
    const [call] = target.upstream.callsOf('count-endless')
    await within('the upstream is let go', call?.closed ?? Promise.resolve(), 1000)
  })

  it('a client that leaves takes its count with it', async () => {
    target.upstream.on('count-left', async (call) => {
      await call.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n')
      const timer = setInterval(() => void call.write(' '), 50)
      await call.closed
      clearInterval(timer)
    })
    const url = `${target.instance.baseUrl()}/zen/v1/messages/count_tokens`
    const answer = watch(url, count('count-left'), { key: target.instance.apiKey })
    const call = await target.upstream.next('count-left')
    answer.leave()
    await within('the upstream is let go', call.closed, 2000)
  })

  it('bad bodies are refused as those of messages are, and nothing is ever held', async () => {
    for (const body of ['', '[]', '{"model":5}', '{"model":"nothing","messages":[]}', '['.repeat(100_000)]) {
      const reply = await ask(body)
      assertRefusal(reply, body.includes('nothing') ? 'model_not_found' : 'invalid_request', 'messages')
    }
    await until('nothing is held', () => target.books.openHolds() === 0)
    const rows = target.books.requests().filter(({ model }) => model === 'messages-model')
    assert.deepEqual(rows, [])
  })
})
