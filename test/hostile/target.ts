/** The gateway that the hostile tests attack, and what must be true of it whatever they send. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ErrorCode, errorClassOf } from '../../src/base/errors.ts'
import { type Books, openBooks } from '../support/books.ts'
import { CHAT, CHUNKED_STREAM_HEAD, chunk, jsonReply, LAST_CHUNK, MESSAGES, streamOf } from '../support/dialect.ts'
import { type FaultUpstream, type ReceivedCall, startFaultUpstream } from '../support/fault-upstream.ts'
import { type Instance, startInstance } from '../support/instance.ts'
import { type RawAnswer, type RawOptions, type RawReply, rawGet, sendRaw } from '../support/raw-http.ts'
import { until } from '../support/until.ts'

export const UPSTREAM_KEY = 'upstream-canary-4f1c9e77'
/** Stands in prompts; must never be found on disk or in what the process prints. */
export const PROMPT_CANARY = 'prompt-canary-b81d22'
export const MAX_BODY_BYTES = 1024 * 1024
const MAX_RESIDENT_MIB = 400
/** In the welcome: by itself, and in the command to try. */
const KEY_PRINTED_TIMES = 2

/** Whose error shape an answer has. */
export type Family = 'chat' | 'messages' | 'google'

export interface Target {
  readonly instance: Instance
  readonly upstream: FaultUpstream
  readonly books: Books
  /** `authorization: Bearer …` of a key that works. */
  readonly auth: string
  /** Sends bytes and checks that the answer gives no secret away. */
  ask(pieces: string | Buffer | readonly (string | Buffer)[], options?: RawOptions): Promise<RawAnswer>
  /** The same for requests that must end with one reply; by default waits for that one. */
  askOnce(pieces: string | Buffer | readonly (string | Buffer)[], options?: RawOptions): Promise<RawReply>
  /** Ends it, after a look whether it is healthy, holds no money, and has printed or stored nothing that it should not. */
  closeUnharmed(): Promise<void>
}

export interface TargetOptions {
  readonly timeouts?: object
  /** Providers and models beside the ones every target has. */
  readonly maxBodyBytes?: number
  readonly more?: { readonly providers: object; readonly models: object }
}

const PRICE = { input: 1, output: 10 }

export async function startTarget(options: TargetOptions = {}): Promise<Target> {
  const upstream = await startFaultUpstream(answerWhole)
  const endpoint = `${upstream.origin}/base/v1`
  const both = { 'openai-chat': endpoint, 'anthropic-messages': endpoint }
  const common = { apiKey: UPSTREAM_KEY, ...(options.timeouts ? { timeouts: options.timeouts } : {}) }
  const route = { routes: [{ provider: 'fault', model: 'upstream-name' }] }
  const instance = await startInstance({
    config: {
      // A fuzzer asks often and alike from one address: what guards against that has its own tests.
      limits: { address: { requestsPerMinute: 0 }, loop: { repeats: 0 } },
      providers: {
        fault: { baseUrls: both, ...common },
        chatonly: { protocol: 'openai-chat', baseUrl: endpoint, ...common },
        ...options.more?.providers,
      },
      models: {
        'chat-model': { products: ['zen', 'go'], price: PRICE, ...route },
        'messages-model': { protocol: 'anthropic-messages', products: ['zen', 'go'], price: PRICE, ...route },
        'chat-only': { products: ['zen'], price: PRICE, routes: [{ provider: 'chatonly', model: 'upstream-name' }] },
        'free-model': { products: ['zen'], free: true, anonymous: true, ...route },
        ...options.more?.models,
      },
      aliases: { 'small-talk': 'chat-model' },
      server: { maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES },
    },
  })
  const books = openBooks(instance.dataDir)
  const secrets = [UPSTREAM_KEY, new URL(upstream.origin).host]

  async function ask(pieces: string | Buffer | readonly (string | Buffer)[], raw: RawOptions = {}): Promise<RawAnswer> {
    const list = typeof pieces === 'string' || Buffer.isBuffer(pieces) ? [pieces] : pieces
    const answer = await sendRaw(instance.port(), list, raw)
    for (const secret of [...secrets, instance.apiKey]) assert.ok(!answer.text.includes(secret), `leaked ${secret}`)
    return answer
  }

  return {
    instance,
    upstream,
    books,
    auth: `authorization: Bearer ${instance.apiKey}`,
    ask,
    async askOnce(pieces, raw = {}) {
      const { replies, text } = await ask(pieces, { replies: 1, ...raw })
      assert.equal(replies.length, 1, `one reply, not: ${text.slice(0, 500)}`)
      return replies[0] as RawReply
    },
    async closeUnharmed() {
      try {
        await assertUnharmed()
      } finally {
        books.close()
        await instance.remove()
        await upstream.close()
      }
    },
  }

  async function assertUnharmed(): Promise<void> {
    const health = await sendRaw(instance.port(), [rawGet('/healthz')], { replies: 1 })
    assert.equal(health.replies[0]?.status, 200)
    await until('no money is held', () => books.openHolds() === 0 && books.balance().held === 0n)
    assert.deepEqual(books.violations(), [])
    assert.ok(instance.residentMiB() < MAX_RESIDENT_MIB, `${instance.residentMiB()} MiB`)
    const printed = instance.output()
    for (const secret of [...secrets, PROMPT_CANARY]) assert.ok(!printed.includes(secret), `printed: ${printed}`)
    assert.equal(
      printed.split(instance.apiKey).length - 1,
      KEY_PRINTED_TIMES,
      'the key is printed by the first start alone',
    )
    assertNotOnDisk(instance.dataDir, [instance.apiKey, PROMPT_CANARY])
  }
}

/** Answers as the protocol and the request want it, in one go. */
export function answerWhole(call: ReceivedCall): void {
  const dialect = call.requestLine.includes('/messages') ? MESSAGES : CHAT
  const usage = { input: 10, output: 5 }
  if (call.requestLine.includes('count_tokens')) void call.write(jsonReply('{"input_tokens":3}'))
  else if (!call.body.includes('"stream":true')) void call.write(jsonReply(dialect.whole('fine', dialect.usage(usage))))
  else void call.write(CHUNKED_STREAM_HEAD + chunk(streamOf(dialect, 'fine', usage)) + LAST_CHUNK)
}

function assertNotOnDisk(directory: string, canaries: readonly string[]): void {
  for (const name of readdirSync(directory)) {
    const content = readFileSync(join(directory, name))
    for (const canary of canaries) assert.ok(!content.includes(canary), `${canary} stands in ${name}`)
  }
}

/** That a reply is the documented refusal, in the caller's shape. `status` where it is not the code's own. */
export function assertRefusal(reply: RawReply, code: ErrorCode, family: Family, status?: number): void {
  assert.equal(reply.status, status ?? errorClassOf(code).status, reply.body)
  assert.match(reply.headers.get('content-type') ?? '', /^application\/json/)
  const body = parse(reply.body)
  const error = asMembers(body.error)
  const requestId = reply.headers.get('x-request-id') ?? ''
  assert.match(requestId, /^req_[0-9a-z]{26}$/)
  assert.equal(body.type, 'error')
  assert.equal(error.type, errorClassOf(code).compatibleType)
  assert.equal(error.request_id, requestId)
  assert.ok(typeof error.message === 'string' && error.message.length > 10)
  if (family === 'google') {
    assert.equal(error.code, reply.status)
    assert.equal(typeof error.status, 'string')
    assert.equal(asMembers((error.details as unknown[])[0]).reason, code.toUpperCase())
  } else assert.equal(error.code, code)
  if (family === 'messages') assert.equal(body.request_id, requestId)
  if (errorClassOf(code).retry === 'never') assert.equal(reply.headers.get('x-should-retry'), 'false')
}

export function parse(text: string): Record<string, unknown> {
  return asMembers(JSON.parse(text))
}

export function asMembers(value: unknown): Record<string, unknown> {
  assert.ok(typeof value === 'object' && value !== null, `not an object: ${JSON.stringify(value)}`)
  return value as Record<string, unknown>
}
