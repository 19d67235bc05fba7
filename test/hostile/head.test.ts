/** Hostile request heads: methods, paths, hosts, sizes and framing that no client of ours would send. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ErrorCode } from '../../src/base/errors.ts'
import { CHAT } from '../support/dialect.ts'
import { rawGet, rawPost } from '../support/raw-http.ts'
import { assertRefusal, type Family, startTarget, type Target } from './target.ts'

let target: Target
before(async () => {
  target = await startTarget()
})
after(() => target.closeUnharmed())

const CHAT_PATH = '/zen/v1/chat/completions'
const GOOD_BODY = CHAT.request({ model: 'chat-model', stream: false, maxTokens: 10, tag: 'head' })
const goodPost = (path: string, headers: string[] = []): Buffer =>
  rawPost(path, ['content-type: application/json', target.auth, ...headers], GOOD_BODY)

/** That it is refused as documented and nothing goes upstream. */
async function refused(bytes: string | Buffer, code: ErrorCode, family: Family, status?: number): Promise<void> {
  const hits = target.upstream.calls.length
  assertRefusal(await target.askOnce(bytes), code, family, status)
  assert.equal(target.upstream.calls.length, hits, 'a refused request reached the upstream')
}

describe('a path that is none of ours is refused in the caller’s shape', () => {
  const paths: [string, Family][] = [
    ['/zen', 'chat'],
    ['/zen/v1/', 'chat'],
    ['/zen/v2/chat/completions', 'chat'],
    ['/ZEN/v1/chat/completions', 'chat'],
    ['//zen/v1/chat/completions', 'chat'],
    ['/zen//v1/chat/completions', 'chat'],
    ['/zen/v1//chat/completions', 'chat'],
    ['/zen/v1/chat//completions', 'chat'],
    ['/zen/v1/chat/completions;x=1', 'chat'],
    ['/zen/v1/chat%2Fcompletions', 'chat'],
    ['/zen/v1/%63hat/completions', 'chat'],
    ['/zen/v1/x/../chat/completions', 'chat'],
    ['/zen/v1/x/%2e%2e/chat/completions', 'chat'],
    ['/zen/v1/chat/completions%00', 'chat'],
    ['/zen/v1/chat/completions%0d%0ax-evil:1', 'chat'],
    ['/zen/v1/chat\\completions', 'chat'],
    ['http://evil.example/zen/v1/nothing', 'chat'],
    ['/zen/v1/messages/batches', 'messages'],
    ['/zen/go/v1/messages/../chat/completions', 'messages'],
    ['/zen/v1/responses/resp_1', 'chat'],
    ['/zen/v1beta/nothing:generateContent', 'google'],
    ['/console', 'chat'],
    ['/metrics', 'chat'],
    ['/.env', 'chat'],
  ]
  for (const [path, family] of paths) {
    it(path, () => refused(goodPost(path), 'route_not_found', family))
  }
})

describe('a method that a path does not take is refused', () => {
  for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'SEARCH', 'LINK', 'QUERY']) {
    it(`${method} on chat/completions`, () =>
      refused(rawGet(CHAT_PATH, [target.auth], method), 'route_not_found', 'chat'))
  }
  it('POST on /healthz', () => refused(rawPost('/healthz', [], ''), 'route_not_found', 'chat'))
  it('GET with a method override', () =>
    refused(rawGet('/zen/v1/messages', [target.auth, 'x-http-method-override: POST']), 'route_not_found', 'messages'))
  it('TRACE echoes nothing of the request', async () => {
    const { text } = await target.ask(rawGet('/healthz', ['x-secret: echo-canary'], 'TRACE'), { replies: 1 })
    assert.ok(!text.includes('echo-canary'))
  })
  it('CONNECT opens no tunnel', async () => {
    const { replies, closed } = await target.ask('CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n', { replies: 1 })
    assert.ok(closed || (replies[0]?.status ?? 0) >= 400)
  })
  it('HEAD answers as GET would, without a body', async () => {
    const { text } = await target.ask(rawGet('/healthz', ['connection: close'], 'HEAD'))
    assert.match(text, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/)
    const missing = await target.ask(rawGet('/nothing', ['connection: close'], 'HEAD'))
    assert.match(missing.text, /^HTTP\/1\.1 404 [\s\S]*x-request-id: req_[\s\S]*\r\n\r\n$/i)
  })
})

describe('what identity a head claims changes nothing', () => {
  it('two Host headers', () =>
    refused(rawPost(CHAT_PATH, ['Host: other.test', target.auth], GOOD_BODY), 'invalid_request', 'chat'))
  it('two Host headers that agree', () =>
    refused(rawPost(CHAT_PATH, ['host: zendo.test', target.auth], GOOD_BODY), 'invalid_request', 'chat'))
  it('no Host header', () =>
    refused(`POST ${CHAT_PATH} HTTP/1.1\r\ncontent-length: 0\r\n\r\n`, 'invalid_request', 'chat'))
  it('a Host that looks like a path still needs the key', async () => {
    const bytes = `GET /zen/v1/usage HTTP/1.1\r\nHost: x/healthz?\r\n\r\n`
    assertRefusal(await target.askOnce(bytes), 'missing_key', 'chat')
  })
  it('an absolute address does not get around the key', async () => {
    const reply = await target.askOnce(rawGet('http://localhost/zen/v1/usage'))
    assert.ok(reply.status === 404 || reply.status === 401, String(reply.status))
  })
  it('x-forwarded and original-URL headers do not choose the route', () =>
    refused(
      goodPost('/zen/v1/nothing', [`x-original-url: ${CHAT_PATH}`, `x-rewrite-url: ${CHAT_PATH}`]),
      'route_not_found',
      'chat',
    ))
})

describe('a head too large is refused, not buffered', () => {
  it('17 KB of headers', () =>
    refused(goodPost(CHAT_PATH, [`x-long: ${'a'.repeat(17 * 1024)}`]), 'invalid_request', 'chat', 431))
  it('17 KB in many headers', () =>
    refused(
      goodPost(
        CHAT_PATH,
        Array.from({ length: 1700 }, (_, i) => `x-${i}: 12345`),
      ),
      'invalid_request',
      'chat',
      431,
    ))
  it('a URL of 9 KB', () => refused(goodPost(`${CHAT_PATH}?x=${'a'.repeat(9 * 1024)}`), 'invalid_request', 'chat'))
  it('a URL of 20 KB', () => refused(goodPost(`/${'a'.repeat(20 * 1024)}`), 'invalid_request', 'chat', 431))
})

describe('a head that is not HTTP is refused and the connection closed', () => {
  const head = `POST ${CHAT_PATH} HTTP/1.1\r\nHost: x\r\n`
  const broken: Record<string, string> = {
    'a space before the colon': `${head}content-length : 0\r\n\r\n`,
    'a bare CR in a value': `${head}x-a: b\rc\r\ncontent-length: 0\r\n\r\n`,
    'a NUL in a value': `${head}x-a: b\0c\r\ncontent-length: 0\r\n\r\n`,
    'a line folded into the next': `${head}x-a: b\r\n c\r\ncontent-length : 0\r\n\r\n`,
    'version 3': 'GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n',
    'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'an unknown method': 'FETCH / HTTP/1.1\r\nHost: x\r\n\r\n',
    'a TLS greeting': '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00',
    'two lengths': `${head}content-length: 0\r\ncontent-length: 5\r\n\r\n`,
    'a negative length': `${head}content-length: -1\r\n\r\n`,
    'a hexadecimal length': `${head}content-length: 0x10\r\n\r\n`,
    'a list of lengths': `${head}content-length: 5, 5\r\n\r\n`,
    'a length beyond 64 bits': `${head}content-length: 99999999999999999999\r\n\r\n`,
  }
  for (const [name, bytes] of Object.entries(broken)) {
    it(name, async () => {
      const hits = target.upstream.calls.length
      const { replies, closed, text } = await target.ask(Buffer.from(bytes, 'latin1'))
      assert.equal(replies.length, 1, text)
      assert.ok(closed)
      for (const reply of replies) assertRefusal(reply, 'invalid_request', 'chat')
      assert.equal(target.upstream.calls.length, hits)
    })
  }
})
