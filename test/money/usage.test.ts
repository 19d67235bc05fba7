/** What upstreams say they used, however odd: never a negative charge, never more than the hold, never a broken ledger. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { DIALECTS, type Dialect, jsonReply, STREAM_HEAD } from '../support/dialect.ts'
import { within } from '../support/until.ts'
import { EXACT_HOLD, EXACT_TOKENS, PRICED, requestIdOf, type Scene, startScene } from './scene.ts'

const RANDOM_RUNS = 150
const AT_ONCE = 10

let scene: Scene
before(async () => {
  scene = await startScene()
  await scene.instance.cli('credit', 'grant', '1000')
})
after(async () => {
  try {
    await scene.assertBalanced()
  } finally {
    await scene.close()
  }
})

let serial = 0

/** Asks an upstream whose usage is this JSON text (null: none), and returns the row of the answer. */
async function rowFor(dialect: Dialect, stream: boolean, usage: string | null, more: object = {}) {
  const tag = `usage-${serial++}`
  scene.upstream.on(tag, async (call) => {
    await call.write(stream ? STREAM_HEAD + streamWith(dialect, usage) : wholeWith(dialect, usage))
    call.end()
  })
  const answer = scene.ask(dialect, { tag, stream, model: 'priced', ...more })
  assert.equal(await within('the answer', answer.over, 5000), 'whole')
  assert.equal(answer.status(), 200, answer.text())
  if (stream) assert.ok(answer.text().includes(dialect.terminalMark), answer.text())
  const row = scene.books.find(requestIdOf(answer))
  assert.ok(row, 'there is a row')
  assert.equal(row.state, 'settled')
  assert.equal(typeof row.charged, 'bigint')
  assert.ok((row.charged ?? -1n) >= 0n && (row.charged ?? 0n) <= row.hold, `charged ${row.charged} of ${row.hold}`)
  assert.ok(row.input_tokens >= 0n && row.output_tokens >= 0n)
  return row
}

const MARK = '"THE USAGE"'

function wholeWith(dialect: Dialect, usage: string | null): string {
  const body = dialect.whole('some words', usage === null ? undefined : 'THE USAGE').replace(MARK, () => usage ?? '')
  return jsonReply(body, '200 OK', ['connection: close'])
}

/** Chat gives its usage in the last chunk, Messages in `message_delta`. */
function streamWith(dialect: Dialect, usage: string | null): string {
  const opening = usage === null ? dialect.opening(5).replace(/,"usage":\{[^}]*\}/, '') : dialect.opening(5)
  const closing = dialect.closing(usage === null ? null : { input: 0, output: 0 })
  const given =
    dialect.path === 'messages'
      ? '"usage":{"output_tokens":0}'
      : `"usage":${JSON.stringify(dialect.usage({ input: 0, output: 0 }))}`
  const text =
    opening + dialect.delta('some words') + closing.replace(given, () => `"usage":${usage}`) + dialect.terminal
  assert.ok(usage === null || text.includes(`"usage":${usage}`))
  return text
}

const NUMBERS = [
  '-1',
  '-9007199254740993',
  '0',
  '1.9',
  '1e3',
  '1e9',
  '1e15',
  '1e18',
  '1e19',
  '1e25',
  '1e308',
  '1e999',
  '-1e999',
  '9007199254740993',
  '18446744073709551616',
]
const VALUES = ['null', 'true', '"12"', '"1e9"', '""', '[]', '[5]', '{}', '{"a":1}']

for (const dialect of DIALECTS) {
  const [inputName, outputName] = Object.keys(dialect.usage({ input: 0, output: 0 })) as [string, string]
  const cached = dialect.path === 'messages' ? '"cache_read_input_tokens"' : '"cached_tokens"'
  const odd: readonly (string | null)[] = [
    null,
    ...['null', '{}', '[]', '5', '"many"', 'true', `{"x":{"y":[]}}`],
    ...[...NUMBERS, ...VALUES].flatMap((value) => [
      `{"${inputName}":${value},"${outputName}":7}`,
      `{"${inputName}":7,"${outputName}":${value}}`,
      `{"${inputName}":${value},"${outputName}":${value},"total_tokens":${value},${cached}:${value}}`,
    ]),
    `{"${inputName}":5}`,
    `{"${outputName}":5}`,
    `{"${inputName}":5,"${outputName}":5,${cached}:5000}`,
    `{"${inputName}":5,"${outputName}":5,"cache_creation_input_tokens":-5,"cache_creation":{"ephemeral_1h_input_tokens":1e308}}`,
    `{"${inputName}":5,"${outputName}":5,"completion_tokens_details":{"reasoning_tokens":-5},"total_tokens":-1}`,
    `{"${inputName}":5,"${outputName}":5,"completion_tokens_details":{"reasoning_tokens":1e308},"total_tokens":1e308}`,
    `{"__proto__":{"${inputName}":1e9},"${outputName}":5}`,
  ]

  describe(`${dialect.protocol}: odd usage is answered and charged within bounds`, { concurrency: AT_ONCE }, () => {
    for (const usage of odd) {
      for (const stream of [false, true]) {
        it(`${usage}${stream ? ', streamed' : ''}`, async () => {
          const row = await rowFor(dialect, stream, usage)
          if (usage === null) assert.deepEqual([row.estimated, (row.charged ?? 0n) > 0n], [1n, true])
        })
      }
    }
  })

  it(`${dialect.protocol}: random usage is charged within bounds`, async () => {
    const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 1_000_000)
    const count = fc.oneof(
      fc.integer({ min: -5, max: 5000 }),
      fc.double({ noNaN: true }),
      fc.maxSafeInteger(),
      fc.string(),
      fc.constant(null),
    )
    const names = [
      inputName,
      outputName,
      cached.slice(1, -1),
      'total_tokens',
      'cache_creation_input_tokens',
      'reasoning_tokens',
      'prompt_cache_hit_tokens',
    ]
    const objects = fc.dictionary(fc.constantFrom(...names), count)
    const usages = fc.sample(objects, { seed, numRuns: RANDOM_RUNS }).map((usage) => JSON.stringify(usage))
    for (let i = 0; i < usages.length; i += AT_ONCE) {
      const batch = usages.slice(i, i + AT_ONCE)
      await Promise.all(
        batch.map((usage, j) =>
          rowFor(dialect, j % 2 === 0, usage).catch((error: unknown) => {
            throw new Error(`ZENDO_TEST_SEED=${seed}, usage ${usage}: ${error}`)
          }),
        ),
      )
    }
  })

  it(`${dialect.protocol}: tokens beyond the cap are the operator’s loss`, async () => {
    const usage = JSON.stringify(dialect.usage({ input: 10, output: 3 * EXACT_TOKENS }))
    for (const stream of [false, true]) {
      const row = await rowFor(dialect, stream, usage, { model: 'exact' })
      assert.deepEqual([row.hold, row.charged, row.cost], [EXACT_HOLD, EXACT_HOLD, 3n * EXACT_HOLD])
      const entries = scene.books.entries(row.id)
      assert.equal(entries.get('balance'), -EXACT_HOLD)
      assert.equal(entries.get('usage_revenue'), 3n * EXACT_HOLD)
      assert.equal(entries.get('write_off'), -2n * EXACT_HOLD)
    }
  })

  it(`${dialect.protocol}: counts that only together leave 64 bits do not unsettle the ledger`, async () => {
    const usage = JSON.stringify(dialect.usage({ input: 10, output: 6e14 }))
    for (const stream of [false, true]) await rowFor(dialect, stream, usage)
    const fair = await rowFor(dialect, true, JSON.stringify(dialect.usage({ input: 5, output: 5 })))
    assert.equal(fair.estimated, 0n)
    assert.deepEqual(scene.books.violations(), [])
  })

  it(`${dialect.protocol}: and a plan’s windows count the hold at most`, async () => {
    const usage = JSON.stringify(dialect.usage({ input: 10, output: 3 * EXACT_TOKENS }))
    const before = scene.books.windows().map(({ settled }) => settled)
    const row = await rowFor(dialect, true, usage, { model: 'exact', product: 'go' })
    assert.deepEqual([row.funding, row.charged], ['plan', EXACT_HOLD])
    for (const [i, { settled }] of scene.books.windows().entries())
      assert.equal(settled - (before[i] ?? 0n), EXACT_HOLD)
  })

  it(`${dialect.protocol}: a long answer without usage is estimated, within the hold`, async () => {
    const tag = `long-${dialect.path}`
    scene.upstream.on(tag, async (call) => {
      const text = dialect.delta('many words '.repeat(1000)).repeat(20)
      await call.write(STREAM_HEAD + dialect.opening(5) + text + dialect.closing(null) + dialect.terminal)
      call.end()
    })
    const answer = scene.ask(dialect, { tag, model: 'priced', maxTokens: 50 })
    await within('the answer', answer.over, 5000)
    const row = scene.books.find(requestIdOf(answer))
    assert.deepEqual([row?.estimated, row?.charged], [1n, row?.hold])
  })

  it(`${dialect.protocol}: usage in full is charged to the nano-dollar, streamed or not`, async () => {
    const usage = JSON.stringify(dialect.usage({ input: 5, output: 333 }))
    const expected = BigInt(5 * PRICED.input * 1000 + 333 * PRICED.output * 1000)
    for (const stream of [false, true]) {
      const row = await rowFor(dialect, stream, usage)
      assert.deepEqual([row.charged, row.estimated], [expected, 0n])
    }
  })
}
