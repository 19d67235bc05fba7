/** The report must say a miss plainly, name what was skipped, and touch nothing of the document but its own part. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Protocol } from '../src/base/words.ts'
import type { RunRecord } from './cells.ts'
import type { AlternatingResult, ClosedLoopResult } from './job.ts'
import { renderReport, replaceGenerated } from './report.ts'
import { SCENARIOS } from './scenarios.ts'
import { targetLines } from './targets.ts'
import type { DirectionTimes } from './translation-time.ts'

const FACTS = { command: 'npm run bench', date: '2026-01-01', machine: 'm', versions: 'v', phases: 'p' }

function round(requests: number, cpuUs: number): ClosedLoopResult {
  const times = { count: requests, p50: 1, p99: 2, max: 3 }
  return {
    ...{ kind: 'closed-loop', answered: requests, failed: 0, firstFailure: undefined, seconds: 1, requests, cpuUs },
    ...{ events: 0, bodyBytes: 0, latencyMs: times, gapMs: times, streamsHeld: 0, streamsEnded: 0, rssBytes: 1e8 },
    ...{ loadCoreBusy: 0.9, foreignCpu: 0.2, stolen: 0 },
  }
}

function runOf(zendoRounds: ClosedLoopResult[]): RunRecord {
  const loops = new Map([
    ['small-c16/direct', [round(20_000, 0)]],
    ['small-c16/floor', [round(10_000, 400_000)]],
    ['small-c16/zendo-balance', zendoRounds],
  ])
  return {
    scenarios: SCENARIOS,
    subjects: ['direct', 'floor', 'zendo-balance'],
    skipped: new Map([['nginx', 'nginx is not installed']]),
    ...{
      startMs: new Map(),
      loops,
      firstTokens: new Map(),
      translations: [],
      money: null,
      ledgerTimes: [],
      accounting: [],
      problems: ['a ledger row is lost'],
    },
  }
}

test('a figure is the median of its rounds and is judged against the aim', () => {
  const slow = targetLines(runOf([round(1_000, 1e6), round(6_999, 1e6), round(9_000, 1e6)]))
  assert.deepEqual(
    slow.map(({ reached, met }) => [reached, met]),
    [
      ['6999 req/s', false],
      ['143 µs', true],
    ],
  )
  assert.equal(targetLines(runOf([round(7_000, 1e6)]))[0]?.met, true)
})

test('misses, skips, noise and problems stand in the report', () => {
  const report = renderReport(runOf([round(5_000, 1e6)]), FACTS)
  assert.match(report, /\| 5000 req\/s \| missed \|/)
  assert.match(report, /not measured: nginx: nginx is not installed/)
  assert.match(report, /load core 90 % busy; foreign CPU 20 %/)
  assert.match(report, /direct only 2\.0 × faster/)
  assert.match(report, /### Problems\n\n- a ledger row is lost/)
})

const translated = (kind: string, pair: string): string => `translated-${kind}/zendo-balance/${pair}`

/** A whole stream of 1,000 events each, so many microseconds of CPU apiece. */
function streamRound(cpuUsPerEvent: number): ClosedLoopResult {
  return { ...round(10, cpuUsPerEvent * 10_000), events: 10_000, streamsEnded: 10, streamsHeld: 10 }
}

function firstTokenRound(p50: number, directP50: number): AlternatingResult {
  const times = (value: number) => ({ count: 9, p50: value, p99: value, max: value })
  const answers = { answered: 9, failed: 0, firstFailure: undefined, directAnswered: 9 }
  return { kind: 'alternating', ...answers, firstTokenMs: times(p50), directFirstTokenMs: times(directP50) }
}

function directionTimes(to: Protocol, totalMs: number): DirectionTimes {
  const time = (value: number) => ({ count: 9, p50: value, p99: 2 * value, max: 3 * value })
  const ms = { parse: time(1), decode: time(2), encode: time(3), stringify: time(4), total: time(totalMs) }
  return { from: 'openai-chat', to, bodyBytes: 407_000, translatedBytes: 400_000, ms }
}

const TRANSLATED_RUN: RunRecord = {
  ...runOf([]),
  loops: new Map([
    [translated('stream', 'chat → chat'), [streamRound(4)]],
    [translated('stream', 'messages → chat'), [streamRound(12), streamRound(48), streamRound(49)]],
    [translated('stream', 'google → chat'), [streamRound(50.1)]],
    [translated('large', 'chat → chat'), [round(100, 200_000)]],
    [translated('large', 'messages → chat'), [round(100, 1_700_000)]],
    [translated('large', 'google → chat'), [round(100, 1_720_000)]],
  ]),
  firstTokens: new Map([
    [translated('first-token', 'chat → chat'), [firstTokenRound(1, 0.5), firstTokenRound(3, 0.5)]],
    [translated('first-token', 'messages → chat'), [firstTokenRound(1.5, 0.5), firstTokenRound(3.5, 0.5)]],
    [translated('first-token', 'google → chat'), [firstTokenRound(2, 0.9), firstTokenRound(4, 0.8)]],
  ]),
  translations: [
    [directionTimes('google-generate', 14), directionTimes('anthropic-messages', 3)],
    [directionTimes('google-generate', 18), directionTimes('anthropic-messages', 4)],
  ],
}

test('a translated pair is judged against the relayed one of its own round, on its own line', () => {
  assert.deepEqual(
    targetLines(TRANSLATED_RUN).map(({ subject, reached, met }) => [subject, reached, met]),
    [
      ['messages → chat', '48.0 µs', true],
      ['google → chat', '50.1 µs', false],
      ['messages → chat', '0.50 ms', true],
      ['google → chat', '0.65 ms', false],
      ['messages → chat', '15.0 ms', true],
      ['google → chat', '15.2 ms', false],
      ['slowest of 2: chat → google', '16.0 ms', false],
    ],
  )
})

test('the tables of translation have a row per pair, and the steps of a body translated alone', () => {
  const report = renderReport(TRANSLATED_RUN, FACTS)
  assert.match(report, /### Translated: 1,000-delta stream .*\n\n\| client → upstream \| CPU µs\/event /)
  assert.match(
    report,
    /\| chat → chat \| 4\.00 \| 10000 \| 1\.0 \| 2\.0 \| {2}\| load core 90 % busy; foreign CPU 20 % \|/,
  )
  assert.match(report, /\| messages → chat \| 48\.00 \|.*\| 12\.00 \| load core/)
  assert.match(report, /\| google → chat \| 0\.65 \| 2\.15 \| 2\.15 \| 3\.00 \| 3\.00 \| 0\.85 \|/)
  assert.match(report, /\| google → chat \| 17200 \| 100 \|.*\| 100 \| 15\.20 \|/)
  assert.match(report, /\| chat → google \| 407 \| 16\.00 \| 32\.00 \| 1\.00 \| 2\.00 \| 3\.00 \| 4\.00 \|/)
})

test('a run without translation says nothing of it but that it was not measured', () => {
  const report = renderReport(runOf([round(5_000, 1e6)]), FACTS)
  assert.doesNotMatch(report, /→|body alone/)
  assert.match(report, /### Translated: time to first token, c=1\n\nnot measured/)
})

test('only the part between the markers changes', () => {
  const document = 'before\n<!-- bench:begin, written by npm run bench -->\nold\n<!-- bench:end -->\nafter\n'
  const once = replaceGenerated(document, 'new')
  assert.equal(once, document.replace('\nold\n', '\n\nnew\n\n'))
  assert.equal(replaceGenerated(once, 'new'), once)
  assert.throws(() => replaceGenerated('nothing', 'new'), /has no lines/)
})
