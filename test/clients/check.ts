/** Judges a driven client's traffic: each upstream answer against its booked request, and the sums against what is left. */
import type { Usage } from '../../src/base/usage.ts'
import type { Product, Protocol } from '../../src/base/words.ts'
import type { BookedRequest } from './books.ts'
import { expectedCharge, weighted } from './expected-charge.ts'
import { fundingOf, modelOf, type Standing } from './stage.ts'
import type { UpstreamExchange } from './upstream-host.ts'

export interface Traffic {
  readonly product: Product
  /** What the client speaks, and in side calls. */
  readonly protocols: readonly Protocol[]
  readonly exchanges: readonly UpstreamExchange[]
  readonly booked: readonly BookedRequest[]
  readonly before: Standing
  readonly after: Standing
}

const WINDOW_NAMES = ['5 hour', 'monthly', 'weekly']

/** What is wrong, a line each; empty when all is well. */
export function checkTraffic(traffic: Traffic): string[] {
  const { exchanges, booked } = traffic
  const problems: string[] = []
  if (exchanges.length === 0) problems.push('nothing reached the upstream')
  if (booked.length !== exchanges.length) {
    problems.push(`expected a request row for each of ${exchanges.length} upstream requests, got ${booked.length}`)
  }
  for (const exchange of exchanges) {
    const rows = booked.filter(({ upstreamId }) => upstreamId === exchange.id)
    const [row] = rows
    if (row === undefined || rows.length > 1) problems.push(`${exchange.id}: ${rows.length} request rows`)
    else problems.push(...checkBooking(traffic, exchange, row).map((problem) => `${exchange.id}: ${problem}`))
  }
  return [...problems, ...checkSums(traffic)]
}

function checkBooking(traffic: Traffic, exchange: UpstreamExchange, row: BookedRequest): string[] {
  const model = modelOf(exchange.request.model)
  if (model === undefined) return [`${exchange.request.model} is no model of the test`]
  const isCut = exchange.turn.isCut ?? false
  const expected = {
    product: traffic.product,
    upstreamProtocol: model.protocol,
    model: model.id,
    funding: fundingOf(traffic.product),
    state: 'settled',
    outcome: isCut ? 'upstream_cut' : 'complete',
    estimated: isCut,
  }
  const problems = Object.entries(expected)
    .filter(([name, value]) => row[name as keyof typeof expected] !== value)
    .map(([name, value]) => `expected ${name} ${value}, got ${row[name as keyof typeof expected]}`)
  const isSpoken = traffic.protocols.some((protocol) => protocol === row.protocol)
  if (!isSpoken) problems.push(`expected protocol ${traffic.protocols.join(' or ')}, got ${row.protocol}`)
  problems.push(...(isCut ? checkCutUsage(exchange, row.usage) : checkUsage(exchange.turn.usage, row.usage)))
  const charge = expectedCharge(model.price, row.usage)
  if (row.charged !== charge) problems.push(`expected a charge of ${charge}, got ${row.charged}`)
  return [...problems, ...checkWindows(traffic.product, row, weighted(charge, model.weightPpm))]
}

function checkUsage(expected: Usage, found: Usage): string[] {
  return (Object.keys(expected) as (keyof Usage)[])
    .filter((bucket) => expected[bucket] !== found[bucket])
    .map((bucket) => `expected ${expected[bucket]} tokens of ${bucket}, got ${found[bucket]}`)
}

/** Protocols whose answers tell the prompt's count before they end. */
const COUNTS_EARLY: readonly Protocol[] = ['anthropic-messages', 'google-generate']
const NO_PROMPT = { input: 0, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0 }

/**
 * What was delivered is charged, as an estimate: a token is never shorter than a byte. The prompt only as far as the
 * upstream had counted it before the cut.
 */
function checkCutUsage({ turn, request }: UpstreamExchange, found: Usage): string[] {
  const problems: string[] = []
  const said = `${turn.reasoning}${turn.text}${JSON.stringify(turn.calls)}`
  if (found.output < 1 || found.output > Buffer.byteLength(said)) {
    problems.push(`expected 1 to ${Buffer.byteLength(said)} delivered tokens, got ${found.output}`)
  }
  const counted = COUNTS_EARLY.includes(request.protocol) ? turn.usage : { ...turn.usage, ...NO_PROMPT }
  return [...problems, ...checkUsage({ ...counted, output: found.output, reasoning: found.reasoning }, found)]
}

function checkWindows(product: Product, row: BookedRequest, counted: bigint): string[] {
  const expected = product === 'go' ? WINDOW_NAMES.map((name) => ({ name, held: 0n, counted })) : []
  const describe = (windows: BookedRequest['windows']) =>
    windows.map(({ name, held, counted }) => `${name}: ${held} held, ${counted} counted`).join('; ')
  if (describe(row.windows) === describe(expected)) return []
  return [`expected windows [${describe(expected)}], got [${describe(row.windows)}]`]
}

/** Balance and windows move by the sum of the charges, and what does not pay stays as it was. */
function checkSums({ product, booked, before, after }: Traffic): string[] {
  const problems: string[] = []
  const weightOf = ({ model }: BookedRequest) => modelOf(model)?.weightPpm ?? 0n
  const fromBalance = product === 'zen' ? sum(booked.map(({ charged }) => charged ?? 0n)) : 0n
  const fromWindows = product === 'go' ? sum(booked.map((row) => weighted(row.charged ?? 0n, weightOf(row)))) : 0n
  if (before.posted - after.posted !== fromBalance) {
    problems.push(`expected the balance to fall by ${fromBalance}, got ${before.posted - after.posted}`)
  }
  for (const name of WINDOW_NAMES) {
    const moved = (after.windows[name] ?? 0n) - (before.windows[name] ?? 0n)
    if (moved !== fromWindows) problems.push(`expected the ${name} window to move by ${fromWindows}, got ${moved}`)
  }
  return problems
}

export function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n)
}
