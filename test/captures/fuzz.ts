/**
 * Recorded traffic, broken at random: whatever an upstream or a client sends, a codec answers with events, a reply or an
 * error of the closed list, and in time.
 */
import { AppError } from '../../src/base/errors.ts'
import { PROTOCOLS, type Protocol } from '../../src/base/words.ts'
import type { ReplyContext } from '../../src/protocol/codec.ts'
import { codecOf } from '../../src/protocol/codecs.ts'
import { createStreamReader } from '../../src/protocol/stream-reader.ts'
import { translateRequest } from '../../src/protocol/translate-request.ts'
import { createTranslatingReader } from '../../src/protocol/translating-reader.ts'
import { asObject, parseJson, type WireObject } from '../../src/protocol/wire-value.ts'
import type { Case } from './case.ts'
import { pickInteger, type Random, randomFor } from './random.ts'

/** Longer for one broken recording is a loop, or work that grows faster than the body. */
const MAX_MS = 2000
const MINIMAL: Readonly<Record<Protocol, WireObject>> = {
  'openai-chat': { model: 'm', messages: [{ role: 'user', content: 'x' }] },
  'openai-responses': { model: 'm', input: 'x' },
  'anthropic-messages': { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] },
  'google-generate': { contents: [{ role: 'user', parts: [{ text: 'x' }] }] },
}
const TARGET = { model: 'm', account: 'a', quirks: {}, maxOutput: 1000, originateCacheMarks: true }

export interface FuzzResult {
  readonly runs: number
  readonly failures: readonly string[]
}

export interface Asked {
  readonly protocol: Protocol
  readonly name: string
  readonly body: WireObject
}

/** Breaks every recorded answer and every recorded request a few times. */
export function fuzzCorpus(cases: readonly Case[], requests: readonly Asked[], seed: number): FuzzResult {
  const failures: string[] = []
  let runs = 0
  const attempt = (name: string, work: () => void): void => {
    runs++
    const startedMs = performance.now()
    try {
      work()
    } catch (error) {
      if (!(error instanceof AppError)) failures.push(`fuzz ${name}: ${error}`)
    }
    const tookMs = performance.now() - startedMs
    if (tookMs > MAX_MS) failures.push(`fuzz ${name}: took ${Math.round(tookMs)} ms`)
  }
  for (const one of cases) {
    const random = randomFor(seed, `fuzz ${one.family}/${one.name}`)
    for (const to of PROTOCOLS) attempt(`${one.family}/${one.name} to ${to}`, () => fuzzAnswer(one, to, random))
  }
  for (const { protocol, name, body } of requests) {
    const random = randomFor(seed, `fuzz ${name}`)
    for (const to of PROTOCOLS) attempt(`${name} to ${to}`, () => fuzzRequest(protocol, body, to, random))
  }
  return { runs, failures }
}

function fuzzAnswer({ family, stream, form, body }: Case, to: Protocol, random: Random): void {
  const broken = breakBytes(body, random)
  if (!stream) {
    const reply = codecOf(family).decodeReply(asObject(parseJson(broken)) ?? {})
    codecOf(to).encodeReply({ ...reply, cost: null }, contextOf(family, to))
    return
  }
  const reader =
    family === to || form === 'array'
      ? createStreamReader(family, { form, stripUsage: false, holdUsage: random() < 0.5 })
      : createTranslatingReader({
          from: family,
          encoder: codecOf(to).createStreamEncoder(contextOf(family, to)),
          onEvent: () => {},
          renameCall: ({ id, name }) => ({ id, name }),
        })
  for (let at = 0; at < broken.length; ) {
    const size = pickInteger(random, 1, 3000)
    reader.push(broken.subarray(at, at + size))
    at += size
  }
  reader.end()
  reader.takeHeld('0.1')
  reader.position()
}

function contextOf(from: Protocol, to: Protocol): ReplyContext {
  return {
    request: codecOf(to).decodeRequest(MINIMAL[to], { model: 'm', stream: true }),
    model: 'm',
    requestId: 'req_fuzz',
    createdAtMs: 0,
    newId: (prefix) => `${prefix}1`,
    mint: { protocol: from, account: 'a' },
    includeUsage: true,
  }
}

function fuzzRequest(protocol: Protocol, body: WireObject, to: Protocol, random: Random): void {
  const broken = asObject(breakValue(body, random, 0)) ?? {}
  const request = codecOf(protocol).decodeRequest(broken, { model: 'm', stream: random() < 0.5 })
  JSON.stringify(translateRequest(request, to, TARGET).body)
}

/** Some bytes changed, taken out, or given twice; sometimes cut. */
function breakBytes(bytes: Buffer, random: Random): Buffer {
  let broken = Buffer.from(bytes)
  for (let i = pickInteger(random, 1, 8); i > 0 && broken.length > 1; i--) {
    const at = pickInteger(random, 0, broken.length - 1)
    const length = pickInteger(random, 1, 40)
    const draw = random()
    if (draw < 0.4) broken[at] = pickInteger(random, 0, 255)
    else if (draw < 0.6) broken = Buffer.concat([broken.subarray(0, at), broken.subarray(at + length)])
    else if (draw < 0.9) broken = Buffer.concat([broken.subarray(0, at + length), broken.subarray(at)])
    else broken = broken.subarray(0, at)
  }
  return broken
}

const ODD: readonly unknown[] = [
  null,
  0,
  -1,
  1e300,
  '',
  'x',
  true,
  [],
  {},
  [null],
  { type: 'text' },
  ['a', 1],
  '\ud800',
]

/** Values somewhere inside replaced by others of any kind, and members taken out. */
function breakValue(value: unknown, random: Random, depth: number): unknown {
  if (depth > 0 && random() < 0.03) return ODD[pickInteger(random, 0, ODD.length - 1)]
  if (Array.isArray(value)) return value.map((entry) => breakValue(entry, random, depth + 1))
  const object = asObject(value)
  if (!object) return value
  const kept = Object.entries(object).filter(() => random() > 0.01)
  return Object.fromEntries(kept.map(([key, member]) => [key, breakValue(member, random, depth + 1)]))
}
