/** Hostile request bodies: broken, huge, deep and mistyped JSON, on both protocols. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { ErrorCode } from '../../src/base/errors.ts'
import { DIALECTS, type Dialect } from '../support/dialect.ts'
import { rawPost } from '../support/raw-http.ts'
import { asMembers, assertRefusal, MAX_BODY_BYTES, PROMPT_CANARY, parse, startTarget, type Target } from './target.ts'

let target: Target
before(async () => {
  target = await startTarget()
})
after(() => target.closeUnharmed())

const JSON_TYPE = 'content-type: application/json'
const MESSAGES = `[{"role":"user","content":"${PROMPT_CANARY}"}]`

interface Case {
  readonly name: string
  readonly body: string | Buffer
  readonly code: ErrorCode
  /** The field at fault, where the refusal names one. */
  readonly param?: string
}

/** The members of a good request, some replaced by other JSON text; undefined takes one out. */
function members(changes: Readonly<Record<string, string | undefined>>): string {
  const all: Record<string, string | undefined> = {
    model: '"chat-model"',
    max_tokens: '10',
    messages: MESSAGES,
    ...changes,
  }
  const written = Object.entries(all).flatMap(([name, text]) => (text === undefined ? [] : [`"${name}":${text}`]))
  return `{${written.join(',')}}`
}

const bad = (name: string, body: string | Buffer, param?: string): Case => ({
  name,
  body,
  code: 'invalid_request',
  ...(param ? { param } : {}),
})

const deep = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth)

const BROKEN: readonly Case[] = [
  bad('empty', ''),
  bad('white space', '   \r\n'),
  bad('a byte order mark alone', '\uFEFF'),
  bad('a number', '42'),
  bad('a string', '"chat-model"'),
  bad('null', 'null'),
  bad('an array', `[${members({})}]`),
  bad('an empty object', '{}', 'model'),
  bad('not JSON at all', '<html>'),
  bad('a form', 'model=chat-model&max_tokens=10'),
  bad('two objects', `${members({})}${members({})}`),
  bad('something after the object', `${members({})} x`),
  bad('a trailing comma', members({}).replace(/\}$/, ',}')),
  bad('a comment', members({}).replace('{', '{/* hi */')),
  bad('single quotes', members({}).replaceAll('"', "'")),
  bad('NaN', members({ temperature: 'NaN' })),
  bad('a number with a leading zero', members({ seed: '007' })),
  bad('a number with a plus', members({ seed: '+7' })),
  bad('a lone minus', members({ seed: '-' })),
  bad('a broken escape', members({ user: '"\\x41"' })),
  bad('half a unicode escape', members({ user: '"\\u12"' })),
  bad('a raw line end in a string', members({ user: '"a\nb"' })),
  bad('a NUL in a string', members({ user: '"a\0b"' })),
  bad('a NUL after the object', `${members({})}\0`),
  bad('UTF-16', Buffer.from(`\uFEFF${members({})}`, 'utf16le')),
  bad('100,000 open brackets', members({ metadata: '['.repeat(100_000) })),
  bad('100,000 nested arrays', members({ metadata: deep('[', ']', 100_000) })),
  bad('100,000 nested objects', members({ metadata: `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}` })),
  bad('100,000 brackets at the start', '['.repeat(100_000)),
  bad('nested in stream_options', members({ stream: 'true', stream_options: deep('{"a":[', ']}', 50_000) })),
]

const SHORT = members({})
const TRUNCATED: readonly Case[] = [1, 2, 9, 15, 30, SHORT.length - 20, SHORT.length - 2, SHORT.length - 1].map((end) =>
  bad(`cut after ${end} bytes`, SHORT.slice(0, end)),
)

const NO_MODEL = [
  '5',
  'null',
  'true',
  '{}',
  '[]',
  '""',
  '["chat-model"]',
  '{"id":"chat-model"}',
  `"${'m'.repeat(257)}"`,
]
const NO_COUNT = [
  '-1',
  '-0.5',
  '1.5',
  '1e300',
  '1e-300',
  '1e999',
  '2147483648',
  '99999999999999999999999999',
  '"10"',
  '[]',
  '{}',
  'true',
  `1${'0'.repeat(5000)}`,
]
const NO_FLAG = ['"true"', '1', '0', '"yes"', '[]', '{}']
const NO_MESSAGES = ['null', '{}', '"hi"', '5', 'true']

const MISTYPED: readonly Case[] = [
  bad('no model', members({ model: undefined }), 'model'),
  bad('no messages', members({ messages: undefined }), 'messages'),
  ...NO_MODEL.map((text) => bad(`model ${text.slice(0, 30)}`, members({ model: text }), 'model')),
  ...NO_COUNT.map((text) => bad(`max_tokens ${text.slice(0, 30)}`, members({ max_tokens: text }), 'max_tokens')),
  ...NO_FLAG.map((text) => bad(`stream ${text}`, members({ stream: text }), 'stream')),
  ...NO_MESSAGES.map((text) => bad(`messages ${text}`, members({ messages: text }), 'messages')),
  bad('model twice', members({}).replace('{', '{"model":"free-model",'), 'model'),
  bad('model twice, once spelled with an escape', members({}).replace('{', '{"mod\\u0065l":"free-model",'), 'model'),
  bad('max_tokens twice', members({}).replace('{', '{"max_tokens":1,'), 'max_tokens'),
  bad('stream twice', members({ stream: 'true' }).replace('{', '{"stream":false,'), 'stream'),
]

const NO_SUCH_MODEL: readonly Case[] = [
  ...['nothing', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', ' chat-model', 'CHAT-MODEL'],
  ...['opencode/opencode/chat-model', 'other/chat-model', 'chat-model\\u0000', "' OR '1'='1", '../../etc/passwd'],
  ...['http://127.0.0.1/', '\\ud800', '%{jndi:ldap}', 'chat-model\\r\\nx-evil: 1', '\\u202echat'],
].map((model) => ({ name: `model ${model}`, body: members({ model: `"${model}"` }), code: 'model_not_found' }))

const CHAT_ONLY: readonly Case[] = [
  ...['-1', '1.5', '1e300', '"5"', '[]'].map((text) =>
    bad(`max_completion_tokens ${text}`, members({ max_completion_tokens: text }), 'max_completion_tokens'),
  ),
  bad('two caps that differ', members({ max_tokens: '10', max_completion_tokens: '11' }), 'max_tokens'),
  ...['0', '-1', '129', '1.5', '"2"', '1e9'].map((text) => bad(`n ${text}`, members({ n: text }), 'n')),
  ...['true', '"x"', '5', '[]'].map((text) =>
    bad(`stream_options ${text}`, members({ stream: 'true', stream_options: text }), 'stream_options'),
  ),
  ...['1', '"true"', '{}'].map((text) =>
    bad(
      `include_usage ${text}`,
      members({ stream: 'true', stream_options: `{"include_usage":${text}}` }),
      'stream_options.include_usage',
    ),
  ),
  bad('include_usage twice', members({ stream_options: '{"include_usage":true,"include_usage":false}' })),
]

const MESSAGES_ONLY: readonly Case[] = [
  bad('no max_tokens', members({ max_tokens: undefined }), 'max_tokens'),
  bad('max_tokens null', members({ max_tokens: 'null' }), 'max_tokens'),
  // Only a translation looks at messages.
  ...['[1]', '[null]', '[{"role":5}]', '[{"role":"user","content":5}]', '[{"role":"user","content":[7]}]'].map(
    (messages) => ({
      ...{ name: `messages ${messages} for a model of the other family`, code: 'invalid_request' as const },
      body: members({ model: '"chat-only"', messages }),
    }),
  ),
]

for (const dialect of DIALECTS) {
  const family = dialect.path === 'messages' ? 'messages' : 'chat'
  const own = family === 'messages' ? MESSAGES_ONLY : CHAT_ONLY
  describe(`${dialect.protocol}: a bad body is refused with its reason, unsent and unpaid`, () => {
    for (const { name, body, code, param } of [...BROKEN, ...TRUNCATED, ...MISTYPED, ...NO_SUCH_MODEL, ...own]) {
      it(name, async () => {
        const hits = target.upstream.calls.length
        const reply = await post(dialect, body)
        assertRefusal(reply, code, family)
        const error = asMembers(parse(reply.body).error)
        if (param) assert.equal(error.param, param)
        assert.ok(!reply.body.includes(PROMPT_CANARY), 'the refusal repeats the prompt')
        assert.equal(target.upstream.calls.length, hits, 'a refused request reached the upstream')
      })
    }
  })

  describe(`${dialect.protocol}: odd but good bodies are answered`, () => {
    const good: Record<string, string> = {
      'a byte order mark in front': `\uFEFF${members({})}`,
      'white space everywhere': ` \r\n\t${members({}).replaceAll(':', ' :\n').replaceAll(',', '\t, ')} \n`,
      'keys that are members of every object': members({ __proto__x: '1', constructor: '{}', toString: 'null' }),
      'a __proto__ key': members({}).replace('{', '{"__proto__":{"model":"free-model","stream":true},'),
      'invalid UTF-8 in the prompt': members({}),
      'a cap beyond the model’s': members({ max_tokens: '2147483647' }),
      'a cap written as 1e1': members({ max_tokens: '1e1' }),
      'a cap of nothing': members({ max_tokens: '0' }),
      'a prefixed id': members({ model: '"opencode/chat-model"' }),
      'another prefix': members({ model: '"zendo/chat-model"' }),
      'the other product’s prefix': members({ model: '"opencode-go/chat-model"' }),
      'an alias': members({ model: '"small-talk"' }),
      'a prefixed alias': members({ model: '"zendo/small-talk"' }),
      'an id spelled with escapes': members({ model: '"chat\\u002dmodel"' }),
      '200 nested arrays': members({ metadata: deep('[', ']', 200) }),
      '20,000 unknown members': members({}).replace('{', `{${'"x":1,'.repeat(20_000)}`),
    }
    for (const [name, body] of Object.entries(good)) {
      it(name, async () => {
        const bytes = Buffer.from(body)
        if (name.startsWith('invalid')) bytes[bytes.indexOf(PROMPT_CANARY)] = 0xff
        const reply = await post(dialect, bytes)
        assert.equal(reply.status, 200, reply.body)
        const call = target.upstream.calls.at(-1)
        assert.match(call?.body ?? '', /"upstream-name"/)
        assert.equal(parse(JSON.stringify(JSON.parse((call?.body ?? '').replace('\uFEFF', '')))).model, 'upstream-name')
      })
    }
  })

  describe(`${dialect.protocol}: the size of a body is bounded`, () => {
    const sized = (bytes: number): string =>
      members({ user: `"${'a'.repeat(bytes - members({ user: '""' }).length)}"` })
    const chunkedHeaders = [JSON_TYPE, 'transfer-encoding: chunked']
    const chunked = (body: string): string => {
      const pieces = body.match(/[\s\S]{1,65536}/g) ?? []
      return `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`
    }

    it('at the limit it is answered', async () => {
      assert.equal((await post(dialect, sized(MAX_BODY_BYTES))).status, 200)
      assert.equal((await post(dialect, chunked(sized(MAX_BODY_BYTES)), chunkedHeaders)).status, 200)
    })
    it('one byte over it is refused', async () => {
      assertRefusal(await post(dialect, sized(MAX_BODY_BYTES + 1)), 'body_too_large', family)
      assertRefusal(await post(dialect, chunked(sized(MAX_BODY_BYTES + 1)), chunkedHeaders), 'body_too_large', family)
    })
    it('an announced size is refused before any of it is sent', async () => {
      const reply = await post(dialect, '', [JSON_TYPE, `content-length: ${MAX_BODY_BYTES + 1}`])
      assertRefusal(reply, 'body_too_large', family)
      assertRefusal(await post(dialect, '', [JSON_TYPE, 'content-length: 999999999999999']), 'body_too_large', family)
    })
    it('an endless one is refused at the limit and not kept', async () => {
      const before = target.instance.residentMiB()
      const piece = `10000\r\n${'a'.repeat(65_536)}\r\n`
      const head = rawPost(`/zen/v1/${dialect.path}`, [target.auth, ...chunkedHeaders], '')
      const reply = await target.askOnce([head, ...Array.from({ length: 1024 }, () => piece)])
      assertRefusal(reply, 'body_too_large', family)
      assert.ok(target.instance.residentMiB() - before < 100, 'memory grew with the body')
    })
  })

  describe(`${dialect.protocol}: a body labelled as something else is refused`, () => {
    const labels = [
      'content-type: text/plain',
      'content-type: application/x-www-form-urlencoded',
      'content-type: multipart/form-data; boundary=x',
      'content-type: text/html',
      'content-type: application/xml',
    ]
    const encodings = ['gzip', 'deflate', 'br', 'zstd', 'gzip, gzip', 'x-nothing']
    for (const header of [...labels, ...encodings.map((name) => `content-encoding: ${name}`)]) {
      it(header, async () => {
        const hits = target.upstream.calls.length
        const headers = header.startsWith('content-type') ? [header] : [JSON_TYPE, header]
        assertRefusal(await post(dialect, members({}), headers), 'invalid_request', family)
        assert.equal(target.upstream.calls.length, hits)
      })
    }
    it('no label at all is taken as JSON', async () => {
      assert.equal((await post(dialect, members({}), [])).status, 200)
    })
  })
}

function post(dialect: Dialect, body: string | Buffer, headers: readonly string[] = [JSON_TYPE]) {
  return target.askOnce(rawPost(`/zen/v1/${dialect.path}`, [target.auth, ...headers], body))
}
