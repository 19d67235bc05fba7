/** The project's own conversations through the real gateway: what clients get, what upstreams see, what it costs. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type Case, FAMILIES, loadCases } from '../captures/case.ts'
import { failuresOf } from '../captures/report.ts'
import { type CallResult, runSuite, type SuiteResult } from '../captures/suite.ts'

const seed = Math.floor(Math.random() * 2 ** 31)
const cases = [...loadCases(import.meta.dirname), ...longStreams()]
let result: SuiteResult

before(async () => {
  result = await runSuite({ cases, seed, repeat: 1 })
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
  assert.equal(new Set(result.calls.map((one) => one.call.replayed.name + one.call.replayed.family)).size, cases.length)
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
