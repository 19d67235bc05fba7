/** Every client's library gets from every upstream what its model said: text, calls, formats, ends, counts, charges. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { PROTOCOLS } from '../../src/base/words.ts'
import type { WireObject } from '../../src/protocol/wire-value.ts'
import { type StrictTurn, TURN_USAGE } from '../support/strict/turn.ts'
import { until } from '../support/until.ts'
import type { Answer, ToolSpec } from './session.ts'
import { ALL_PAIRS, contentOf, PAIRS, startWorld, type World } from './world.ts'

const TEXT = 'In through the nose “slowly”, and out again. 息を吸って 🌬️\n\n```\n{"a":\t1}\n```'
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const TOOLS: readonly ToolSpec[] = [
  {
    name: 'look_at',
    description: 'Looks at a place.',
    parameters: {
      type: 'object',
      properties: {
        place: { type: 'string', description: 'Its name' },
        zoom: {
          type: 'object',
          properties: { level: { type: 'number' }, tags: { type: 'array', items: { type: 'string' } } },
        },
      },
      required: ['place'],
    },
  },
  { name: 'wait', description: 'Waits.', parameters: { type: 'object', properties: {} } },
]
const ARGUMENTS = { place: 'Kyōto "south"\\', zoom: { level: 1.5, tags: ['a', '日本'] } }
const ONE_CALL: StrictTurn = { text: 'Looking.', calls: [{ id: 'call_one', name: 'look_at', arguments: ARGUMENTS }] }
const THREE_CALLS: StrictTurn = {
  calls: [
    { id: 'call_first', name: 'look_at', arguments: ARGUMENTS },
    { id: 'call_second', name: 'wait', arguments: {} },
    { id: 'call_third', name: 'look_at', arguments: { place: 'sea' } },
  ],
}

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())
afterEach(() => world.expectSound())

/** A row is written before the last frame leaves, but by another process. */
async function rowOf({ headers }: Answer) {
  const id = headers.get('x-request-id') ?? ''
  await until(`the row of ${id} is settled`, () => world.ledger.find(id)?.state === 'settled')
  return world.ledger.find(id)
}

for (const pair of PAIRS) {
  for (const stream of [true, false]) {
    describe(`${pair.name}, ${stream ? 'streamed' : 'whole'}`, () => {
      const upstream = () => world.upstream(pair.upstream)

      test('text arrives as it was said, with its end and all counts', async () => {
        upstream().play({ text: TEXT })
        const answer = await world.open(pair, { stream, system: 'Be brief.' }).say('How do I breathe? 🌬️')
        assert.deepEqual([answer.text, answer.finish, answer.calls], [TEXT, 'stop', []])
        const { prompt, cachedRead, output, reasoning } = answer.usage
        const { input, cachedRead: cached } = TURN_USAGE
        assert.deepEqual([prompt, cachedRead, output], [input + cached, cached, TURN_USAGE.output])
        assert.ok(reasoning === null || reasoning === TURN_USAGE.reasoning)
        const sent = JSON.stringify(upstream().requests.at(-1)?.body)
        assert.ok(sent.includes('Be brief.') && sent.includes('How do I breathe? 🌬️'))
      })

      test('a call and its result make their way there and back', async () => {
        upstream().play(ONE_CALL, { text: TEXT })
        const session = world.open(pair, { stream, tools: TOOLS })
        const first = await session.say('Look.')
        assert.deepEqual([first.text, first.finish], ['Looking.', 'tool_calls'])
        assert.deepEqual(
          first.calls.map((call) => [call.name, call.arguments]),
          [['look_at', ARGUMENTS]],
        )
        const last = await session.give(first.calls.map((call) => ({ call, text: 'Temples, 寺.' })))
        assert.equal(last.text, TEXT)
        assert.deepEqual(callsIn(upstream().requests.at(-1)?.body), [{ name: 'look_at', arguments: ARGUMENTS }])
        assert.ok(JSON.stringify(upstream().requests.at(-1)?.body).includes('Temples, 寺.'))
      })

      test('three calls at once keep their order, their ids and their results', async () => {
        upstream().play(THREE_CALLS, { text: TEXT })
        const session = world.open(pair, { stream, tools: TOOLS })
        const first = await session.say('Look and wait.')
        assert.deepEqual(
          first.calls.map((call) => [call.name, call.arguments]),
          THREE_CALLS.calls?.map((call) => [call.name, call.arguments]),
        )
        assert.equal(new Set(first.calls.map(({ id }) => id)).size, 3)
        assert.ok(first.calls.every(({ id }) => id !== ''))
        const outputs = first.calls.map((call, i) => ({ call, text: `result ${i}`, isError: i === 1 }))
        assert.equal((await session.give(outputs)).text, TEXT)
        const body = upstream().requests.at(-1)?.body
        assert.deepEqual(
          callsIn(body),
          THREE_CALLS.calls?.map((call) => ({ name: call.name, arguments: call.arguments })),
        )
        assert.deepEqual(JSON.stringify(body).match(/result \d/g), ['result 0', 'result 1', 'result 2'])
      })

      test('an image of the user arrives, and one in a result where the client can give it', async () => {
        upstream().play(ONE_CALL, { text: TEXT })
        const session = world.open(pair, { stream, tools: TOOLS })
        const first = await session.say('What is this?', [PNG])
        assert.ok(JSON.stringify(upstream().requests.at(-1)?.body).includes(PNG))
        const image = pair.client.resultImages ? { image: PNG } : {}
        const last = await session.give(first.calls.map((call) => ({ call, text: 'See.', ...image })))
        assert.equal(last.text, TEXT)
        const sent = JSON.stringify(upstream().requests.at(-1)?.body)
        assert.equal(sent.split(PNG).length - 1, pair.client.resultImages ? 2 : 1)
      })

      test('an answer is bound to a schema', async () => {
        const schema = {
          type: 'object',
          properties: { answer: { type: 'string' }, sure: { type: 'boolean' } },
          required: ['answer', 'sure'],
          additionalProperties: false,
        }
        upstream().play({ text: '{"answer":"yes","sure":true}' })
        const answer = await world.open(pair, { stream, schema }).say('Is it so? Say it as JSON.')
        assert.deepEqual(JSON.parse(answer.text), { answer: 'yes', sure: true })
        assert.deepEqual(schemaIn(upstream().requests.at(-1)?.body), schema)
      })

      test('an answer that was too long says so', async () => {
        upstream().play({ text: 'In through the', finish: 'length' })
        const answer = await world.open(pair, { stream }).say('How?')
        assert.deepEqual([answer.text, answer.finish], ['In through the', 'length'])
      })

      test('a model that declines is not taken for one that answered', async () => {
        const text = pair.upstream === 'google-generate' ? '' : 'I would rather not.'
        upstream().play({ text, finish: 'refusal' })
        const answer = await world.open(pair, { stream }).say('How?')
        assert.deepEqual([answer.text, answer.finish], [text, 'refusal'])
      })
    })
  }
}

for (const upstream of PROTOCOLS) {
  test(`an answer of ${upstream} costs the same for all clients, streamed or not`, async () => {
    const pairs = ALL_PAIRS.filter((pair) => pair.upstream === upstream)
    const rows = []
    for (const pair of pairs) {
      for (const stream of [true, false]) {
        world.upstream(upstream).play({ reasoning: 'Hm.', text: TEXT })
        const row = await rowOf(await world.open(pair, { stream, reasons: true }).say('How?'))
        rows.push([
          row?.state,
          row?.outcome,
          row?.estimated,
          row?.charged,
          row?.input_tokens,
          row?.cached_read_tokens,
          row?.output_tokens,
        ])
      }
    }
    const { input, cachedRead, output } = TURN_USAGE
    // 120 × $1 + 900 × $0.10 + 64 × $5, each per million.
    for (const row of rows) assert.deepEqual(row, ['settled', 'complete', false, 530_000n, input, cachedRead, output])
  })

  test(`an answer of ${upstream} is the same for all clients, streamed or not`, async () => {
    const pairs = ALL_PAIRS.filter((pair) => pair.upstream === upstream)
    const seen = []
    for (const pair of pairs) {
      for (const stream of [true, false]) {
        world.upstream(upstream).play({ text: TEXT })
        const { usage, ...content } = contentOf(await world.open(pair, { stream }).say('How?'))
        seen.push({ ...content, usage: { ...usage, reasoning: null } })
      }
    }
    for (const content of seen) assert.deepEqual(content, seen[0])
  })
}

/** The calls in a conversation, whichever its protocol. */
function callsIn(body: WireObject | undefined): { name: string; arguments: unknown }[] {
  const found: { name: string; arguments: unknown }[] = []
  visit(body, (object) => {
    const { type, name, arguments: json, input } = object as Record<string, unknown>
    if (type === 'tool_use') found.push({ name: String(name), arguments: input })
    else if (type === 'function_call' || (typeof json === 'string' && 'name' in object)) {
      found.push({ name: String(name), arguments: JSON.parse(String(json)) })
    } else if ('functionCall' in object) {
      const call = object.functionCall as { name: string; args?: unknown }
      found.push({ name: call.name, arguments: call.args ?? {} })
    }
  })
  return found
}

function visit(value: unknown, see: (object: WireObject) => void): void {
  if (Array.isArray(value)) for (const entry of value) visit(entry, see)
  else if (typeof value === 'object' && value !== null) {
    see(value as WireObject)
    for (const member of Object.values(value)) visit(member, see)
  }
}

/** The schema of the answer, whichever the body's protocol. */
function schemaIn(body: WireObject | undefined): unknown {
  const { response_format, text, output_config, generationConfig } = (body ?? {}) as Record<string, never>
  const format =
    response_format ??
    (text as Record<string, never> | undefined)?.format ??
    (output_config as Record<string, never> | undefined)?.format
  const members = (format ?? {}) as { json_schema?: { schema: unknown }; schema?: unknown }
  return (
    members.json_schema?.schema ??
    members.schema ??
    (generationConfig as { responseJsonSchema?: unknown } | undefined)?.responseJsonSchema
  )
}
