/** Hostile keys, in each of the four places where a key may stand. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ErrorCode } from '../../src/base/errors.ts'
import { DIALECTS, type Dialect } from '../support/dialect.ts'
import { type RawReply, rawGet, rawPost } from '../support/raw-http.ts'
import { assertRefusal, startTarget, type Target } from './target.ts'

let target: Target
before(async () => {
  target = await startTarget()
})
after(() => target.closeUnharmed())

interface Place {
  readonly name: string
  /** Puts a key there; null for a key that cannot be written there at all. */
  put(key: string): { header?: string; query?: string } | null
}

const inHeader = (name: string, before: string): Place => ({
  name,
  put: (key) => (/[\r\n\0]|[^\0-\xff]/.test(key) ? null : { header: `${name}: ${before}${key}` }),
})

const PLACES: readonly Place[] = [
  inHeader('authorization', 'Bearer '),
  inHeader('x-api-key', ''),
  inHeader('x-goog-api-key', ''),
  { name: '?key=', put: (key) => ({ query: `?key=${encodeURIComponent(key)}` }) },
]

/** The key goes where `place` says; every other credential stays away. */
function requestWith(dialect: Dialect, place: Place, key: string, model = 'chat-model'): Buffer | null {
  const put = place.put(key)
  if (put === null) return null
  const body = dialect.request({ model, stream: false, maxTokens: 10, tag: 'key' })
  return rawPost(`/zen/v1/${dialect.path}${put.query ?? ''}`, put.header ? [put.header] : [], body)
}

const FORMED = 'sk-zendo-0123456789ABCDEFGHJKMNPQRS'
const UNKNOWN_KEYS = [
  "' OR '1'='1' --",
  `${FORMED}' OR 1=1 --`,
  '"; DROP TABLE api_key; --',
  'x\r\nx-api-key: y',
  'x\0y',
  'ключ-ключ',
  'k\xe9y\xff',
  '🔑'.repeat(50),
  '%00%0d%0a',
  '{{7*7}}',
  '../../../data/secrets.json',
  'undefined',
  'null',
  '[object Object]',
  '__proto__',
  'PUBLIC',
  'sk-proj-1234567890',
  `${FORMED}AAAAAA`,
  'sk-zendo-',
  'a'.repeat(5000),
]

for (const dialect of DIALECTS) {
  const family = dialect.path === 'messages' ? 'messages' : 'chat'
  const refused = async (bytes: Buffer, code: ErrorCode, status?: number): Promise<RawReply> => {
    const hits = target.upstream.calls.length
    const reply = await target.askOnce(bytes)
    assertRefusal(reply, code, family, status)
    assert.equal(target.upstream.calls.length, hits, 'a request without a key reached the upstream')
    return reply
  }

  describe(`${dialect.protocol}: a key that is none is refused with 401 and not repeated`, () => {
    for (const place of PLACES) {
      for (const key of UNKNOWN_KEYS) {
        it(`${JSON.stringify(key.slice(0, 40))} in ${place.name}`, async () => {
          const bytes = requestWith(dialect, place, key)
          if (bytes === null) return
          const reply = await refused(bytes, 'invalid_key')
          if (key.length > 8) assert.ok(!reply.body.includes(key))
        })
      }
    }

    it('what resembles the real one is not the real one', async () => {
      const { apiKey } = target.instance
      const flipped = apiKey.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
      const near = [
        flipped,
        apiKey.slice(0, -1),
        `${apiKey}0`,
        apiKey.toUpperCase(),
        apiKey.toLowerCase(),
        `x${apiKey}`,
      ]
      for (const key of [...near, apiKey.slice(0, 40), apiKey.replace('-zendo-', '-zend0-'), `${apiKey}\t${apiKey}`]) {
        for (const place of PLACES) {
          // In a header a second word is cut off, as the scheme is.
          if (key.includes('\t') && place.name === 'authorization') continue
          await refused(requestWith(dialect, place, key) ?? Buffer.alloc(0), 'invalid_key')
        }
      }
    })

    it('10 KB of it', async () => {
      for (const place of PLACES) {
        const bytes = requestWith(dialect, place, 'k'.repeat(10_240)) ?? Buffer.alloc(0)
        await refused(bytes, place.name === '?key=' ? 'invalid_request' : 'invalid_key')
      }
    })
  })

  describe(`${dialect.protocol}: no key`, () => {
    it('is asked for, wherever an empty one stands', async () => {
      for (const place of PLACES) await refused(requestWith(dialect, place, '') ?? Buffer.alloc(0), 'missing_key')
      const body = dialect.request({ model: 'chat-model', stream: false, maxTokens: 10, tag: 'key' })
      await refused(rawPost(`/zen/v1/${dialect.path}`, [], body), 'missing_key')
      await refused(
        rawPost(`/zen/v1/${dialect.path}`, ['cookie: key=1', 'proxy-authorization: Bearer x'], body),
        'missing_key',
      )
    })
    it('and the public name of none, pay for free models only', async () => {
      for (const place of PLACES) {
        await refused(requestWith(dialect, place, 'public') ?? Buffer.alloc(0), 'missing_key')
        const reply = await target.askOnce(requestWith(dialect, place, 'public', 'free-model') ?? Buffer.alloc(0))
        assert.equal(reply.status, 200, reply.body)
      }
    })
    it('in the body is not looked for', async () => {
      const body = dialect.request({ model: 'chat-model', stream: false, maxTokens: 10, tag: 'key' })
      const withKeys = body.replace('{', `{"key":"${target.instance.apiKey}","api_key":"${target.instance.apiKey}",`)
      await refused(rawPost(`/zen/v1/${dialect.path}`, [], withKeys), 'missing_key')
    })
  })

  it(`${dialect.protocol}: the real key is taken in each place, and beside a dummy`, async () => {
    for (const place of PLACES) {
      const bytes = requestWith(dialect, place, target.instance.apiKey) ?? Buffer.alloc(0)
      assert.equal((await target.askOnce(bytes)).status, 200)
    }
    const body = dialect.request({ model: 'chat-model', stream: false, maxTokens: 10, tag: 'key' })
    const dummy = ['authorization: Bearer dummy', `x-api-key: ${target.instance.apiKey}`]
    assert.equal((await target.askOnce(rawPost(`/zen/v1/${dialect.path}`, dummy, body))).status, 200)
  })

  it(`${dialect.protocol}: the client’s key never goes upstream`, () => {
    assert.ok(target.upstream.calls.length > 0)
    for (const { headers, body, requestLine } of target.upstream.calls) {
      const sent = `${requestLine} ${[...headers].flat().join(' ')} ${body}`
      assert.ok(!sent.includes(target.instance.apiKey))
    }
  })
}

describe('routes that only read', () => {
  it('refuse a wrong key, also where none is needed', async () => {
    for (const path of ['/zen/v1/models', '/zen/v1/models/chat-model', '/zen/go/v1/usage']) {
      const reply = await target.askOnce(rawGet(path, ['x-api-key: nonsense']))
      assertRefusal(reply, 'invalid_key', 'chat')
    }
  })
  it('show without a key what is free, and no use at all', async () => {
    const models = await target.askOnce(rawGet('/zen/v1/models'))
    assert.match(models.body, /"free-model"/)
    assert.doesNotMatch(models.body, /"chat-model"/)
    assertRefusal(await target.askOnce(rawGet('/zen/v1/usage')), 'missing_key', 'chat')
    assertRefusal(await target.askOnce(rawGet('/zen/v1/models/chat-model')), 'model_not_found', 'chat')
  })
  it('refuse paths and queries that are none', async () => {
    const auth = [target.auth]
    assertRefusal(await target.askOnce(rawGet('/zen/v1/models/%E0%A4%A', auth)), 'invalid_request', 'chat')
    for (const id of ['__proto__', 'constructor', '%00', '%2e%2e%2f', "'%20OR%201=1", 'a'.repeat(3000)]) {
      assertRefusal(await target.askOnce(rawGet(`/zen/v1/models/${id}`, auth)), 'model_not_found', 'chat')
    }
    for (const query of [
      'limit=0',
      'limit=-1',
      'limit=x',
      'limit=1e9',
      'limit=1.5',
      'after_id=nothing',
      'before_id=%00',
    ]) {
      const reply = await target.askOnce(rawGet(`/zen/v1/models?${query}`, [...auth, 'anthropic-version: 2023-06-01']))
      assertRefusal(reply, 'invalid_request', 'messages')
    }
  })
})
