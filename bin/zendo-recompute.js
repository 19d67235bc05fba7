#!/usr/bin/env node
/**
 * Computes every charge of an export again, offline: tokens times rates, the tier by the size of the prompt, one rounding,
 * the hold as the upper bound, the weight of what plans count. It shares no code with Zendo and needs nothing but Node 20,
 * so that whoever was charged can read it, and need not take Zendo's word for its own sums.
 *
 *   node zendo-recompute.js export.jsonl
 *   node zendo-recompute.js requests.csv --prices prices.csv
 *   zendo usage export | node zendo-recompute.js -
 *
 * Amounts are whole nano-dollars (1e-9 USD) as BigInt, rates nano-dollars per 1,000,000 tokens: nothing is ever a float.
 * Exit code 0: all agree. 1: something differs. 2: the files or the command line cannot be read.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'

const USAGE = 'usage: node zendo-recompute.js <export.jsonl | requests.csv | -> [--prices prices.csv] [--json]'
const BUCKETS = ['input', 'cached_read', 'cache_write_5m', 'cache_write_1h', 'output']
const MILLION = 1_000_000n
/** Differences that are printed; all are counted. */
const MAX_SHOWN = 100

class Unreadable extends Error {}

// ---- what a charge is ------------------------------------------------------------------------------------------------

/** Halves up: amounts are never below zero. */
function divideRounded(amount, divisor) {
  return (amount + divisor / 2n) / divisor
}

/** The base rates, or those of the highest tier that the prompt, cached tokens included, is above. */
function ratesFor(price, tokens) {
  const prompt = tokens.input + tokens.cached_read + tokens.cache_write_5m + tokens.cache_write_1h
  let rates = price.base
  let above = -1n
  for (const tier of price.tiers) {
    if (prompt > tier.above && tier.above > above) {
      rates = tier
      above = tier.above
    }
  }
  return rates
}

/** List price, rounded once. */
function costOf(price, tokens) {
  const rates = ratesFor(price, tokens)
  const sum = BUCKETS.reduce((total, bucket) => total + tokens[bucket] * rates[bucket], 0n)
  return divideRounded(sum, MILLION)
}

/** What the books should say of a request that has ended. Throws where its price is missing. */
function recompute(request, prices) {
  const isSold = request.state === 'settled' && request.funding !== 'free' && request.priceVersion !== null
  const price = prices.get(request.priceVersion)
  if (isSold && !price) throw new Unreadable(`the rates of price version ${request.priceVersion} are missing`)
  const cost = isSold ? costOf(price, request.tokens) : 0n
  const charged = cost < request.hold ? cost : request.hold
  // Windows of a plan count by the model's weight, caps the charge itself.
  const counted = (scope) => (scope === 'seat' ? divideRounded(charged * request.weightPpm, MILLION) : charged)
  return { cost, charged, counted }
}

// ---- checking --------------------------------------------------------------------------------------------------------

function createReport() {
  return {
    requests: 0,
    byState: { settled: 0, released: 0, held: 0 },
    estimated: 0,
    charged: { balance: 0n, plan: 0n, free: 0n, byok: 0n },
    writtenOff: 0n,
    counted: new Map(),
    tokens: Object.fromEntries(BUCKETS.map((bucket) => [bucket, 0n])),
    differences: 0,
    shown: [],
    lastId: '',
  }
}

function differ(report, subject, what, booked, recomputed) {
  report.differences++
  if (report.shown.length < MAX_SHOWN) {
    report.shown.push({ subject, what, booked: String(booked), recomputed: String(recomputed) })
  }
}

function checkRequest(report, request, prices) {
  report.requests++
  if (!(request.state in report.byState)) throw new Unreadable(`${request.id} has no known state`)
  if (!(request.funding in report.charged)) throw new Unreadable(`${request.id} has no known funding`)
  report.byState[request.state]++
  if (request.id <= report.lastId) differ(report, request.id, 'order of ids', request.id, `after ${report.lastId}`)
  report.lastId = request.id
  for (const { what, text, nano } of request.texts) {
    const exact = formatDollars(nano)
    if (text !== exact) differ(report, request.id, `${what} in dollars`, text, exact)
  }
  if (request.state !== 'held') checkCharge(report, request, prices)
}

function checkCharge(report, request, prices) {
  const { id, funding, state } = request
  const expected = recompute(request, prices)
  if (request.cost !== expected.cost) differ(report, id, 'cost', request.cost, expected.cost)
  if (request.charged !== expected.charged) differ(report, id, 'charged', request.charged, expected.charged)
  for (const { scope, name, nano } of request.counted) {
    const counted = expected.counted(scope)
    if (nano !== counted) differ(report, id, `counted in ${name}`, nano, counted)
    const key = `${scope} ${name}`
    report.counted.set(key, (report.counted.get(key) ?? 0n) + nano)
  }
  if (request.estimated) report.estimated++
  report.charged[funding] += request.charged
  // What a workspace's own provider key paid for was charged elsewhere.
  if (funding !== 'byok') report.writtenOff += request.cost - request.charged
  if (state === 'settled') for (const bucket of BUCKETS) report.tokens[bucket] += request.tokens[bucket]
}

/** The export's own totals: an export that was cut off has none. */
function checkEnd(report, end) {
  if (end === null) {
    differ(report, 'export', 'end', 'missing', 'a line of type end: the export was cut off')
    return
  }
  if (end.requests !== report.requests) differ(report, 'export', 'requests', end.requests, report.requests)
  for (const funding of ['balance', 'plan']) {
    const { [funding]: charged } = report.charged
    if (end[funding] !== charged) differ(report, 'export', `charged by ${funding}`, end[funding], charged)
  }
}

// ---- JSON lines ------------------------------------------------------------------------------------------------------

async function checkJsonLines(stream, report) {
  const prices = new Map()
  let end = null
  let line = 0
  for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    line++
    if (text === '') continue
    if (end !== null) throw new Unreadable(`line ${line}: something follows the end`)
    const record = atLine(line, () => JSON.parse(text))
    atLine(line, () => {
      if (record.type === 'price_version') prices.set(record.version, priceOfJson(record))
      else if (record.type === 'request') checkRequest(report, requestOfJson(record), prices)
      else if (record.type === 'end') end = endOfJson(record)
      else if (record.type !== 'export') throw new Unreadable(`unknown type ${record.type}`)
    })
  }
  checkEnd(report, end)
}

function atLine(line, work) {
  try {
    return work()
  } catch (error) {
    throw new Unreadable(`line ${line}: ${error.message}`)
  }
}

function priceOfJson({ base, tiers }) {
  return { base: ratesOf(base), tiers: tiers.map((tier) => ({ above: whole(tier.above), ...ratesOf(tier) })) }
}

function ratesOf(rates) {
  return Object.fromEntries(BUCKETS.map((bucket) => [bucket, whole(rates[bucket])]))
}

function requestOfJson(record) {
  const text = (what, holder = record) =>
    holder[what] === null ? [] : [{ what, text: holder[what], nano: whole(holder[`${what}_nano`]) }]
  return {
    id: record.id,
    state: record.state,
    funding: record.funding,
    priceVersion: record.price_version,
    weightPpm: whole(record.weight_ppm),
    tokens: ratesOf(record.tokens),
    hold: whole(record.hold_nano),
    cost: wholeOrNull(record.cost_nano),
    charged: wholeOrNull(record.charged_nano),
    estimated: record.estimated,
    counted: record.counted.map(({ scope, name, counted_nano }) => ({ scope, name, nano: whole(counted_nano) })),
    texts: [
      ...['hold', 'max_hold', 'cost', 'charged'].flatMap((what) => text(what)),
      ...record.counted.flatMap((count) => text('counted', count)),
    ],
  }
}

function endOfJson({ requests, charged }) {
  return { requests, balance: whole(charged.balance_nano), plan: whole(charged.plan_nano) }
}

function wholeOrNull(value) {
  return value === null || value === '' ? null : whole(value)
}

function whole(value) {
  const isWhole = typeof value === 'number' ? Number.isSafeInteger(value) && value >= 0 : /^\d{1,30}$/.test(value)
  if (!isWhole) throw new Unreadable(`${JSON.stringify(value)} is no whole number`)
  return BigInt(value)
}

// ---- CSV -------------------------------------------------------------------------------------------------------------

async function checkCsv(stream, pricesFile, report) {
  if (pricesFile === null) throw new Unreadable('CSV has no prices in it: add --prices prices.csv')
  const prices = await readPrices(createReadStream(pricesFile, 'utf8'))
  for await (const { row, cells } of readCsv(stream)) {
    atLine(row, () => checkRequest(report, requestOfCsv(cells), prices))
  }
}

async function readPrices(stream) {
  const prices = new Map()
  for await (const { row, cells } of readCsv(stream)) {
    atLine(row, () => {
      const rates = ratesOf(cells)
      if (cells.above === '') prices.set(cells.version, { base: rates, tiers: [] })
      else prices.get(cells.version).tiers.push({ above: whole(cells.above), ...rates })
    })
  }
  return prices
}

function requestOfCsv(cells) {
  const charged = wholeOrNull(cells.charged_nano)
  return {
    id: cells.id,
    state: cells.state,
    funding: cells.funding,
    priceVersion: cells.price_version === '' ? null : cells.price_version,
    weightPpm: whole(cells.weight_ppm),
    tokens: Object.fromEntries(BUCKETS.map((bucket) => [bucket, whole(cells[`${bucket}_tokens`])])),
    hold: whole(cells.hold_nano),
    cost: wholeOrNull(cells.cost_nano),
    charged,
    estimated: cells.estimated === 'true',
    counted: JSON.parse(cells.counted).map(({ scope, name, counted_nano }) => ({
      scope,
      name,
      nano: whole(counted_nano),
    })),
    texts: charged === null ? [] : [{ what: 'charged', text: cells.charged, nano: charged }],
  }
}

/** Rows by the names of the first one. RFC 4180: quoted cells may hold commas, line ends and doubled quotes. */
async function* readCsv(stream) {
  let names = null
  let row = 0
  for await (const values of readCsvRows(stream)) {
    row++
    if (names === null) names = values
    else if (values.length !== names.length)
      throw new Unreadable(`row ${row} has ${values.length} cells, not ${names.length}`)
    else yield { row, cells: Object.fromEntries(names.map((name, index) => [name, values[index]])) }
  }
}

async function* readCsvRows(stream) {
  let cells = []
  let cell = ''
  // `start`: before a cell. `plain`, `quoted`: in one. `quote`: behind a quote in a quoted one, which may be its end.
  let state = 'start'
  const endCell = () => {
    cells.push(cell)
    cell = ''
    state = 'start'
  }
  for await (const chunk of stream) {
    for (const character of chunk) {
      if (state === 'quoted') {
        if (character === '"') state = 'quote'
        else cell += character
      } else if (character === '"' && state !== 'plain') {
        if (state === 'quote') cell += '"'
        state = 'quoted'
      } else if (character === ',') endCell()
      else if (character === '\n') {
        endCell()
        yield cells
        cells = []
      } else if (character !== '\r') {
        cell += character
        state = 'plain'
      }
    }
  }
  if (cells.length > 0 || cell !== '' || state === 'quoted') throw new Unreadable('the last row is cut off')
}

// ---- what is printed -------------------------------------------------------------------------------------------------

/** Exact, without zeros beyond cents: `1.40`, `0.0000004`. */
function formatDollars(nano) {
  const sign = nano < 0n ? '-' : ''
  const digits = (nano < 0n ? -nano : nano).toString().padStart(10, '0')
  const fraction = digits.slice(-9).replace(/0+$/, '').padEnd(2, '0')
  return `${sign}${digits.slice(0, -9)}.${fraction}`
}

function summarise(report) {
  return {
    requests: report.requests,
    ...report.byState,
    estimated: report.estimated,
    tokens: Object.fromEntries(BUCKETS.map((bucket) => [bucket, String(report.tokens[bucket])])),
    charged_nano: { balance: String(report.charged.balance), plan: String(report.charged.plan) },
    counted_nano: Object.fromEntries([...report.counted].sort().map(([name, nano]) => [name, String(nano)])),
    written_off_nano: String(report.writtenOff),
    differences: report.differences,
    shown: report.shown,
  }
}

function formatReport(report) {
  const { settled, released, held } = report.byState
  const lines = report.shown.map(
    ({ subject, what, booked, recomputed }) =>
      `DIFFERENT ${subject}: ${what}: booked ${booked}, recomputed ${recomputed}`,
  )
  if (report.differences > report.shown.length) lines.push(`… and ${report.differences - report.shown.length} more`)
  lines.push(
    `requests     ${report.requests}: ${settled} settled (${report.estimated} by estimate), ${released} released, ${held} under way`,
    `tokens       ${BUCKETS.map((bucket) => `${bucket} ${report.tokens[bucket]}`).join(', ')}`,
    `charged      $${formatDollars(report.charged.balance)} to the balance, $${formatDollars(report.charged.plan)} on plans`,
    ...[...report.counted].sort().map(([name, nano]) => `counted      $${formatDollars(nano)} in ${name}`),
    `written off  $${formatDollars(report.writtenOff)}`,
    report.differences === 0
      ? 'OK: each charge is what its tokens and rates make, to the nano-dollar.'
      : `${report.differences} DIFFERENT`,
  )
  return lines.join('\n')
}

// ---- the command line ------------------------------------------------------------------------------------------------

function readArguments(words) {
  const rest = words.filter((word) => word !== '--json')
  const pricesAt = rest.indexOf('--prices')
  const pricesFile = pricesAt === -1 ? null : rest.splice(pricesAt, 2)[1]
  const [file, ...more] = rest
  if (file === undefined || more.length > 0 || pricesFile === undefined) throw new Unreadable(USAGE)
  return { file, pricesFile, json: words.includes('--json') }
}

/** JSON lines begin with a brace. What was looked at is put back before the stream. */
async function* putBack(first, rest) {
  if (!first.done) yield first.value
  yield* rest
}

async function main() {
  const { file, pricesFile, json } = readArguments(process.argv.slice(2))
  const stream = file === '-' ? process.stdin.setEncoding('utf8') : createReadStream(file, 'utf8')
  const chunks = stream[Symbol.asyncIterator]()
  const first = await chunks.next()
  const report = createReport()
  const input = Readable.from(putBack(first, { [Symbol.asyncIterator]: () => chunks }))
  if (String(first.value ?? '').startsWith('{')) await checkJsonLines(input, report)
  else await checkCsv(input, pricesFile, report)
  console.log(json ? JSON.stringify(summarise(report)) : formatReport(report))
  return report.differences === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`zendo-recompute: ${error.message}`)
  process.exitCode = 2
}
