/** Takes every subject through every scenario, round by round, and checks the books at the end. */
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../test/support/postgres.ts'
import { type AccountingResult, checkAccounting, type MockCount } from './accounting.ts'
import { differenceFrom } from './answer.ts'
import { cellKey, type RunRecord } from './cells.ts'
import { GATEWAY_CORE, LOAD_CORE } from './closed-loop.ts'
import type { AlternatingJob, ClosedLoopJob, ClosedLoopResult, Job, JobResult } from './job.ts'
import { type LedgerTime, timeLedger } from './ledger-alone.ts'
import { SCRIPTS } from './mock-replies.ts'
import { measureMoney } from './money.ts'
import { pairName, SAME_PROTOCOL } from './pairs.ts'
import { chooseParts } from './parts.ts'
import { type PinnedProcess, startPinned } from './pinned-process.ts'
import { jobFor, type Phases, pairsFor, type Rig, type Scenario, TRANSLATION_ALONE } from './scenarios.ts'
import { type Subject, type SubjectName, type Surroundings, startSubject } from './subjects.ts'
import { type DirectionTimes, directionName, isShortened, type Turns } from './translation-time.ts'
import { expectedCharge, serverFlags } from './zendo.ts'

/** How much is put into the figures. */
export interface Effort {
  readonly rounds: number
  readonly phases: Phases
  /** How often a cell is measured at most, until nobody disturbs. */
  readonly tries: number
  /** Translations without a gateway, per direction and round. */
  readonly turns: Turns
  /** Holds with their ends that the ledger is timed with, per engine and batch. */
  readonly ledgerPairs: number
}

export interface MeasureOptions extends Surroundings, Effort {
  readonly mockPid: number
  /** Names of subjects and scenarios; empty means all of each kind. */
  readonly only: readonly string[]
}

/** A round in which others took more than this share of a core is measured again, and the quietest is kept. */
const NOISE_LIMIT = 0.05

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
  const { scenarios, names, isTimedAlone, measuresMoney, timesLedger } = chooseParts(options.only)
  const problems: string[] = []
  const { subjects, skipped } = await startSubjects(names, options, problems)
  const file = fileURLToPath(new URL('load.ts', import.meta.url))
  const load = await startPinned([process.execPath, file], { core: LOAD_CORE, ipc: true })
  const empty = { loops: new Map(), firstTokens: new Map(), answered: new Map() }
  const rig: Rig = { mockPort: options.mockPort, pids: [options.mockPid, load.pid] }
  const translations: DirectionTimes[][] = []
  const progress: Progress = { options, rig, load, ...empty, problems }
  try {
    for (const scenario of scenarios) await compareReplies(progress, scenario, subjects)
    for (const subject of subjects) await heat(progress, subject)
    for (let round = 1; round <= options.rounds; round++) {
      for (const scenario of scenarios) {
        for (const subject of subjects) await measureRow(progress, scenario, subject, round)
      }
      if (isTimedAlone) translations.push(await timeAlone(progress, round))
    }
    const accounting = await checkLedgers(progress, subjects)
    for (const subject of subjects) await subject.stop()
    const { rounds, phases, mockPort, directory } = options
    const asked = (job: Job): Promise<JobResult> => ask(load, job) as Promise<JobResult>
    const money = measuresMoney ? await measureMoney({ rounds, phases, mockPort, directory, ask: asked }) : null
    problems.push(...(money?.problems ?? []))
    const ledgerTimes = timesLedger ? await timeLedgers(options.ledgerPairs) : []
    const startMs = new Map(subjects.flatMap(({ name, startMs: ms }) => (ms === undefined ? [] : [[name, ms]])))
    const { loops, firstTokens } = progress
    const started = subjects.map(({ name }) => name)
    const cells = { loops, firstTokens, translations }
    return { scenarios, subjects: started, skipped, startMs, ...cells, money, ledgerTimes, accounting, problems }
  } finally {
    await load.stop()
    for (const subject of subjects) await subject.stop()
  }
}

/** On both engines, one after the other. */
async function timeLedgers(pairs: number): Promise<LedgerTime[]> {
  const cluster = await startPostgres()
  try {
    return [...(await timeLedger(null, pairs)), ...(await timeLedger(await cluster.createDatabase(), pairs))]
  } finally {
    await cluster.close()
  }
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

/** Fast and wrong is not fast: what is relayed must be the mock's bytes, what is translated must say the same. */
async function compareReplies(progress: Progress, scenario: Scenario, subjects: readonly Subject[]): Promise<void> {
  let expected: string | undefined
  for (const subject of subjects) {
    for (const pair of pairsFor(scenario, subject.name)) {
      const { body } = scenario
      const result = await runJob(progress, subject, { kind: 'probe', body, target: subject.target(body, pair) })
      if (result.kind !== 'probe' || result.failed > 0) continue
      const said = result.answer === undefined ? 'unreadable' : differenceFrom(SCRIPTS[body], result.answer)
      if (pair.client === pair.upstream) expected ??= result.bodySha256
      const differs = pair.client === pair.upstream && result.bodySha256 !== expected
      if (said === undefined && !differs) continue
      const what = `${subject.name} ${body} ${pairName(pair)}`
      progress.problems.push(`${what}: the reply differs (${result.bodyBytes} bytes): ${said ?? 'not the same bytes'}`)
    }
  }
}

/** Compilers and pools get going before the first round, or its first cell would pay for them. */
async function heat(progress: Progress, subject: Subject): Promise<void> {
  const phases = { warmUpMs: 2 * progress.options.phases.warmUpMs, measureMs: 1 }
  const load = { concurrency: 16, startSpreadMs: 0, watchPids: subject.pids, rigPids: [], ...phases }
  const target = subject.target('small', SAME_PROTOCOL)
  await runJob(progress, subject, { kind: 'closed-loop', body: 'small', target, ...load })
}

async function measureRow(progress: Progress, scenario: Scenario, subject: Subject, round: number): Promise<void> {
  for (const pair of pairsFor(scenario, subject.name)) {
    const job = jobFor(scenario, subject, pair, progress.rig, progress.options.phases)
    if (job !== undefined) await measureCell(progress, subject, job, cellKey(scenario, subject.name, pair), round)
  }
}

async function measureCell(
  progress: Progress,
  subject: Subject,
  job: ClosedLoopJob | AlternatingJob,
  key: string,
  round: number,
): Promise<void> {
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
  for (let attempt = 0; attempt < progress.options.tries; attempt++) {
    const result = await runJob(progress, subject, job)
    if (result.kind !== 'closed-loop') throw new Error(`the load answered ${result.kind}`)
    if (best === undefined || result.foreignCpu < best.foreignCpu) best = result
    if (best.foreignCpu <= NOISE_LIMIT) break
  }
  return best as ClosedLoopResult
}

async function runJob(progress: Progress, subject: Subject, job: Job): Promise<JobResult> {
  const result = (await ask(progress.load, job)) as JobResult
  progress.answered.set(subject.name, (progress.answered.get(subject.name) ?? 0) + result.answered)
  if (result.failed > 0) {
    progress.problems.push(
      `${subject.name} ${job.target.path}: ${result.failed} requests failed, first: ${result.firstFailure}`,
    )
  }
  return result
}

function ask(process: PinnedProcess, question: Job | Turns): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error(`${process.child.spawnargs.at(-1)} ended without an answer`))
    process.child.once('exit', onExit)
    process.child.once('message', (result) => {
      process.child.off('exit', onExit)
      resolve(result)
    })
    process.child.send(question)
  })
}

/** On the gateway's core, which is idle meanwhile, with the gateway's flags. */
async function timeAlone({ options, problems }: Progress, round: number): Promise<DirectionTimes[]> {
  const file = fileURLToPath(new URL('translate-alone.ts', import.meta.url))
  const child = await startPinned([process.execPath, ...serverFlags(), file], { core: GATEWAY_CORE, ipc: true })
  try {
    const rows = (await ask(child, options.turns)) as DirectionTimes[]
    problems.push(...rows.filter(isShortened).map((row) => `${directionName(row)}: the body lost a tenth and more`))
    const slowest = rows.reduce((worst, row) => (row.ms.total.p50 > worst.ms.total.p50 ? row : worst))
    const { p50 } = slowest.ms.total
    console.error(`round ${round} ${TRANSLATION_ALONE}: ${p50.toFixed(2)} ms at most (${directionName(slowest)})`)
    return rows
  } finally {
    await child.stop()
  }
}

async function checkLedgers(progress: Progress, subjects: readonly Subject[]): Promise<AccountingResult[]> {
  const counts = await fetch(`http://127.0.0.1:${progress.options.mockPort}/__counts`)
  const mockCounts = (await counts.json()) as Record<string, MockCount>
  const results: AccountingResult[] = []
  for (const { name, zendo } of subjects) {
    const mock = mockCounts[name]
    if (zendo === undefined || zendo.mode === 'free' || mock === undefined) continue
    const sides = { answered: progress.answered.get(name) ?? 0, mock, ledger: await zendo.readLedger() }
    const auditDifferences = await zendo.audit()
    results.push(checkAccounting({ subject: name, ...sides, expectedNano: expectedCharge(mock), auditDifferences }))
  }
  progress.problems.push(...results.flatMap(({ mismatches }) => mismatches))
  return results
}
