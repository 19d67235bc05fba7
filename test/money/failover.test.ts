/** Several providers of one model: the next one answers for a broken one, the client pays once, and never mid-answer. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DIALECTS, jsonReply, STREAM_HEAD } from '../support/dialect.ts'
import { type FaultUpstream, type Script, startFaultUpstream } from '../support/fault-upstream.ts'
import { within } from '../support/until.ts'
import { answerWith, dialectOf, PRICED, requestIdOf, type Scene, startScene } from './scene.ts'

const USAGE = { input: 10, output: 50 }
const COST = BigInt(USAGE.input * PRICED.input * 1000 + USAGE.output * PRICED.output * 1000)
const HEADERS_MS = 400

let first: FaultUpstream
let second: FaultUpstream
let scene: Scene
before(async () => {
  first = await startFaultUpstream((call) => answerWith(call, USAGE))
  second = await startFaultUpstream((call) => answerWith(call, USAGE))
  const provider = (origin: string): object => ({
    baseUrls: { 'openai-chat': `${origin}/v1`, 'anthropic-messages': `${origin}/v1` },
    timeouts: { connectMs: 1000, headersMs: HEADERS_MS, idleMs: 1000, totalMs: 5000 },
  })
  const model = (...providers: string[]): object => ({
    products: ['zen', 'go'],
    price: PRICED,
    routes: providers.map((name, priority) => ({ provider: name, model: 'm', priority })),
  })
  scene = await startScene({
    providers: { first: provider(first.origin), second: provider(second.origin), gone: provider('http://127.0.0.1:1') },
    models: { pair: model('first', 'second'), 'gone-first': model('gone', 'second'), alone: model('first') },
  })
})
after(async () => {
  try {
    await scene.assertBalanced()
  } finally {
    await scene.close()
    await first.close()
    await second.close()
  }
})

const status =
  (code: number, body = '{"error":{"message":"no"}}'): Script =>
  (call) =>
    call.write(jsonReply(body, `${code} No`))

/** What makes the next provider try. */
const FAULTS: Record<string, Script> = {
  ...Object.fromEntries([401, 402, 403, 500, 502, 503, 529].map((code) => [`status ${code}`, status(code)])),
  'a used-up quota': status(429, '{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}'),
  'a redirect': (call) => call.write(jsonReply('', '302 Found', ['location: http://127.0.0.1:1/'])),
  'a reset': (call) => call.reset(),
  HTML: (call) => call.write(jsonReply('<html></html>')),
  'an error with status 200': (call) => call.write(jsonReply('{"error":{"message":"busy"}}')),
  silence: () => {},
  garbage: async (call) => {
    await call.write('garbage\r\n\r\n')
    call.end()
  },
}

for (const dialect of DIALECTS) {
  const prefix = dialect.path.slice(0, 4)
  describe(`${dialect.protocol}: when the first provider fails before an answer, the second answers`, {
    concurrency: 8,
  }, () => {
    for (const [name, script] of Object.entries(FAULTS)) {
      for (const stream of [false, true]) {
        it(`${name}${stream ? ', streamed' : ''}`, async () => {
          const tag = `${prefix}-${name.replaceAll(' ', '-')}-${stream}`
          first.on(tag, script)
          const answer = scene.ask(dialect, { tag, stream, model: 'pair' })
          assert.equal(await within('the answer', answer.over, HEADERS_MS + 2500), 'whole')
          assert.equal(answer.status(), 200, answer.text())
          assert.match(answer.text(), /fine/)
          const id = requestIdOf(answer)
          const row = scene.books.find(id)
          assert.deepEqual([row?.state, row?.charged, row?.provider], ['settled', COST, 'second'])
          assert.equal(scene.books.entries(id).get('balance'), -COST, 'one charge')
          const attempts = scene.books.attempts(id)
          assert.deepEqual(
            attempts.map(({ provider }) => provider),
            ['first', 'second'],
          )
          assert.equal(row?.attempts, 2n)
          assert.equal(first.callsOf(tag).length, 1)
          assert.equal(second.callsOf(tag).length, 1)
          assert.equal(first.callsOf(tag)[0]?.body, second.callsOf(tag)[0]?.body, 'both were asked the same')
        })
      }
    }

    it('a refused connection', async () => {
      const answer = scene.ask(dialect, { tag: `${prefix}-gone`, model: 'gone-first' })
      await within('the answer', answer.over, 2500)
      assert.equal(answer.status(), 200, answer.text())
      const id = requestIdOf(answer)
      assert.deepEqual(
        scene.books.attempts(id).map(({ provider, outcome }) => [provider, outcome]),
        [
          ['gone', 'connect'],
          ['second', 'complete'],
        ],
      )
      assert.equal(scene.books.find(id)?.charged, COST)
    })
  })

  describe(`${dialect.protocol}: nothing is tried again`, () => {
    it('once a byte of the answer was relayed', async () => {
      const tag = `${prefix}-cut`
      first.on(tag, async (call) => {
        await call.write(STREAM_HEAD + dialect.opening(10) + dialect.delta('half'))
        call.reset()
      })
      const answer = scene.ask(dialect, { tag, model: 'pair' })
      await answer.over
      assert.ok(answer.text().includes(dialect.errorMark))
      assert.ok(!answer.text().includes(dialect.terminalMark))
      assert.deepEqual([first.callsOf(tag).length, second.callsOf(tag).length], [1, 0])
      assert.equal(scene.books.attempts(requestIdOf(answer)).length, 1)
    })

    it('when the request itself was refused', async () => {
      const tag = `${prefix}-bad`
      first.on(tag, status(400, '{"error":{"message":"messages.0 is wrong","type":"invalid_request_error"}}'))
      const answer = scene.ask(dialect, { tag, model: 'pair' })
      await answer.over
      assert.equal(answer.status(), 400)
      assert.deepEqual([first.callsOf(tag).length, second.callsOf(tag).length], [1, 0])
      assert.equal(scene.books.find(requestIdOf(answer))?.charged, 0n)
    })

    it('when the client has left meanwhile', async () => {
      const tag = `${prefix}-left`
      first.on(tag, () => {})
      const answer = scene.ask(dialect, { tag, model: 'pair' })
      const call = await first.next(tag)
      answer.leave()
      await within('the first provider is let go', call.closed, 3000)
      assert.equal(second.callsOf(tag).length, 0)
    })
  })

  it(`${dialect.protocol}: when all fail the client pays nothing, and each try stands on the row`, async () => {
    const tag = `${prefix}-all`
    first.on(tag, status(401))
    second.on(tag, status(500))
    const answer = scene.ask(dialect, { tag, model: 'pair' })
    await answer.over
    assert.equal(answer.status(), 503)
    const id = requestIdOf(answer)
    assert.equal(scene.books.find(id)?.charged, 0n)
    assert.deepEqual(
      scene.books.attempts(id).map(({ provider, outcome, status }) => [provider, outcome, status]),
      [
        ['first', 'operator', 401n],
        ['second', 'unavailable', 500n],
      ],
    )
  })

  it(`${dialect.protocol}: a connection that broke before any answer is tried once more, and paid once`, async () => {
    const tag = `${prefix}-flaky`
    first.on(tag, async (call) => {
      if (first.callsOf(tag).length === 1) call.reset()
      else await call.write(jsonReply(dialectOf(call).whole('fine', dialect.usage(USAGE))))
    })
    const answer = scene.ask(dialect, { tag, stream: false, model: 'alone' })
    await answer.over
    assert.equal(answer.status(), 200, answer.text())
    assert.equal(first.callsOf(tag).length, 2)
    assert.equal(scene.books.find(requestIdOf(answer))?.charged, COST)
  })
}
