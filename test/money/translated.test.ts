/** What a translated request holds and costs, and what it may not cost. */
import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { openBooks } from '../support/books.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { type Ledger, openLedger } from '../support/ledger.ts'

type Members = Record<string, unknown>
interface Answer {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body: unknown
}

/** A provider under every protocol: answers what the test says and keeps what it was sent. */
let answer: (path: string, body: Members) => Answer
const sent: { path: string; body: Members; text: string; provider: string }[] = []
const upstream = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const [, provider = '', ...rest] = (request.url ?? '').split('/')
  const path = rest.join('/')
  sent.push({ path, body: JSON.parse(text) as Members, text, provider })
  const { status = 200, headers = {}, body } = answer(`${provider} ${path}`, JSON.parse(text) as Members)
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
})

const PRICE = { input: 1, output: 5 }
const chatReply = (message: Members, usage: Members): Members => ({
  id: 'c1',
  choices: [{ index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: 'stop' }],
  usage,
})
const messagesReply = (outputTokens: number): Members => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  content: [{ type: 'text', text: 'ok' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 10, output_tokens: outputTokens },
})

let gateway: Gateway
let ledger: Ledger
before(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  // A gateway that does not start must not leave the test running.
  upstream.unref()
  const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const provider = (name: string, protocol: string): Members => ({
    protocol,
    baseUrl: `${origin}/${name}`,
    apiKey: 'k',
  })
  const model = (protocol: string, providers: readonly string[], more: Members = {}): Members => ({
    products: ['zen'],
    protocol,
    context: 100_000,
    maxOutput: 8000,
    price: PRICE,
    routes: providers.map((name, priority) => ({ provider: name, model: 'm', priority })),
    ...more,
  })
  gateway = await startGateway({
    config: {
      providers: {
        chat: provider('chat', 'openai-chat'),
        messages: provider('messages', 'anthropic-messages'),
        responses: provider('responses', 'openai-responses'),
        second: provider('second', 'openai-responses'),
        google: provider('google', 'google-generate'),
      },
      models: {
        chat: model('openai-chat', ['chat'], { quirks: { reasoningRequired: true } }),
        messages: model('anthropic-messages', ['messages']),
        dear: model('anthropic-messages', ['messages'], { price: { input: 1000, output: 5 } }),
        responses: model('openai-responses', ['responses']),
        two: model('openai-responses', ['responses', 'second']),
        google: model('google-generate', ['google']),
        free: model('openai-chat', ['chat'], {
          price: undefined,
          free: true,
          anonymous: true,
          quirks: { reasoningRequired: true },
        }),
      },
    },
  })
  ledger = openLedger(gateway.dataDir)
})
after(async () => {
  const books = openBooks(gateway.dataDir)
  assert.deepEqual(books.violations(), [])
  books.close()
  assert.deepEqual(((await gateway.cli('audit')) as Members).differences, [])
  ledger.close()
  await gateway.remove()
  upstream.close()
})
beforeEach(() => {
  sent.length = 0
})

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Members
  readonly row: ReturnType<Ledger['find']>
}

async function ask(path: string, body: Members, headers: Record<string, string> = {}): Promise<Reply> {
  const response = await fetch(`${gateway.baseUrl}/zen/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const parsed = (await response.json()) as Members
  const row = ledger.find(response.headers.get('x-request-id') ?? '')
  return { status: response.status, headers: Object.fromEntries(response.headers), body: parsed, row }
}

const USER = [{ role: 'user', content: 'hi' }]

describe('what is held', () => {
  test('covers a cap of nothing that the upstream is sent as its most', async () => {
    answer = (_path, body) => ({ body: messagesReply(body.max_tokens as number) })
    for (const [path, body] of [
      ['v1/responses', { model: 'messages', input: 'hi', max_output_tokens: 0 }],
      [
        'v1beta/models/messages:generateContent',
        { contents: [{ parts: [{ text: 'hi' }] }], generationConfig: { maxOutputTokens: 0 } },
      ],
    ] as const) {
      const { row, body: reply } = await ask(path, body)
      assert.equal(sent.at(-1)?.body.max_tokens, 8000, `${path} ${JSON.stringify(reply)}`)
      assert.equal(row?.charged, row?.cost, path)
      assert.equal(row?.output_tokens, 8000, `${path} ${JSON.stringify(reply)}`)
    }
  })

  test('goes by Google’s own words for cap and answers', async () => {
    answer = () => ({ body: { candidates: [{ content: { parts: [{ text: 'ok' }] }, finishReason: 'STOP' }] } })
    const contents = [{ role: 'user', parts: [{ text: 'hi' }] }]
    const hold = async (generationConfig: Members): Promise<bigint> =>
      (await ask('v1/models/google:generateContent', { contents, generationConfig })).row?.hold ?? 0n
    const one = await hold({ maxOutputTokens: 100 })
    const two = await hold({ maxOutputTokens: 100, candidateCount: 2 })
    assert.equal(two - one > 400_000n && two - one < 600_000n, true, `${one} ${two}`)
    assert.ok(one < 2_000_000n)
  })

  test('covers the thoughts that are put back', async () => {
    const thoughts = 'T'.repeat(200_000)
    const call = { id: 'call_a', type: 'function', function: { name: 'f', arguments: '{}' } }
    answer = (_path, body) =>
      (body.messages as unknown[]).length === 1
        ? {
            body: chatReply(
              { reasoning_content: thoughts, tool_calls: [call] },
              { prompt_tokens: 5, completion_tokens: 90 },
            ),
          }
        : { body: chatReply({ content: 'done' }, { prompt_tokens: 60_000, completion_tokens: 9 }) }
    await ask('v1/chat/completions', { model: 'chat', max_tokens: 100, messages: USER })
    const turn = [
      ...USER,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_a', content: 'x' },
    ]
    const { row } = await ask('v1/chat/completions', { model: 'chat', max_tokens: 100, messages: turn })
    assert.ok((sent.at(-1)?.text.length ?? 0) > 200_000, 'the thoughts were not put back')
    assert.equal(row?.charged, row?.cost)
  })

  test('covers what a vendor has kept, whose size nobody knows', async () => {
    answer = () => ({
      body: {
        object: 'response',
        id: 'r',
        status: 'completed',
        output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'ok' }] }],
        usage: { input_tokens: 90_000, output_tokens: 5 },
      },
    })
    const input = [{ type: 'item_reference', id: 'msg_1' }, ...USER]
    const { row } = await ask('v1/responses', { model: 'responses', max_output_tokens: 16, input })
    assert.equal(row?.charged, row?.cost)
    assert.equal(row?.input_tokens, 90_000)
  })
})

describe('nobody pays for', () => {
  test('an answer that is lost on the way', async () => {
    const part = (text: string, more = {}): Members => ({
      candidates: [{ index: 0, content: { parts: [{ text }] }, ...more }],
    })
    answer = () => ({
      body: [
        part('a long '),
        {
          ...part('answer', { finishReason: 'STOP' }),
          usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 4 },
        },
      ],
    })
    const { status, body, row } = await ask('v1/chat/completions', { model: 'google', messages: USER })
    assert.equal(status, 200)
    const [choice] = body.choices as { message: Members }[]
    assert.equal(choice?.message.content, 'a long answer', 'a list of chunks is an answer too')
    assert.equal(row?.output_tokens, 4)
  })

  test('work that a limit refuses anyway: it is refused before anything is translated', async () => {
    answer = () => ({ body: messagesReply(1) })
    const tools = [{ type: 'function', function: { name: 'f', parameters: { $ref: '#/nowhere', type: 5 } } }]
    const body = {
      model: 'dear',
      messages: [{ role: 'user', content: 'x'.repeat(1_900_000) }],
      tools,
      max_tokens: 8000,
      n: 128,
    }
    const { status, body: refusal } = await ask('v1/chat/completions', body)
    // 128 answers cannot be asked for either; the balance is looked at first.
    assert.equal(status, 402)
    assert.equal((refusal.error as Members).code, 'insufficient_balance')
    assert.equal(sent.length, 0)
  })
})

describe('thoughts stay in their conversation', () => {
  const call = { id: 'functions.read:0', type: 'function', function: { name: 'read', arguments: '{}' } }
  const first = (text: string): Members => ({ max_tokens: 100, messages: [{ role: 'user', content: text }] })
  const next = (text: string): Members => ({
    max_tokens: 100,
    messages: [
      { role: 'user', content: text },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: call.id, content: 'x' },
    ],
  })
  for (const [who, model, headers] of [
    ['one key', 'chat', {}],
    ['strangers at one address', 'free', { authorization: 'Bearer public' }],
  ] as const) {
    test(`of ${who}, though a vendor uses ids of calls again`, async () => {
      answer = () => ({
        body: chatReply(
          { reasoning_content: 'ALICE’S THOUGHT', tool_calls: [call] },
          { prompt_tokens: 5, completion_tokens: 5 },
        ),
      })
      await ask('v1/chat/completions', { model, ...first('Alice’s question') }, headers)
      await ask('v1/chat/completions', { model, ...next('Bob’s question') }, headers)
      assert.doesNotMatch(sent.at(-1)?.text ?? '', /ALICE/)
    })
  }

  test('and find their way back in it', async () => {
    answer = () => ({
      body: chatReply(
        { reasoning_content: 'ALICE’S THOUGHT', tool_calls: [call] },
        { prompt_tokens: 5, completion_tokens: 5 },
      ),
    })
    await ask('v1/chat/completions', { model: 'chat', ...first('Alice’s own') })
    await ask('v1/chat/completions', { model: 'chat', ...next('Alice’s own') })
    assert.match(sent.at(-1)?.text ?? '', /ALICE/)
  })
})

describe('priorities', () => {
  test('hold again for new conversations when an account is back', async () => {
    const reply = (): Answer => ({
      body: {
        object: 'response',
        id: `r${sent.length}`,
        status: 'completed',
        output: [
          { type: 'reasoning', id: 'rs', summary: [], encrypted_content: `e${sent.length}`.padEnd(60, '0') },
          { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'ok' }] },
        ],
        usage: { input_tokens: 1, output_tokens: 1 },
      },
    })
    answer = (path) => (path.startsWith('responses') ? { status: 503, body: {} } : reply())
    await ask('v1/responses', { model: 'two', input: 'hi' })
    assert.equal(sent.at(-1)?.provider, 'second')
    answer = reply
    await ask('v1/responses', { model: 'two', input: 'a new conversation' })
    assert.equal(sent.at(-1)?.provider, 'responses')
  })
})

describe('a refusal of the upstream', () => {
  test('says when to ask again, translated as relayed', async () => {
    answer = () => ({
      status: 429,
      headers: { 'retry-after': '17' },
      body: { error: { message: 'slow down', type: 'rate_limit_error' } },
    })
    for (const path of ['v1/messages', 'v1/chat/completions']) {
      const { status, headers, row } = await ask(path, { model: 'chat', max_tokens: 9, messages: USER })
      assert.deepEqual([status, headers['retry-after'], row?.charged], [429, '17', 0n], path)
    }
  })
})
