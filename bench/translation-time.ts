/** Times the translation of one large body as the gateway does it, step by step and without a gateway round it. */

import type { Protocol } from '../src/base/words.ts'
import { codecOf } from '../src/protocol/codecs.ts'
import { legaliseToolNames } from '../src/protocol/translation/legal-names.ts'
import { asObject, parseJson } from '../src/protocol/wire-value.ts'
import { buildBody } from './bodies.ts'
import { allDirections, pairName } from './pairs.ts'
import { addSample, createSamples, type Percentiles, percentilesOf, type Samples } from './samples.ts'

export interface Turns {
  readonly warmUp: number
  readonly measured: number
}

/** Milliseconds of one body, in the order of the work; `total` is all of it. */
export const STEPS = ['parse', 'decode', 'encode', 'stringify', 'total'] as const
export type Step = (typeof STEPS)[number]

export interface DirectionTimes {
  readonly from: Protocol
  readonly to: Protocol
  readonly bodyBytes: number
  readonly translatedBytes: number
  readonly ms: Readonly<Record<Step, Percentiles>>
}

export function directionName({ from, to }: DirectionTimes): string {
  return pairName({ client: from, upstream: to })
}

/** What is fast because it leaves things out is not fast. */
export function isShortened({ bodyBytes, translatedBytes }: DirectionTimes): boolean {
  return translatedBytes < LEAST_KEPT * bodyBytes
}

const LEAST_KEPT = 0.9

type Times = Readonly<Record<Step, number>>

const TARGET = { model: 'mock-large', account: 'mock', quirks: {}, maxOutput: 131_072, originateCacheMarks: false }

/** All directions, in turns rather than one after the other, so that a busy moment does not fall on one alone. */
export function timeTranslations({ warmUp, measured }: Turns): DirectionTimes[] {
  const rows = allDirections().map(({ from, to }) => {
    const body = Buffer.from(JSON.stringify(buildBody(from, 'bench-large', 'large')))
    return { from, to, body, translatedBytes: 0, samples: createStepSamples() }
  })
  for (let turn = 0; turn < warmUp + measured; turn++) {
    for (const row of rows) {
      const { times, translated } = translateOnce(row.from, row.to, row.body)
      row.translatedBytes = translated.length
      if (turn >= warmUp) for (const step of STEPS) addSample(row.samples[step], times[step])
    }
  }
  return rows.map(({ from, to, body, translatedBytes, samples }) => {
    const ms = mapSteps((step) => percentilesOf(samples[step]))
    return { from, to, bodyBytes: body.length, translatedBytes, ms }
  })
}

export function translateOnce(from: Protocol, to: Protocol, body: Buffer): { times: Times; translated: Buffer } {
  const startedAtMs = performance.now()
  const parsed = asObject(parseJson(body)) ?? {}
  const parsedAtMs = performance.now()
  const decoded = codecOf(from).decodeRequest(parsed, { model: 'bench-large', stream: false })
  const decodedAtMs = performance.now()
  const { request } = legaliseToolNames(decoded)
  const encoded = codecOf(to).encodeRequest(request, TARGET)
  const encodedAtMs = performance.now()
  const translated = Buffer.from(JSON.stringify(encoded.body))
  const endedAtMs = performance.now()
  const times = {
    parse: parsedAtMs - startedAtMs,
    decode: decodedAtMs - parsedAtMs,
    encode: encodedAtMs - decodedAtMs,
    stringify: endedAtMs - encodedAtMs,
    total: endedAtMs - startedAtMs,
  }
  return { times, translated }
}

function createStepSamples(): Record<Step, Samples> {
  return mapSteps(() => createSamples())
}

function mapSteps<T>(make: (step: Step) => T): Record<Step, T> {
  return Object.fromEntries(STEPS.map((step) => [step, make(step)])) as Record<Step, T>
}
