/** Takes every subject through every scenario, round by round, and checks the books at the end. */
import { fileURLToPath } from 'node:url'
import { type AccountingResult, checkAccounting, type MockCount } from './accounting.ts'
import { cellKey, type RunRecord } from './cells.ts'
import { LOAD_CORE } from './closed-loop.ts'
import type { ClosedLoopJob, ClosedLoopResult, Job, JobResult } from './job.ts'
import { type PinnedProcess, startPinned } from './pinned-process.ts'
import { jobFor, type Phases, type Rig, SCENARIOS, type Scenario } from './scenarios.ts'
import { SUBJECT_NAMES, type Subject, type SubjectName, type Surroundings, startSubject } from './subjects.ts'
import { expectedCharge } from './zendo.ts'

export interface MeasureOptions extends Surroundings {
  readonly rounds: number
  readonly phases: Phases
  readonly mockPid: number
  /** Names of subjects and scenarios; empty means all of each kind. */
  readonly only: readonly string[]
}

/** A round in which others took more than this share of a core is measured again, and the quietest is kept. */
const NOISE_LIMIT = 0.05
const MAX_TRIES = 3

interface Progress {
  readonly options: MeasureOptions
  readonly rig: Rig
  readonly load: PinnedProcess
  readonly loops: RunRecord['loops']
  readonly firstTokens: RunRecord['firstTokens']
  /** Answers per subject over the whole run, to compare with its ledger. */
  readonly answered: Map<SubjectName, number>
  readonly problems: string[]
}

export async function measure(options: MeasureOptions): Promise<RunRecord> {
  const scenarios = chosen(SCENARIOS, ({ name }) => options.only.includes(name))
  const names = chosen(SUBJECT_NAMES, (name) => options.only.includes(name))
  const problems: string[] = []
  const { subjects, skipped } = await startSubjects(withDirect(names), options, problems)
  const file = fileURLToPath(new URL('load.ts', import.meta.url))
  const load = await startPinned([process.execPath, file], { core: LOAD_CORE, ipc: true })
  const cells = { loops: new Map(), firstTokens: new Map(), answered: new Map() }
  const rig: Rig = { mockPort: options.mockPort, pids: [options.mockPid, load.pid] }
  const progress: Progress = { options, rig, load, ...cells, problems }
  try {
    for (const scenario of scenarios) await compareReplies(progress, scenario, subjects)
    for (const subject of subjects) await heat(progress, subject)
    for (let round = 1; round <= options.rounds; round++) {
      for (const scenario of scenarios) {
        for (const subject of subjects) await measureCell(progress, scenario, subject, round)
      }
    }
    const accounting = await checkLedgers(progress, subjects)
    const startMs = new Map(subjects.flatMap(({ name, startMs: ms }) => (ms === undefined ? [] : [[name, ms]])))
    const { loops, firstTokens } = progress
    const started = subjects.map(({ name }) => name)
    return { scenarios, subjects: started, skipped, startMs, loops, firstTokens, accounting, problems }
  } finally {
    await load.stop()
    for (const subject of subjects) await subject.stop()
  }
}

/** All, unless some of this kind are named. */
function chosen<T>(all: readonly T[], isNamed: (item: T) => boolean): readonly T[] {
  const named = all.filter(isNamed)
  return named.length === 0 ? all : named
}

/** Every cell is judged by what the load reaches without a gateway. */
function withDirect(names: readonly SubjectName[]): readonly SubjectName[] {
  return names.includes('direct') ? names : ['direct', ...names]
}

/** What is not installed is skipped by name; what is there and does not start is a problem of the run. */
async function startSubjects(names: readonly SubjectName[], options: MeasureOptions, problems: string[]) {
  const subjects: Subject[] = []
  const skipped = new Map<SubjectName, string>()
  for (const name of names) {
    const subject = await startSubject(name, options).catch((error: Error) => {
      problems.push(`${name} did not start: ${error.message}`)
      return 'it did not start'
    })
    if (typeof subject !== 'string') subjects.push(subject)
    else skipped.set(name, subject)
  }
  return { subjects, skipped }
}

/** Fast and wrong is not fast: each subject must give the bytes that the mock gives. */
async function compareReplies(progress: Progress, scenario: Scenario, subjects: readonly Subject[]): Promise<void> {
  let expected: string | undefined
  for (const subject of subjects) {
    const result = await runJob(progress, subject, {
      kind: 'probe',
      body: scenario.body,
      target: subject.target(scenario.body),
    })
    if (result.kind !== 'probe' || result.failed > 0) continue
    expected ??= result.bodySha256
    if (result.bodySha256 !== expected) {
      progress.problems.push(`${subject.name} ${scenario.body}: the reply differs (${result.bodyBytes} bytes)`)
    }
  }
}

/** Compilers and pools get going before the first round, or its first cell would pay for them. */
async function heat(progress: Progress, subject: Subject): Promise<void> {
  const phases = { warmUpMs: 2 * progress.options.phases.warmUpMs, measureMs: 1 }
  const load = { concurrency: 16, startSpreadMs: 0, watchPids: subject.pids, rigPids: [], ...phases }
  await runJob(progress, subject, { kind: 'closed-loop', body: 'small', target: subject.target('small'), ...load })
}

async function measureCell(progress: Progress, scenario: Scenario, subject: Subject, round: number): Promise<void> {
  const job = jobFor(scenario, subject, progress.rig, progress.options.phases)
  if (job === undefined) return
  const key = cellKey(scenario, subject.name)
  if (job.kind === 'closed-loop') {
    const result = await runQuietly(progress, subject, job)
    progress.loops.set(key, [...(progress.loops.get(key) ?? []), result])
    const { requests, seconds, cpuUs, events, foreignCpu } = result
    const cpu = events > 0 ? `${(cpuUs / events).toFixed(1)} µs/event` : `${(cpuUs / requests).toFixed(0)} µs/request`
    const noise = foreignCpu > NOISE_LIMIT ? `, foreign CPU ${(foreignCpu * 100).toFixed(0)} %` : ''
    console.error(`round ${round} ${key}: ${(requests / seconds).toFixed(0)} requests/s, ${cpu}${noise}`)
    return
  }
  const result = await runJob(progress, subject, job)
  if (result.kind !== 'alternating') return
  progress.firstTokens.set(key, [...(progress.firstTokens.get(key) ?? []), result])
  const { firstTokenMs, directFirstTokenMs } = result
  console.error(
    `round ${round} ${key}: p50 ${firstTokenMs.p50.toFixed(3)}, direct ${directFirstTokenMs.p50.toFixed(3)}`,
  )
}

/** Measures until nobody disturbs, a few times at most; answers with the least disturbed. */
async function runQuietly(progress: Progress, subject: Subject, job: ClosedLoopJob): Promise<ClosedLoopResult> {
  let best: ClosedLoopResult | undefined
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const result = await runJob(progress, subject, job)
    if (result.kind !== 'closed-loop') throw new Error(`the load answered ${result.kind}`)
    if (best === undefined || result.foreignCpu < best.foreignCpu) best = result
    if (best.foreignCpu <= NOISE_LIMIT) break
  }
  return best as ClosedLoopResult
}

async function runJob(progress: Progress, subject: Subject, job: Job): Promise<JobResult> {
  const result = await askLoad(progress.load, job)
  progress.answered.set(subject.name, (progress.answered.get(subject.name) ?? 0) + result.answered)
  if (result.failed > 0) {
    progress.problems.push(
      `${subject.name} ${job.body}: ${result.failed} requests failed, first: ${result.firstFailure}`,
    )
  }
  return result
}

function askLoad(load: PinnedProcess, job: Job): Promise<JobResult> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error('the load generator ended'))
    load.child.once('exit', onExit)
    load.child.once('message', (result) => {
      load.child.off('exit', onExit)
      resolve(result as JobResult)
    })
    load.child.send(job)
  })
}

async function checkLedgers(progress: Progress, subjects: readonly Subject[]): Promise<AccountingResult[]> {
  const counts = await fetch(`http://127.0.0.1:${progress.options.mockPort}/__counts`)
  const mockCounts = (await counts.json()) as Record<string, MockCount>
  const results: AccountingResult[] = []
  for (const { name, zendo } of subjects) {
    const mock = mockCounts[name]
    if (zendo === undefined || zendo.mode === 'free' || mock === undefined) continue
    const sides = { answered: progress.answered.get(name) ?? 0, mock, ledger: zendo.readLedger() }
    const auditDifferences = await zendo.audit()
    results.push(checkAccounting({ subject: name, ...sides, expectedNano: expectedCharge(mock), auditDifferences }))
  }
  progress.problems.push(...results.flatMap(({ mismatches }) => mismatches))
  return results
}
