/** Random damage to good requests: always an answer in shape, never a fault of ours, and nothing read that was not sent. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { type Random, randomFor } from '../captures/random.ts'
import { DIALECTS, type Dialect } from '../support/dialect.ts'
import { rawPost } from '../support/raw-http.ts'
import { assertRefusal, parse, startTarget, type Target } from './target.ts'

const BODIES = 400
const HEADS = 200

const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 1_000_000)

let target: Target
before(async () => {
  target = await startTarget()
})
after(() => target.closeUnharmed())

const TOKENS = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  'null',
  'true',
  '1e9',
  '-',
  '\0',
  '\u00ff',
  '"model"',
  '"stream":true,',
  '\\u0000',
  '\n',
]

/** One to four times: some bytes taken out, doubled, replaced or put in. */
function damage(bytes: Buffer, random: Random): Buffer {
  let damaged = bytes
  for (let times = 1 + Math.floor(random() * 4); times > 0; times--) {
    const at = Math.floor(random() * damaged.length)
    const length = Math.floor(random() ** 3 * 40)
    const [start, cut, end] = [
      damaged.subarray(0, at),
      damaged.subarray(at, at + length),
      damaged.subarray(at + length),
    ]
    const token = Buffer.from(TOKENS[Math.floor(random() * TOKENS.length)] ?? '', 'latin1')
    const pieces = [
      [start, end],
      [start, cut, cut, end],
      [start, token, end],
      [start, token, cut, end],
    ]
    damaged = Buffer.concat(pieces[Math.floor(random() * pieces.length)] ?? [])
  }
  return damaged
}

const richBody = (dialect: Dialect): Buffer =>
  Buffer.from(
    `{"model":"chat-model","max_tokens":20,"stream":false,"messages":[{"role":"user","content":"h\\u00e9llo \\"you\\""}],` +
      `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"enum":[1,2.5,-3e-2]}}}}}],` +
      `${dialect.path === 'messages' ? '' : '"stream_options":{"include_usage":true},"n":1,'}"metadata":{"x":[[],{}]},"tag":"fuzz"}`,
  )

it(`damaged bodies (ZENDO_TEST_SEED=${seed})`, async () => {
  const random = randomFor(seed, 'bodies')
  for (let i = 0; i < BODIES; i++) {
    const dialect = DIALECTS[i % 2] as Dialect
    const body = damage(richBody(dialect), random)
    const hits = target.upstream.calls.length
    const post = rawPost(`/zen/v1/${dialect.path}`, ['content-type: application/json', target.auth], body)
    const reply = await target.askOnce(post)
    const shown = `ZENDO_TEST_SEED=${seed}, body ${i}: ${JSON.stringify(body.toString('latin1'))} got ${reply.status} ${reply.body}`
    if (reply.status !== 200) {
      assert.ok([400, 404].includes(reply.status), shown)
      assertRefusal(
        reply,
        reply.status === 404 ? 'model_not_found' : codeOf(reply.body),
        dialect.path === 'messages' ? 'messages' : 'chat',
      )
      assert.equal(target.upstream.calls.length, hits, shown)
      continue
    }
    // What is taken for JSON here is JSON for everyone, and says the same.
    const sent = JSON.parse(body.toString()) as Record<string, unknown>
    assert.equal(sent.model, 'chat-model', shown)
    const row = target.books.find(reply.headers.get('x-request-id') ?? '')
    assert.equal(row?.stream === 1n, sent.stream === true, shown)
    assert.equal(JSON.parse(target.upstream.calls.at(-1)?.body ?? '').model, 'upstream-name', shown)
  }
})

function codeOf(body: string): 'invalid_request' | 'unsupported_feature' {
  const { code } = parse(body).error as { code?: string }
  return code === 'unsupported_feature' ? code : 'invalid_request'
}

it(`damaged heads (ZENDO_TEST_SEED=${seed})`, async () => {
  const random = randomFor(seed, 'heads')
  for (let i = 0; i < HEADS; i++) {
    const dialect = DIALECTS[i % 2] as Dialect
    const whole = rawPost(`/zen/v1/${dialect.path}`, ['content-type: application/json', target.auth], richBody(dialect))
    const headEnd = whole.indexOf('\r\n\r\n')
    const bytes = Buffer.concat([damage(whole.subarray(0, headEnd), random), whole.subarray(headEnd)])
    // Closed afterwards, since a damaged length may announce bytes that never come.
    const { replies, text } = await target.ask(bytes, { replies: 1, halfClose: true, limitMs: 2000 })
    const shown = `ZENDO_TEST_SEED=${seed}, head ${i}: ${JSON.stringify(bytes.toString('latin1', 0, headEnd))} got ${text}`
    const [reply] = replies
    if (reply === undefined) continue
    assert.ok(reply.status < 500, shown)
    if (reply.status >= 400) assert.equal(parse(reply.body).type, 'error', shown)
  }
})
