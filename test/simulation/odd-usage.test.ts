/** What odd streams are charged, through the readers, the charge policy and the price, against a second reading. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { minUsd, nanoUsd } from '../../src/base/money.ts'
import { PROTOCOLS, type Protocol } from '../../src/base/words.ts'
import { chargeableUsage, type Delivery } from '../../src/domain/charge-policy.ts'
import { chargeForUsage } from '../../src/domain/price.ts'
import { createStreamReader, type StreamReader } from '../../src/protocol/stream-reader.ts'
import { type Counts, exactCharge } from './exact-price.ts'
import { type OddStream, oddStream } from './odd-usage.ts'
import { createRandom, type Random } from './random.ts'
import { PRICES } from './world.ts'

/** Of all protocols together. */
const STREAMS = Number(process.env.ZENDO_ODD_STREAMS ?? 50_000)
const SEED = Number(process.env.ZENDO_ODD_SEED ?? 20)
const PROMPT_ESTIMATE = 321

/** In pieces, as a network would cut it. */
function readStream({ protocol, text }: OddStream, random: Random): StreamReader {
  const reader = createStreamReader(protocol, { stripUsage: false })
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + random.size(bytes.length) + 1)
    reader.push(bytes.subarray(at, next))
    at = next
  }
  reader.end()
  return reader
}

interface Expected {
  readonly isCharged: boolean
  readonly counts: Counts
  readonly isEstimated: boolean
}

const NOTHING: Counts = { input: 0, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0 }

/** The published rule of a complete answer: the usage; without one an estimate; nothing when there is nothing. */
function expectedOf({ counts, isFinal, deliveredBytes }: OddStream): Expected {
  const delivered = Math.ceil(deliveredBytes / 4)
  if (counts !== null && isFinal) return { isCharged: true, counts, isEstimated: false }
  if (counts === null && delivered === 0) return { isCharged: false, counts: NOTHING, isEstimated: false }
  if (counts === null)
    return { isCharged: true, counts: { ...NOTHING, input: PROMPT_ESTIMATE, output: delivered }, isEstimated: true }
  return { isCharged: true, counts: { ...counts, output: Math.max(counts.output, delivered) }, isEstimated: true }
}

function checkStream(stream: OddStream, random: Random): void {
  const { reply, ending } = readStream(stream, random)
  assert.equal(ending, 'complete')
  const { usage, usageIsFinal, deliveredTokens } = reply
  assert.equal(deliveredTokens, Math.ceil(stream.deliveredBytes / 4))
  const delivery: Delivery = { usage, usageIsFinal, promptEstimate: PROMPT_ESTIMATE, deliveredTokens }
  const decided = chargeableUsage('complete', delivery)
  const expected = expectedOf(stream)
  assert.deepEqual([decided.chargeable, decided.estimated], [expected.isCharged, expected.isEstimated])
  const price = random.pick(PRICES)
  const cost = chargeForUsage(price, decided.usage)
  assert.equal(cost, exactCharge(price, expected.counts))
  const hold = nanoUsd(random.size(2_000_000_000))
  const charged = minUsd(cost, hold)
  assert.ok(charged >= 0n && charged <= hold)
}

describe('odd usage', () => {
  for (const protocol of PROTOCOLS) {
    const count = Math.ceil(STREAMS / PROTOCOLS.length)
    it(`of ${protocol} is charged as a second reading says (${count} streams, seed ${SEED})`, () =>
      checkMany(protocol, count))
  }
})

function checkMany(protocol: Protocol, count: number): void {
  const random = createRandom(SEED)
  const kinds = { told: 0, estimated: 0, nothing: 0 }
  for (let n = 0; n < count; n++) {
    const stream = oddStream(protocol, random)
    try {
      checkStream(stream, random)
    } catch (error) {
      throw new Error(`stream ${n} of seed ${SEED}:\n${stream.text}`, { cause: error })
    }
    if (stream.counts === null && stream.deliveredBytes === 0) kinds.nothing++
    else kinds[stream.counts !== null && stream.isFinal ? 'told' : 'estimated']++
  }
  for (const [kind, seen] of Object.entries(kinds)) assert.ok(seen > 0, `no stream was ${kind}`)
}
