/**
 * Money on both engines: what one hot workspace can do with one process and with two, on the embedded file and on
 * PostgreSQL, beside the same requests without money.
 *
 * Nothing is pinned to a core of its own here but mock and load: gateways and database share both. So rows compare with
 * each other, and not with the tables of one core.
 */
import { join } from 'node:path'
import { startPostgres } from '../test/support/postgres.ts'
import { type AccountingResult, checkAccounting, type MockCount } from './accounting.ts'
import type { ClosedLoopResult, Job, JobResult } from './job.ts'
import { SAME_PROTOCOL } from './pairs.ts'
import { processTree, readServerCpuUs } from './proc.ts'
import { medianOf } from './samples.ts'
import { expectedCharge, startZendo, type ZendoMode, type ZendoSubject, zendoModel } from './zendo.ts'

export interface MoneySubject {
  readonly name: string
  readonly mode: ZendoMode
  readonly engine: 'sqlite' | 'postgres'
  readonly workers: number
}

export const MONEY_SUBJECTS: readonly MoneySubject[] = [
  { name: 'free-sqlite-1', mode: 'free', engine: 'sqlite', workers: 1 },
  { name: 'balance-sqlite-1', mode: 'balance', engine: 'sqlite', workers: 1 },
  { name: 'balance-sqlite-2', mode: 'balance', engine: 'sqlite', workers: 2 },
  { name: 'balance-postgres-1', mode: 'balance', engine: 'postgres', workers: 1 },
  { name: 'balance-postgres-2', mode: 'balance', engine: 'postgres', workers: 2 },
]
export const MONEY = 'money'
const CONCURRENCIES = [16, 64]
const BOTH_CORES = '0,1'

export interface MoneyCell {
  readonly subject: MoneySubject
  readonly concurrency: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuUsPerRequest: number
  /** Of PostgreSQL's processes; 0 without them. */
  readonly databaseUsPerRequest: number
}

export interface MoneyOptions {
  readonly rounds: number
  readonly phases: { readonly warmUpMs: number; readonly measureMs: number }
  readonly mockPort: number
  readonly directory: string
  readonly ask: (job: Job) => Promise<JobResult>
}

export interface MoneyRun {
  readonly cells: readonly MoneyCell[]
  readonly accounting: readonly AccountingResult[]
  readonly problems: readonly string[]
}

/** Each subject in turn, alone; then its ledger is compared with what was answered and with what the mock sent. */
export async function measureMoney(options: MoneyOptions): Promise<MoneyRun> {
  const cells: MoneyCell[] = []
  const accounting: AccountingResult[] = []
  const problems: string[] = []
  const cluster = await startPostgres()
  try {
    for (const subject of MONEY_SUBJECTS) {
      const databaseUrl = subject.engine === 'postgres' ? await cluster.createDatabase() : undefined
      const measured = await measureSubject(subject, options, databaseUrl, () => cluster.pids())
      cells.push(...measured.cells)
      problems.push(...measured.problems)
      if (measured.accounting) accounting.push(measured.accounting)
    }
  } finally {
    await cluster.close()
  }
  return { cells, accounting, problems: [...problems, ...accounting.flatMap(({ mismatches }) => mismatches)] }
}

async function measureSubject(
  subject: MoneySubject,
  options: MoneyOptions,
  databaseUrl: string | undefined,
  databasePids: () => readonly number[],
): Promise<{ cells: MoneyCell[]; accounting: AccountingResult | null; problems: string[] }> {
  const upstreamUrl = `http://127.0.0.1:${options.mockPort}/${subject.name}/v1`
  const directory = join(options.directory, subject.name)
  const { mode, workers } = subject
  const zendo = await startZendo({
    ...{ mode, upstreamUrl, directory, databaseUrl, workers },
    cores: BOTH_CORES,
    profileDirectory: undefined,
  })
  const cells: MoneyCell[] = []
  const problems: string[] = []
  let answered = 0
  try {
    for (const concurrency of CONCURRENCIES) {
      const rounds: { loop: ClosedLoopResult; databaseUs: number }[] = []
      for (let round = 0; round < options.rounds; round++) {
        const databaseUs = (): number => (databaseUrl === undefined ? 0 : readServerCpuUs(databasePids()))
        const before = databaseUs()
        const result = await options.ask(jobFor(zendo, concurrency, options))
        if (result.kind !== 'closed-loop') throw new Error(`the load answered ${result.kind}`)
        answered += result.answered
        if (result.failed > 0) problems.push(`${subject.name}: ${result.failed} failed, first: ${result.firstFailure}`)
        // Read round the whole job, with warm-up and drain, so it is shared among all its answers.
        rounds.push({ loop: result, databaseUs: (databaseUs() - before) / Math.max(1, result.answered) })
      }
      cells.push(cellOf(subject, concurrency, rounds))
    }
    const accounting = mode === 'free' ? null : await account(subject, zendo, answered, options.mockPort)
    return { cells, accounting, problems }
  } finally {
    await zendo.stop()
  }
}

function jobFor(zendo: ZendoSubject, concurrency: number, { phases }: MoneyOptions): Job {
  const model = zendoModel('small', SAME_PROTOCOL.upstream)
  const target = {
    protocol: SAME_PROTOCOL.client,
    port: zendo.port,
    path: '/zen/v1/chat/completions',
    key: zendo.key,
    model,
  }
  return {
    ...{ kind: 'closed-loop', body: 'small', target, concurrency, startSpreadMs: 0, rigPids: [], ...phases },
    // Workers start after the first is ready.
    watchPids: zendo.pids.slice(0, 1).flatMap(processTree),
  }
}

function cellOf(
  subject: MoneySubject,
  concurrency: number,
  rounds: readonly { readonly loop: ClosedLoopResult; readonly databaseUs: number }[],
): MoneyCell {
  const median = (figure: (loop: ClosedLoopResult) => number): number =>
    medianOf(rounds.map(({ loop }) => figure(loop)))
  const cell = {
    ...{ subject, concurrency },
    requestsPerSecond: median((loop) => loop.requests / loop.seconds),
    p50Ms: median((loop) => loop.latencyMs.p50),
    p99Ms: median((loop) => loop.latencyMs.p99),
    cpuUsPerRequest: median((loop) => loop.cpuUs / loop.requests),
    databaseUsPerRequest: medianOf(rounds.map(({ databaseUs }) => databaseUs)),
  }
  console.error(
    `${subject.name} c=${concurrency}: ${cell.requestsPerSecond.toFixed(0)} requests/s, ${cell.cpuUsPerRequest.toFixed(0)} µs/request`,
  )
  return cell
}

async function account(
  { name }: MoneySubject,
  zendo: ZendoSubject,
  answered: number,
  mockPort: number,
): Promise<AccountingResult> {
  const counts = await fetch(`http://127.0.0.1:${mockPort}/__counts`)
  const mock = ((await counts.json()) as Record<string, MockCount>)[name]
  if (!mock) throw new Error(`the mock counted nothing for ${name}`)
  const ledger = await zendo.readLedger()
  const auditDifferences = await zendo.audit()
  return checkAccounting({
    subject: name,
    answered,
    mock,
    ledger,
    expectedNano: expectedCharge(mock),
    auditDifferences,
  })
}
