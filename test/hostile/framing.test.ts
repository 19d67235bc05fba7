/** Hostile framing: smuggled, pipelined, half-closed and upgraded requests. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CHAT, CHUNKED_STREAM_HEAD, chunk, LAST_CHUNK, STREAM_HEAD } from '../support/dialect.ts'
import { rawGet, rawPost } from '../support/raw-http.ts'
import { until, within } from '../support/until.ts'
import { assertRefusal, startTarget, type Target } from './target.ts'

let target: Target
before(async () => {
  target = await startTarget()
})
after(() => target.closeUnharmed())

const CHAT_PATH = '/zen/v1/chat/completions'
const bodyOf = (tag: string, stream = false): string =>
  CHAT.request({ model: 'chat-model', stream, maxTokens: 10, tag })
const chunkedPost = (body: string, headers: string[] = []): Buffer =>
  rawPost(CHAT_PATH, ['content-type: application/json', 'transfer-encoding: chunked', target.auth, ...headers], body)

describe('one request is never taken for two, nor two for one', () => {
  const smuggled = rawGet('/healthz')
  const size = bodyOf('smuggle').length.toString(16)
  const vectors: Record<string, { headers: string[]; body: string }> = {
    'length and chunks': { headers: ['content-length: 4', 'transfer-encoding: chunked'], body: `0\r\n\r\n${smuggled}` },
    'chunks and length': { headers: ['transfer-encoding: chunked', 'content-length: 4'], body: `0\r\n\r\n${smuggled}` },
    'chunked twice': { headers: ['transfer-encoding: chunked', 'transfer-encoding: chunked, x'], body: smuggled },
    'chunked is not last': { headers: ['transfer-encoding: chunked, identity'], body: `0\r\n\r\n${smuggled}` },
    identity: { headers: ['transfer-encoding: identity', 'content-length: 3'], body: `abc${smuggled}` },
    'an unknown coding': { headers: ['transfer-encoding: xchunked', 'content-length: 3'], body: `abc${smuggled}` },
    'a chunk size that is no number': {
      headers: ['transfer-encoding: chunked'],
      body: `zz\r\nabc\r\n0\r\n\r\n${smuggled}`,
    },
    'a negative chunk size': { headers: ['transfer-encoding: chunked'], body: `-1\r\nabc\r\n0\r\n\r\n${smuggled}` },
    'a chunk size beyond 64 bits': {
      headers: ['transfer-encoding: chunked'],
      body: `fffffffffffffffff\r\nabc\r\n0\r\n\r\n`,
    },
    'a chunk longer than its size': {
      headers: ['transfer-encoding: chunked'],
      body: `2\r\nabcdef\r\n0\r\n\r\n${smuggled}`,
    },
    'a bare LF after the chunk size': {
      headers: ['transfer-encoding: chunked'],
      body: `${size}\n${bodyOf('smuggle')}\r\n0\r\n\r\n`,
    },
    'a bare CR after the chunk size': {
      headers: ['transfer-encoding: chunked'],
      body: `${size}\r${bodyOf('smuggle')}\r\n0\r\n\r\n`,
    },
  }
  for (const [name, { headers, body }] of Object.entries(vectors)) {
    it(name, async () => {
      const bytes = rawPost(CHAT_PATH, ['content-type: application/json', target.auth, ...headers], body)
      const { replies, closed, text } = await target.ask(bytes)
      assert.equal(replies.length, 1, text)
      assert.ok(closed, 'the connection is closed')
      for (const reply of replies) assertRefusal(reply, 'invalid_request', 'chat')
      assert.equal((text.match(/HTTP\/1\.1/g) ?? []).length, 1, 'nothing stands after the refusal')
      assert.equal(target.upstream.callsOf('smuggle').length, 0)
    })
  }

  it('a chunk that breaks off after good ones is refused once', async () => {
    const { replies, text } = await target.ask([chunkedPost('5\r\n{"mod\r\n'), 'zz\r\n'])
    assert.equal((text.match(/HTTP\/1\.1/g) ?? []).length, 1, text)
    for (const reply of replies) assertRefusal(reply, 'invalid_request', 'chat')
  })

  it('a body in chunks of one byte, with extensions and trailers, is read as it is', async () => {
    const chunks = [...bodyOf('tiny')].map((byte) => `1;ext="a"\r\n${byte}\r\n`).join('')
    const reply = await target.askOnce(chunkedPost(`${chunks}0\r\nx-trailer: 1\r\n\r\n`))
    assert.equal(reply.status, 200, reply.body)
    assert.equal(target.upstream.callsOf('tiny').length, 1)
  })
})

describe('pipelined requests are answered in order, each with its own id', () => {
  it('good ones', async () => {
    const post = rawPost(CHAT_PATH, ['content-type: application/json', target.auth], bodyOf('pipe'))
    const { replies } = await target.ask(Buffer.concat([post, Buffer.from(rawGet('/healthz')), post]), { replies: 3 })
    assert.deepEqual(
      replies.map(({ status }) => status),
      [200, 200, 200],
    )
    assert.match(replies[0]?.body ?? '', /fine/)
    assert.match(replies[1]?.body ?? '', /ok/)
    assert.equal(new Set(replies.map(({ headers }) => headers.get('x-request-id'))).size, 3)
  })

  it('a refused one does not unsettle the next', async () => {
    const bad = rawPost(CHAT_PATH, ['content-type: text/plain', target.auth], 'x'.repeat(50_000))
    const { replies } = await target.ask(Buffer.concat([bad, Buffer.from(rawGet('/healthz'))]), { replies: 2 })
    assert.deepEqual(
      replies.map(({ status }) => status),
      [400, 200],
    )
  })

  it('garbage behind a running stream is not answered inside it', async () => {
    target.upstream.on('garbage', async (call) => {
      await call.write(CHUNKED_STREAM_HEAD + chunk(CHAT.opening(1) + CHAT.delta('first')))
    })
    const post = rawPost(CHAT_PATH, ['content-type: application/json', target.auth], bodyOf('garbage', true))
    const { text } = await target.ask([post, '\0\0garbage\r\n\r\n'], { limitMs: 2500 })
    assert.equal((text.match(/HTTP\/1\.1/g) ?? []).length, 1, text)
  })
})

describe('a client that closes its sending side', () => {
  // A FIN is all that a leaving client sends, so it cannot be told from one that would still read: it counts as gone.
  for (const stream of [false, true]) {
    it(`after its request is taken as gone, and its upstream let go (${stream ? 'streamed' : 'in one piece'})`, async () => {
      const tag = `half-${stream}`
      target.upstream.on(tag, async (call) => {
        if (stream) await call.write(STREAM_HEAD + CHAT.opening(1) + CHAT.delta('first'))
      })
      const post = rawPost(CHAT_PATH, ['content-type: application/json', target.auth], bodyOf(tag, stream))
      const answer = target.ask(post, { halfClose: true })
      const call = await target.upstream.next(tag)
      await within('the upstream is let go', call.closed, 3000)
      assert.doesNotMatch((await answer).text, /\[DONE\]/)
      await until('its row is ended', () => target.books.openHolds() === 0)
    })
  }

  it('in the middle of its body costs nothing', async () => {
    const before = target.books.requests().length
    const post = rawPost(CHAT_PATH, ['content-length: 5000', target.auth], bodyOf('cutbody'))
    const { replies } = await target.ask(post, { halfClose: true })
    for (const reply of replies) assertRefusal(reply, 'invalid_request', 'chat')
    assert.equal(target.books.requests().length, before)
    assert.equal(target.upstream.callsOf('cutbody').length, 0)
  })
})

describe('upgrades and expectations', () => {
  const socket = [
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: aGVsbG8=',
  ]

  it('a WebSocket upgrade on responses gets 426 on both products', async () => {
    for (const path of ['/zen/v1/responses', '/zen/go/v1/responses']) {
      assertRefusal(await target.askOnce(rawGet(path, socket)), 'unsupported_feature', 'chat', 426)
    }
  })
  it('an upgrade elsewhere is not taken', async () => {
    const reply = await target.askOnce(rawGet('/healthz', socket))
    assert.equal(reply.status, 200)
    const h2c = await target.askOnce(
      rawPost(CHAT_PATH, [target.auth, 'connection: Upgrade', 'upgrade: h2c'], bodyOf('h2c')),
    )
    assert.equal(h2c.status, 200)
  })
  it('Expect: 100-continue is answered, and then the request', async () => {
    const post = rawPost(CHAT_PATH, ['expect: 100-continue', target.auth], bodyOf('expect'))
    const { text, replies } = await target.ask(post, { replies: 1 })
    assert.match(text, /^HTTP\/1\.1 100 Continue\r\n/)
    assert.equal(replies[0]?.status, 200)
  })
  it('another expectation is refused like any other request that cannot be read', async () => {
    const reply = await target.askOnce(rawPost(CHAT_PATH, ['expect: miracles', target.auth], bodyOf('miracles')))
    assertRefusal(reply, 'invalid_request', 'chat', 417)
    assert.equal(target.upstream.callsOf('miracles').length, 0)
  })
})

describe('browsers', () => {
  it('may ask what they may send, without a key', async () => {
    const asked = [
      'origin: https://app.example',
      'access-control-request-method: POST',
      'access-control-request-headers: x-api-key',
    ]
    const { replies } = await target.ask(rawGet(CHAT_PATH, asked, 'OPTIONS'), { replies: 1 })
    const headers = replies[0]?.headers
    assert.equal(replies[0]?.status, 204)
    assert.ok(headers?.get('access-control-allow-origin'))
    assert.match(headers?.get('access-control-allow-headers') ?? '', /x-api-key/)
    assert.match(headers?.get('x-request-id') ?? '', /^req_/)
  })
  it('are not shown header names that are none', async () => {
    const { replies } = await target.ask(rawGet(CHAT_PATH, ['access-control-request-headers: <script>'], 'OPTIONS'), {
      replies: 1,
    })
    assert.doesNotMatch(replies[0]?.headers.get('access-control-allow-headers') ?? '', /script/)
  })
  it('may read answers and refusals alike', async () => {
    const origin = 'origin: https://app.example'
    const good = await target.askOnce(rawPost(CHAT_PATH, [target.auth, origin], bodyOf('cors')))
    const bad = await target.askOnce(rawPost(CHAT_PATH, [origin], bodyOf('cors')))
    const wrong = await target.askOnce(rawGet('/nothing', [origin]))
    for (const { headers } of [good, bad, wrong]) assert.ok(headers.get('access-control-allow-origin'))
  })
})

describe('an answer is framed anew', () => {
  it('headers of the upstream do not cross unless they are allowed to', async () => {
    target.upstream.on('cookie', async (call) => {
      await call.write(
        STREAM_HEAD.replace('\r\n\r\n', '\r\nset-cookie: canary=1\r\nx-request-id: theirs\r\nserver: acme\r\n\r\n'),
      )
      await call.write(CHAT.opening(1) + CHAT.delta('x') + CHAT.closing(null) + CHAT.terminal + LAST_CHUNK)
      call.end()
    })
    const { text } = await target.ask(rawPost(CHAT_PATH, [target.auth, 'connection: close'], bodyOf('cookie', true)))
    assert.doesNotMatch(text, /set-cookie|theirs|acme/i)
    assert.match(text, /\[DONE\]/)
  })
})
