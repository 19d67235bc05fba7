/** The comparison of translated answers must pass a right one and catch a wrong one: every fault here is planted. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LedgerRow } from '../../support/ledger.ts'
import { type Case, loadCases } from '../case.ts'
import { bucketsOf, costOf } from '../price.ts'
import { type Comparison, compare, type Field } from './compare.ts'
import { LOSSES, lossesOf } from './losses.ts'
import { parsedInput, type Seen, type SeenUsage } from './seen.ts'

const cases = loadCases(join(import.meta.dirname, '..', '..', 'golden'))

function caseNamed(name: string): Case {
  const found = cases.find((one) => `${one.family}/${one.name}` === name)
  assert(found !== undefined, name)
  return found
}

const CALLS = caseNamed('openai-responses/reasoning-and-parallel-tools')
const CUT = caseNamed('google-generate/cut-between-chunks')
const REJECTED = caseNamed('openai-responses/error-400')

/** What a right library shows of a whole answer. */
function rightSeen({ expected }: Case): Seen {
  return {
    text: expected.text ?? '',
    reasoning: expected.reasoning_text ?? '',
    refusal: expected.refusal ?? '',
    calls: (expected.tool_calls ?? []).map((call) => ({
      id: call.id ?? 'made-up',
      name: call.name,
      input: parsedInput(call.arguments),
    })),
    finish: expected.finish_reason_canonical ?? null,
    usage: rightUsage(expected.usage ?? null),
    failure: null,
  }
}

function rightUsage(usage: Case['expected']['usage']): SeenUsage | null {
  if (!usage) return null
  const { input, output, cached_read, reasoning } = usage
  const prompt = (input ?? 0) + (cached_read ?? 0)
  return { prompt, cachedRead: cached_read ?? 0, cacheWrite: 0, cacheWrite1h: null, output, reasoning: reasoning ?? 0 }
}

function rowOf(replayed: Case, change: Partial<LedgerRow> = {}): LedgerRow {
  const { usage } = replayed.expected
  assert(usage)
  const buckets = bucketsOf(usage)
  const cost = costOf(buckets)
  return {
    ...{ id: 'req_1', model: 'm', state: 'settled', outcome: 'complete', estimated: false, status: 200 },
    ...{ error_code: null, hold: 10n ** 12n, cost, charged: cost },
    ...buckets,
    ...change,
  }
}

function fieldsOf(replayed: Case, seen: Partial<Seen>, rows: Partial<Comparison> = {}): Field[] {
  const row = rowOf(CALLS)
  const comparison = { replayed, target: 'anthropic-messages', row, ownRow: row, ...rows } as const
  return compare({ ...comparison, seen: { ...rightSeen(replayed), ...seen } }).map(({ field }) => field)
}

test('a right answer passes, and each wrong field of it is found', () => {
  const right = rightSeen(CALLS)
  const [first, second] = right.calls
  assert(first && second && right.usage)
  assert.deepEqual(fieldsOf(CALLS, {}), [])
  const planted: readonly [Field, Partial<Seen>][] = [
    ['text', { text: 'More.' }],
    ['reasoning', { reasoning: right.reasoning.slice(1) }],
    ['calls', { calls: [first] }],
    ['calls', { calls: [second, first] }],
    ['calls', { calls: [{ ...first, id: 'other' }, second] }],
    ['calls', { calls: [{ ...first, name: 'other' }, second] }],
    ['calls', { calls: [first, { ...second, input: { harbour: 'Esbjarg' } }] }],
    ['finish', { finish: 'stop' }],
    ['usage', { usage: null }],
    ['usage', { usage: { ...right.usage, output: 95 } }],
    ['usage', { usage: { ...right.usage, prompt: 211 } }],
    ['usage', { usage: { ...right.usage, reasoning: 0 } }],
    ['failure', { failure: { status: null, message: 'Broken.' } }],
  ]
  for (const [field, change] of planted) assert.deepEqual(fieldsOf(CALLS, change), [field], JSON.stringify(change))
})

test('calls without an id get one each, and never the same', () => {
  const replayed = caseNamed('google-generate/parallel-calls')
  const calls = rightSeen(replayed).calls.map((call, i) => ({ ...call, id: `call_${i}` }))
  const row = rowOf(replayed)
  assert.deepEqual(fieldsOf(replayed, { calls }, { row, ownRow: row }), [])
  for (const id of ['', 'call_0'])
    assert.ok(
      fieldsOf(replayed, { calls: calls.map((call) => ({ ...call, id })) }, { row, ownRow: row }).length > 0,
      id,
    )
})

test('another charge than in the answer’s own protocol is found', () => {
  const planted: readonly Partial<LedgerRow>[] = [
    ...[{ charged: 1n }, { input_tokens: 211 }, { output_tokens: 95 }, { estimated: true }],
    ...[{ outcome: 'upstream_cut' }, { state: 'released' as const, charged: 0n }],
  ]
  for (const change of planted)
    assert.ok(fieldsOf(CALLS, {}, { row: rowOf(CALLS, change) }).includes('charge'), Object.keys(change).join())
  assert.deepEqual(fieldsOf(CALLS, {}, { row: null }), ['charge'])
})

test('a cut answer that looks whole, and one that lost what came before the cut, are found', () => {
  const failure = { status: null, message: 'It broke off.' }
  const rows = { row: rowOf(CUT), ownRow: rowOf(CUT) }
  assert.deepEqual(fieldsOf(CUT, { failure }, rows), [])
  assert.deepEqual(fieldsOf(CUT, {}, rows), ['failure'])
  assert.deepEqual(fieldsOf(CUT, { failure, text: 'Once there ' }, rows), ['text'])
  assert.deepEqual(fieldsOf(CUT, { failure: { status: null, message: ' ' } }, rows), ['failure'])
})

test('a refusal with another status or without the upstream’s words is found', () => {
  const row = rowOf(CALLS, { state: 'released', status: 400, charged: 0n })
  const rows = { row, ownRow: row }
  const message = `400 ${REJECTED.expected.error?.message}`
  assert.deepEqual(fieldsOf(REJECTED, { failure: { status: 400, message } }, rows), [])
  assert.deepEqual(fieldsOf(REJECTED, { failure: { status: 503, message } }, rows), ['failure'])
  assert.deepEqual(fieldsOf(REJECTED, { failure: { status: 400, message: '400 no' } }, rows), ['failure'])
})

test('every loss has a reason of its own and is about some answers, not about all', () => {
  assert.equal(new Set(LOSSES.map(({ reason }) => reason)).size, LOSSES.length)
  assert.deepEqual(lossesOf(CALLS, 'openai-chat'), [])
  for (const loss of LOSSES) assert.ok(!cases.every((one) => loss.applies(one, 'google-generate')), loss.reason)
})
