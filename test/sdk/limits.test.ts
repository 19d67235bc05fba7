/**
 * Every refusal stops every client library at once, with the gateway's own message in the error that its user sees:
 * at most two requests and five seconds.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Asker, askers, type Question, type ToldError, toldBy } from './asker.ts'
import { countingFetch, expectCleanBooks, startWorld, type World } from './world.ts'

const MAX_REQUESTS = 2
const MAX_MS = 5000
const PUBLIC_KEY = 'public'

/** A plan with room for one answer of a middling model that is worth having, and one request a day without a key. */
const TIGHT = {
  plans: {
    go: { windows: [{ name: '5 hour', kind: 'session', hours: 5, limit: 0.05 }] },
  },
  anonymous: { requestsPerDay: 1 },
}

interface Refusal {
  readonly name: string
  readonly product: 'zen' | 'go'
  readonly status: number
  readonly message: RegExp
  readonly model: (family: string) => string
  readonly key?: string
  readonly maxTokens?: number
}

const refusals: readonly Refusal[] = [
  {
    name: 'insufficient_balance',
    product: 'zen',
    status: 402,
    message: /balance of \$[\d.]+ does not cover this request, which takes \$[\d.]+ or more/,
    model: (family) => `dear-${family}`,
    maxTokens: 8192,
  },
  {
    name: 'plan_limit',
    product: 'go',
    status: 429,
    message: /5 hour limit of \$0\.05 does not fit this request: \$[\d.]+ used.*resets at \d{4}-\d\d-\d\dT[\d:.]+Z/,
    model: (family) => `middling-${family}`,
    maxTokens: 8192,
  },
  {
    name: 'plan_limit (more than the whole window)',
    product: 'go',
    status: 429,
    message: /5 hour limit of \$0\.05 is smaller than this request, which takes \$[\d.]+ or more/,
    model: (family) => `dear-${family}`,
    maxTokens: 8192,
  },
  {
    name: 'free_limit',
    product: 'zen',
    status: 429,
    message: /1 free requests a day without a key are used up/,
    model: () => 'sim/free',
    key: PUBLIC_KEY,
  },
  {
    name: 'invalid_key',
    product: 'zen',
    status: 401,
    message: /API key is not known here/,
    model: () => 'sim/echo',
    key: `sk-zendo-${'0'.repeat(33)}`,
  },
  {
    name: 'model_not_found',
    product: 'zen',
    status: 404,
    message: /"no-such-model\\?" is not offered here/,
    model: () => 'no-such-model',
  },
]

describe('a refusal', () => {
  let world: World
  before(async () => {
    world = await startWorld(TIGHT)
    await use(`${world.zen}/chat/completions`, 'sim/free')
    for (const _ of [1, 2]) await use(`${world.go}/chat/completions`, 'sim/long', world.key)
  })
  after(async () => {
    await expectCleanBooks(world).finally(() => world.close())
  })

  for (const asker of askers) {
    for (const refusal of refusals) {
      for (const stream of [false, true]) {
        test(`${refusal.name} stops ${asker.library} ${stream ? '(stream)' : ''}`, async () => {
          const baseUrl = world[refusal.product]
          const key = refusal.key ?? world.key
          const model = refusal.model(familyOf(asker))
          const question = { model, stream, ...(refusal.maxTokens && { maxTokens: refusal.maxTokens }) }
          const told = await expectRefusal(asker, { baseUrl, key }, question)
          assert.match(told.message, refusal.message)
          assert.equal(told.status, refusal.status === 429 ? asker.limitStatus : refusal.status)
        })
      }
    }
  }

  test('a request that fits into the window still passes', async () => {
    for (const asker of askers) {
      const text = await asker.ask({ baseUrl: world.go, key: world.key, fetch }, { model: 'sim/echo', stream: true })
      assert.equal(text, '[simulated] one two three')
    }
  })
})

describe('without a key', () => {
  let world: World
  before(async () => {
    world = await startWorld()
  })
  after(() => world.close())

  for (const asker of askers) {
    test(`missing_key stops ${asker.library}`, async () => {
      const told = await expectRefusal(asker, { baseUrl: world.zen, key: 'left-out' }, ECHO, withoutKey)
      assert.match(told.message, /No API key was sent/)
      assert.equal(told.status, 401)
    })
  }
})

describe('without a seat', () => {
  let world: World
  before(async () => {
    world = await startWorld()
    const { seats } = (await world.gateway.cli('plan', 'seat', 'list')) as { seats: { id: string }[] }
    await world.gateway.cli('plan', 'seat', 'end', String(seats[0]?.id))
    await untilSeatsGone(world)
  })
  after(() => world.close())

  for (const asker of askers) {
    test(`plan_required stops ${asker.library}`, async () => {
      const told = await expectRefusal(asker, { baseUrl: world.go, key: world.key }, ECHO)
      assert.match(told.message, /no seat on a plan that covers go/)
      assert.equal(told.status, 403)
    })
  }
})

describe('an upstream that cannot be reached', () => {
  let world: World
  before(async () => {
    world = await startWorld()
  })
  after(async () => {
    await expectCleanBooks(world).finally(() => world.close())
  })

  for (const asker of askers) {
    test(`upstream_unavailable is tried again by ${asker.library}, and then told`, async () => {
      const counting = countingFetch()
      const connection = { baseUrl: world.zen, key: world.key, fetch: counting.fetch, maxRetries: 1 }
      const question = { model: `dead-${familyOf(asker)}`, stream: false }
      const told = await tellRefusal(asker.ask(connection, question))
      assert.match(told.message, /cannot be reached right now. Nothing was charged/)
      assert.equal(told.status, 503)
      assert.equal(counting.count(), 2)
    })
  }
})

const ECHO: Question = { model: 'sim/echo', stream: false }

/** Asks with the library's own retries. Fails unless it is refused within the bounds. */
async function expectRefusal(
  asker: Asker,
  connection: { baseUrl: string; key: string },
  question: Question,
  change: (init: RequestInit | undefined) => RequestInit | undefined = (init) => init,
): Promise<ToldError> {
  const counting = countingFetch()
  const startedAt = performance.now()
  const told = await tellRefusal(
    asker.ask({ ...connection, fetch: (url, init) => counting.fetch(url, change(init)) }, question),
  )
  const tookMs = performance.now() - startedAt
  assert.ok(counting.count() <= MAX_REQUESTS, `${counting.count()} requests, then ${told.status} ${told.message}`)
  assert.equal(told.shouldRetry, 'false')
  assert.ok(tookMs < MAX_MS, `gave up after ${Math.round(tookMs)} ms`)
  return told
}

async function tellRefusal(answer: Promise<string>): Promise<ToldError> {
  const text = await answer.catch((error: unknown) => ({ error }))
  if (typeof text === 'string') assert.fail(`expected a refusal, got the answer "${text}"`)
  return toldBy(text.error)
}

function familyOf(asker: Asker): string {
  return asker.protocol === 'openai-chat' ? 'chat' : 'messages'
}

/** Uses up something, without a library in between. */
async function use(url: string, model: string, key = PUBLIC_KEY): Promise<void> {
  const body = { model, messages: [{ role: 'user', content: 'one' }], max_tokens: 1000 }
  const headers = { 'content-type': 'application/json', 'x-api-key': key }
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  assert.equal(answer.status, 200, await answer.text())
}

/** The libraries insist on a key, so it is taken out on the way. */
function withoutKey(init: RequestInit | undefined): RequestInit {
  const headers = new Headers(init?.headers)
  headers.delete('authorization')
  headers.delete('x-api-key')
  return { ...init, headers }
}

/** A running server notices what the command line has changed within a second. */
async function untilSeatsGone(world: World): Promise<void> {
  const deadline = Date.now() + 3000
  for (;;) {
    const listed = await fetch(`${world.go}/models`, { headers: { 'x-api-key': world.key } })
    const { data } = (await listed.json()) as { data: { free: boolean }[] }
    if (data.every(({ free }) => free)) return
    if (Date.now() > deadline) throw new Error('the ended seat still lists paid models after 3 s')
  }
}
