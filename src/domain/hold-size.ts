/** How large a request can become, in tokens and money, judged before it is sent. Pure. */
import {
  affordableTokens,
  asTokenPrice,
  type NanoUsd,
  nanoUsd,
  priceTokens,
  roundHoldUp,
  ZERO_USD,
} from '../base/money.ts'
import type { Model } from './catalog.ts'
import { dearestRates } from './price.ts'

/** Source code has three to four bytes a token; two leaves room for dense scripts. Whatever exceeds it is the operator's loss. */
const BYTES_PER_TOKEN_BOUND = 2
/** Vendors put a system prompt of their own before the client's: some six hundred tokens were seen. */
const VENDOR_PROMPT_TOKENS = 1024
/** For estimates that are charged (usage missing), where the likely number matters and not the bound. */
const BYTES_PER_TOKEN_TYPICAL = 4

/** Prompt tokens at most: by size, and never more than the model's context takes. */
export function promptBound(bodyBytes: number, model: Model): number {
  return Math.min(Math.ceil(bodyBytes / BYTES_PER_TOKEN_BOUND) + VENDOR_PROMPT_TOKENS, Math.max(model.context, 1))
}

/** Prompt tokens likely, for an estimated charge. */
export function promptEstimate(bodyBytes: number, model: Model): number {
  return Math.min(Math.ceil(bodyBytes / BYTES_PER_TOKEN_TYPICAL), Math.max(model.context, 1))
}

/**
 * Output tokens at most: the cap that is asked for where it is lower than the model's own, times the answers asked for.
 * A cap of nothing is none: vendors differ in what they make of it.
 */
export function outputCap(requested: number | null, answers: number, model: Model): number {
  const cap = requested === null || requested <= 0 ? model.maxOutput : requested
  return Math.min(cap, model.maxOutput) * answers
}

/** What a hold for a request can be made of. */
export interface HoldSize {
  /** What its prompt costs at most, in nano-dollar-tokens. */
  readonly prompt: bigint
  /** Nano-dollars per one million tokens of output, at the dearest. */
  readonly outputRate: NanoUsd
  /** Output tokens at most, all answers together. */
  readonly output: number
  /** Fewer output tokens than this are not worth sending. */
  readonly leastOutput: number
  /** Output tokens that are held at a time while an answer streams; null when it comes in one piece. */
  readonly slice: number | null
}

export const NOTHING_TO_HOLD: HoldSize = { prompt: 0n, outputRate: ZERO_USD, output: 0, leastOutput: 0, slice: null }

/** What is held of what a request may cost. */
export interface Cover {
  readonly hold: NanoUsd
  /** How far the hold may grow: the worst case of what is sent. */
  readonly maxHold: NanoUsd
  /** The output tokens that may be asked of the upstream, all answers together; null: as many as the client asked for. */
  readonly output: number | null
}

/** A shorter answer than this is rarely of use to an agent. */
const LEAST_OUTPUT_TOKENS = 1024
const SLICE_TOKENS = 4096

export interface SizedRequest {
  readonly promptBound: number
  /** Output tokens at most, all answers together. */
  readonly output: number
  readonly streams: boolean
  /** Below this the upstream would refuse the request, all answers together. */
  readonly legalOutput: number
}

export function sizeHold(model: Model, request: SizedRequest): HoldSize {
  if (!model.price) return NOTHING_TO_HOLD
  const { promptBound: prompt, output, streams, legalOutput } = request
  const rates = dearestRates(model.price, prompt)
  const leastOutput = Math.min(output, Math.max(LEAST_OUTPUT_TOKENS, legalOutput))
  return {
    prompt: priceTokens(prompt, rates.input),
    outputRate: rates.output,
    output,
    leastOutput,
    slice: streams ? Math.max(SLICE_TOKENS, leastOutput) : null,
  }
}

/** The hold for a prompt and so many output tokens. */
export function holdFor(size: HoldSize, output: number): NanoUsd {
  return roundHoldUp(size.prompt + priceTokens(output, size.outputRate))
}

/** All of the worst case, held at once. */
export function fullCover(size: HoldSize): Cover {
  const hold = holdFor(size, size.output)
  return { hold, maxHold: hold, output: null }
}

/** What can be held of less room than the worst case takes; null when it is too little to be worth sending. */
export function partialCover(size: HoldSize, room: NanoUsd): Cover | null {
  const affordable = affordableTokens(asTokenPrice(room) - size.prompt, size.outputRate)
  if (asTokenPrice(room) < size.prompt) return null
  const output = affordable === null || affordable > BigInt(size.output) ? size.output : Number(affordable)
  if (output < size.leastOutput) return null
  const held = size.slice === null ? output : Math.min(size.slice, output)
  return { hold: holdFor(size, held), maxHold: holdFor(size, output), output: output < size.output ? output : null }
}

/** The smallest hold with which a request is sent at all. */
export function leastHold(size: HoldSize): NanoUsd {
  return holdFor(size, Math.min(size.leastOutput, size.output))
}

/** Output tokens that a hold covers beside the prompt. */
export function coveredOutput(size: HoldSize, hold: NanoUsd): number {
  const tokens = affordableTokens(asTokenPrice(hold) - size.prompt, size.outputRate)
  return tokens === null ? size.output : Number(tokens)
}

/** The next step of a hold that grows while the answer streams. */
export function nextHold(size: HoldSize, hold: NanoUsd, maxHold: NanoUsd): NanoUsd {
  const step = roundHoldUp(priceTokens(size.slice ?? size.output, size.outputRate))
  const next = nanoUsd(hold + step)
  return next < maxHold ? next : maxHold
}
