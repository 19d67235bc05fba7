/** The report must say a miss plainly, name what was skipped, and touch nothing of the document but its own part. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunRecord } from './cells.ts'
import type { ClosedLoopResult } from './job.ts'
import { renderReport, replaceGenerated } from './report.ts'
import { SCENARIOS } from './scenarios.ts'
import { targetLines } from './targets.ts'

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

test('only the part between the markers changes', () => {
  const document = 'before\n<!-- bench:begin, written by npm run bench -->\nold\n<!-- bench:end -->\nafter\n'
  const once = replaceGenerated(document, 'new')
  assert.equal(once, document.replace('\nold\n', '\n\nnew\n\n'))
  assert.equal(replaceGenerated(once, 'new'), once)
  assert.throws(() => replaceGenerated('nothing', 'new'), /has no lines/)
})
