/** The project's own conversations through the real gateway: what clients get, what upstreams see, what it costs. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type Case, FAMILIES, loadCases } from '../captures/case.ts'
import { failuresIn } from '../captures/matrix.ts'
import { failuresOf } from '../captures/report.ts'
import { type CallResult, callAll, rowsOf, type SuiteResult } from '../captures/suite.ts'
import { runTranslated } from '../captures/translated/run.ts'
import type { Outcome } from '../captures/verdict.ts'
import { inWorld } from '../captures/world.ts'

const seed = Math.floor(Math.random() * 2 ** 31)
const own = loadCases(import.meta.dirname)
const cases = [...own, ...longStreams()]
let result: SuiteResult
let translated: readonly Outcome[]

before(async () => {
  const world = await inWorld({ cases, seed }, async (open) => {
    const calls = await callAll(open, { cases, seed, repeat: 1 })
    return { calls, shown: await runTranslated(open, own, rowsOf(calls)) }
  })
  result = { ...world, calls: world.result.calls }
  translated = world.result.shown
})

/** Streams larger than every buffer between the upstream and the client. */
function longStreams(): Case[] {
  const delta = (content: string, finish: string | null = null) => {
    const choices = [{ index: 0, delta: { content }, finish_reason: finish }]
    return `data: ${JSON.stringify({ id: 'long', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`
  }
  const usage = '"usage":{"prompt_tokens":20,"completion_tokens":9000,"total_tokens":9020}'
  const events = Array.from({ length: 3000 }, (_, n) => delta(`word ${n} `))
  const body = Buffer.from(`${events.join('')}${delta('', 'stop')}data: {"choices":[],${usage}}\n\ndata: [DONE]\n\n`)
  const tokens = { input: 20, output: 9000, cached_read: null, cache_write: null, reasoning: null }
  const expected = { text: 'word', finish_reason: 'stop', terminal: '[DONE]', usage: tokens }
  const headers = { 'content-type': 'text/event-stream' }
  const shape = {
    ...({ family: 'openai-chat', stream: true, form: 'sse', status: 200 } as const),
    ...{ features: [], request: null, requestText: null },
  }
  return Array.from({ length: 6 }, (_, n) => ({ ...shape, name: `long-stream-${n}`, headers, body, expected }))
}

function failuresAbout(check: string): string[] {
  return failuresOf(result).filter((failure) => failure.includes(`: ${check}: `))
}

function resultsNamed(name: string): CallResult[] {
  return result.calls.filter((one) => `${one.call.replayed.family}/${one.call.replayed.name}` === name)
}

test(`every case was called (seed ${seed})`, () => {
  const called = result.calls.map(({ call: { replayed } }) => `${replayed.family}/${replayed.name}`)
  assert.equal(new Set(called).size, cases.length)
})

test('replies are the upstream bytes, and failures never look like success', () => {
  assert.deepEqual(failuresAbout('reply'), [])
})

test('requests are forwarded unchanged but for the model name and the usage opt-in', () => {
  assert.deepEqual(failuresAbout('forwarded'), [])
})

test("each dialect's usage is read into disjoint buckets, or marked as an estimate", () => {
  assert.deepEqual(failuresAbout('usage'), [])
})

test('each answer costs the exact price of its tokens, and failures cost nothing', () => {
  assert.deepEqual(failuresAbout('charge'), [])
})

test("an answer says and costs the same in the clients' own libraries of the other protocols, or the loss is named", () => {
  assert.deepEqual(failuresIn(translated), [])
  const pairs = new Set(translated.map(({ family, target }) => `${family.split(' ')[0]} ${target}`))
  assert.equal(pairs.size, FAMILIES.length * (FAMILIES.length - 1))
})

test('the same answer without usage counts the same tokens streamed and whole', () => {
  for (const family of FAMILIES) {
    const calls = [...resultsNamed(`${family}/no-usage`), ...resultsNamed(`${family}/no-usage-body`)]
    const counts = calls.map((one) => one.row?.output_tokens)
    assert.equal(new Set(counts).size, 1, `${family}: ${counts}`)
  }
})

test('the audit finds no difference and the gateway drains cleanly', () => {
  assert.deepEqual(result.gateway, [])
})
