/** Hostile and broken upstreams: whatever they answer, the client gets its own protocol’s shape and pays nothing for it. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { DIALECTS, type Dialect, jsonReply } from '../support/dialect.ts'
import type { ReceivedCall, Script } from '../support/fault-upstream.ts'
import { type RawReply, rawPost } from '../support/raw-http.ts'
import { answerWhole, assertRefusal, startTarget, type Target, UPSTREAM_KEY } from './target.ts'

let target: Target
let canaryHits = 0
const canary = createServer((_, response) => {
  canaryHits++
  response.end('{}')
})
before(async () => {
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve))
  target = await startTarget()
})
after(async () => {
  canary.close()
  await target.closeUnharmed()
})

interface Fault {
  readonly name: string
  readonly script: Script
}

const reply = (name: string, text: string | Buffer): Fault => ({
  name,
  script: async (call) => {
    await call.write(text)
    call.end()
  },
})
const json = (name: string, body: string, status?: string, headers?: string[]): Fault =>
  reply(name, jsonReply(body, status, [...(headers ?? []), 'connection: close']))

/** To the canary, whose port is known only once it listens. */
function redirect(status: number, body: string): Fault {
  const script: Script = (call) => {
    const location = `location: http://127.0.0.1:${(canary.address() as AddressInfo).port}/zen`
    return call.write(jsonReply(body, `${status} Elsewhere`, [location]))
  }
  return { name: `redirect ${status}`, script }
}

/** Each ends in `upstream_unavailable`, before the client has seen anything, and charges nothing. */
function unavailableFaults(dialect: Dialect): Fault[] {
  const whole = dialect.whole('secret answer', dialect.usage({ input: 10, output: 10 }))
  const zipped = gzipSync(whole)
  const zip = (encoding: string, status = '200 OK'): Buffer =>
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-encoding: ${encoding}\r\ncontent-length: ${zipped.length}\r\nconnection: close\r\n\r\n`,
      ),
      zipped,
    ])
  return [
    ...[300, 301, 302, 303, 307, 308].map((status) => redirect(status, whole)),
    reply('304', 'HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n'),
    reply('204', 'HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n'),
    reply('gzip', zip('gzip')),
    reply('gzip twice', zip('gzip, gzip')),
    reply('an unknown coding', zip('x-acme')),
    reply('a refusal in gzip', zip('gzip', '400 Bad Request')),
    json('HTML with status 200', '<html><body>Welcome</body></html>'),
    json('no body with status 200', ''),
    ...['null', '[]', '42', '"ok"', '{}', '{"choices":[]}', '{"choices":"x"}', '{"content":5}', whole.slice(0, -2)].map(
      (body) => json(`status 200 with ${body.slice(0, 20)}`, body),
    ),
    json('status 200 with an error in it', '{"error":{"message":"overloaded","type":"server_error"}}'),
    json(
      'status 200 with an account’s error',
      '{"type":"error","error":{"type":"authentication_error","message":"bad key"}}',
    ),
    ...[401, 402, 403, 500, 502, 503, 504, 529, 599, 600, 999].map((status) =>
      json(`status ${status}`, '{"error":{"message":"no"}}', `${status} No`),
    ),
    json(
      'a used-up quota',
      '{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}',
      '429 Too Many Requests',
    ),
    reply('interim answers without end', `${'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(50)}`),
    reply('70 KB of headers', `HTTP/1.1 200 OK\r\nx-long: ${'a'.repeat(70_000)}\r\ncontent-length: 2\r\n\r\n{}`),
    reply(
      'a length longer than the body',
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n${whole}`,
    ),
    reply(
      'a length shorter than the body',
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n${whole}`,
    ),
    reply('two lengths', `HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n${whole}`),
    reply('a broken chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n'),
    reply('garbage', '\x00\x01\x02 this is not HTTP\r\n\r\n'),
    reply('another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'),
    reply('a status that is no number', 'HTTP/1.1 abc Huh\r\n\r\n'),
    reply('a status of two digits', 'HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n'),
    reply('nothing', ''),
    { name: 'a reset', script: (call) => call.reset() },
    {
      name: 'a refusal of 2 MB',
      script: (call) => call.write(jsonReply(`{"error":{"message":"${'x'.repeat(2_000_000)}"}}`, '400 Bad Request')),
    },
  ]
}

for (const dialect of DIALECTS) {
  const family = dialect.path === 'messages' ? 'messages' : 'chat'
  let serial = 0
  const ask = (script: Script, stream: boolean): Promise<RawReply> => {
    const tag = `${family}-${serial++}`
    target.upstream.on(tag, script)
    const body = dialect.request({ model: 'chat-model', stream, maxTokens: 10, tag })
    return target.askOnce(rawPost(`/zen/v1/${dialect.path}`, [target.auth], body))
  }
  const rowOf = (answer: RawReply) => target.books.find(answer.headers.get('x-request-id') ?? '')

  describe(`${dialect.protocol}: an upstream’s fault is upstream_unavailable, and free`, () => {
    for (const { name, script } of unavailableFaults(dialect)) {
      for (const stream of [false, true]) {
        it(`${name}${stream ? ', asked for a stream' : ''}`, async () => {
          const answer = await ask(script, stream)
          assertRefusal(answer, 'upstream_unavailable', family)
          assert.equal(rowOf(answer)?.state, 'released')
          assert.equal(rowOf(answer)?.charged, 0n)
          assert.equal(canaryHits, 0, 'a redirect was followed')
        })
      }
    }
  })

  describe(`${dialect.protocol}: a refusal of the request comes through as it was, without secrets`, () => {
    for (const status of [400, 404, 409, 413, 422, 429]) {
      it(String(status), async () => {
        const body = `{"error":{"message":"no such thing","type":"invalid_request_error"}}`
        const answer = await ask(json('', body, `${status} No`, ['retry-after: 7', 'set-cookie: a=b']).script, false)
        assert.equal(answer.status, status)
        assert.equal(answer.body, body)
        assert.equal(answer.headers.get('retry-after'), '7')
        assert.equal(answer.headers.get('set-cookie'), undefined)
        assert.match(answer.headers.get('x-request-id') ?? '', /^req_/)
        assert.equal(rowOf(answer)?.charged, 0n)
      })
    }
    it('HTML is replaced by our own words', async () => {
      const answer = await ask(json('', '<html>404 at acme</html>', '404 Not Found').script, false)
      assertRefusal(answer, 'upstream_rejected', family, 404)
    })
    const echoes: Record<string, (call: ReceivedCall) => string> = {
      'the credential': () => UPSTREAM_KEY,
      'the credential with its scheme': (call) =>
        `${call.headers.get('authorization') ?? call.headers.get('x-api-key')}`,
      'the address': () => `${target.upstream.origin}/base/v1/x`,
      'the host': () => new URL(target.upstream.origin).host,
    }
    for (const [name, echo] of Object.entries(echoes)) {
      it(`one that repeats ${name}`, async () => {
        const script: Script = (call) =>
          call.write(
            jsonReply(JSON.stringify({ error: { message: `refused: ${echo(call)}`, type: 'x' } }), '400 Bad Request'),
          )
        const answer = await ask(script, false)
        assert.equal(answer.status, 400)
      })
    }
  })

  it(`${dialect.protocol}: nothing in a request chooses where it goes, or with which credential`, async () => {
    const elsewhere = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/`
    const names = ['api_base', 'base_url', 'baseURL', 'url', 'endpoint', 'custom_host', 'proxy', 'provider', 'webhook']
    const members = names.map((name) => `"${name}":"${elsewhere}"`).join(',')
    const headers = [
      'x-portkey-custom-host',
      'x-base-url',
      'x-upstream-url',
      'x-forwarded-host',
      'forwarded',
      'referer',
    ]
    const body = dialect
      .request({ model: 'chat-model', stream: false, maxTokens: 10, tag: 'elsewhere' })
      .replace('{', `{${members},"extra_headers":{"authorization":"x"},"api_key":"other",`)
    const lines = [
      ...headers.map((name) => `${name}: ${elsewhere}`),
      'cookie: a=b',
      'x-api-version: 9',
      'openai-organization: org',
    ]
    const answer = await target.askOnce(
      rawPost(`/zen/v1/${dialect.path}?api_base=${elsewhere}`, [target.auth, ...lines], body),
    )
    assert.equal(answer.status, 200, answer.body)
    assert.equal(canaryHits, 0)
    const [call] = target.upstream.callsOf('elsewhere').slice(-1)
    assert.equal(call?.requestLine, `POST /base/v1/${dialect.path} HTTP/1.1`)
    const credential = family === 'messages' ? ['x-api-key', UPSTREAM_KEY] : ['authorization', `Bearer ${UPSTREAM_KEY}`]
    assert.equal(call?.headers.get(credential[0] as string), credential[1])
    const allowed = ['host', 'connection', 'content-type', 'content-length', 'accept', 'accept-encoding', 'user-agent']
    const more = ['anthropic-version', 'anthropic-beta', 'openai-beta', credential[0]]
    const foreign = [...(call?.headers.keys() ?? [])].filter((name) => ![...allowed, ...more].includes(name))
    assert.deepEqual(foreign, [], 'only an allow-list of headers crosses')
  })

  it(`${dialect.protocol}: interim answers before the real one are passed over`, async () => {
    const whole = jsonReply(dialect.whole('after hints', dialect.usage({ input: 1, output: 1 })))
    const answer = await ask(
      reply('', `${'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(20)}${whole}`).script,
      false,
    )
    assert.equal(answer.status, 200)
    assert.match(answer.body, /after hints/)
  })

  it(`${dialect.protocol}: what an upstream writes beyond its answer never answers the next request`, async () => {
    for (let round = 0; round < 20; round++) {
      const poison = jsonReply(dialect.whole('poison', dialect.usage({ input: 9, output: 9 })))
      const good = jsonReply(dialect.whole('mine', dialect.usage({ input: 1, output: 1 })))
      const first = await ask((call) => call.write(good + poison), false)
      const second = await ask(answerWhole, false)
      assert.match(first.body, /mine/)
      assert.match(second.body, /fine/)
    }
  })

  it(`${dialect.protocol}: an endless answer is cut at a bound, and the connection with it`, async () => {
    const before = target.instance.residentMiB()
    const piece = Buffer.alloc(1024 * 1024, ' ')
    const script: Script = async (call) => {
      await call.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n')
      while (!call.isClosed()) await call.write(piece)
    }
    assertRefusal(await ask(script, false), 'upstream_unavailable', family)
    assert.ok(target.instance.residentMiB() - before < 200)
  })
}
