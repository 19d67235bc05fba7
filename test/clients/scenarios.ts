/** What opencode is put through, and what must be true afterwards. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Product } from '../../src/base/words.ts'
import { checkTraffic, sum } from './check.ts'
import { type OpencodeResult, runOpencode } from './opencode.ts'
import type { AgentTask } from './scripted-upstream.ts'
import {
  CHAT_MODEL,
  endedRequests,
  FILLER_MODEL,
  openStage,
  readStanding,
  type Stage,
  type TestModel,
} from './stage.ts'

export interface ScenarioResult {
  readonly name: string
  /** How the client ended, in words. */
  readonly client: string
  /** Requests that reached the upstream. */
  readonly requests: number
  /** Nano-dollars, at list price. */
  readonly charged: bigint
  readonly tookMs: number
  readonly problems: readonly string[]
  /** What the client printed, for a failure's sake. */
  readonly output: string
}

export interface LoopOptions {
  readonly name: string
  readonly product: Product
  readonly model: TestModel
  /** The upstream breaks off its first answer. */
  readonly cutFirst?: boolean
  /** The client takes models and addresses from the gateway's own list. */
  readonly byModelList?: boolean
}

const LOOP_LIMIT_MS = 45_000
/** Time enough for an agent to be refused, and to hammer if it were to. */
const REFUSED_LIMIT_MS = 12_000
const MAX_REFUSED_TRIES = 2
const FULL_WINDOW_LIMIT = 0.1

/** The agent writes a file, reads it and ends; every request that this took is on the books at its price. */
export async function runToolLoop(stage: Stage, binary: string, options: LoopOptions): Promise<ScenarioResult> {
  const { upstream } = stage
  const served = upstream.exchanges().length
  const known = stage.books.requests().length
  const before = await readStanding(stage)
  return await inWorkDir(async (workDir) => {
    const task = newTask(workDir)
    upstream.begin(task, { cutFirst: options.cutFirst ?? false })
    const client = clientOptions(stage, binary, task, workDir)
    const setup = options.byModelList ? 'model_list' : 'address'
    const result = await runOpencode({ ...client, ...routeOf(options), setup })
    const booked = await endedRequests(stage, known)
    const exchanges = upstream.exchanges().slice(served)
    const after = await readStanding(stage)
    const { product, model } = options
    const problems = [
      ...(await checkDone(task, result)),
      ...checkTraffic({ product, model, exchanges, booked, before, after }),
    ]
    if (options.cutFirst && !exchanges.some(({ delivery }) => delivery === 'cut')) problems.push('nothing was cut')
    const charged = sum(booked.map((row) => row.charged ?? 0n))
    return { ...resultOf(options.name, result), requests: exchanges.length, charged, problems }
  })
}

/**
 * On a full window nothing is sent, nothing is charged, and the refusal is there to read. `opencode run` then waits for
 * the reset, so it is stopped here; `docs/guides/opencode.md` says so to its users.
 */
export async function runFullWindow(binary: string): Promise<ScenarioResult> {
  const stage = await openStage(FULL_WINDOW_LIMIT)
  try {
    await fillWindow(stage)
    const served = stage.upstream.exchanges().length
    const known = stage.books.requests().length
    return await inWorkDir(async (workDir) => {
      const task = newTask(workDir)
      stage.upstream.begin(task)
      const client = clientOptions(stage, binary, task, workDir)
      const route = routeOf({ product: 'go', model: CHAT_MODEL })
      const result = await runOpencode({ ...client, ...route, setup: 'address', limitMs: REFUSED_LIMIT_MS })
      const requests = stage.upstream.exchanges().length - served
      const problems = checkRefused(result, { requests, booked: stage.books.requests().length - known })
      problems.push(...(await checkAudit(stage)))
      return { ...resultOf('go, window full', result), requests, charged: 0n, problems }
    })
  } finally {
    await stage.close()
  }
}

async function fillWindow({ gateway }: Stage): Promise<void> {
  const response = await fetch(`${gateway.baseUrl}/zen/go/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: FILLER_MODEL, messages: [{ role: 'user', content: 'Fill it.' }] }),
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`the window could not be filled: ${response.status} ${text}`)
}

function checkRefused(result: OpencodeResult, seen: { requests: number; booked: number }): string[] {
  const problems: string[] = []
  const refusal = /The 5 hour limit of \$0\.10 (?:is|does|has) .* It resets at \d{4}-\d\d-\d\dT/
  if (!refusal.test(result.stdout + result.stderr)) problems.push('the refusal is nowhere in what the client printed')
  // The title is a side call of its own, which the AI SDK inside repeats twice.
  const tries = result.stderr.split('\n').filter((line) => line.includes('agent=build') && refusal.test(line)).length
  if (tries > MAX_REFUSED_TRIES) problems.push(`the client asked ${tries} times in ${result.tookMs.toFixed(0)} ms`)
  if (result.exitCode === 0) problems.push('the client ended as if it had done its task')
  if (seen.requests > 0) problems.push(`${seen.requests} requests reached the upstream past a full window`)
  if (seen.booked > 0) problems.push(`${seen.booked} request rows were written for refused requests`)
  return problems
}

/** @returns problems when the books disagree with themselves or still hold something */
export async function checkAudit({ gateway }: Stage): Promise<string[]> {
  const report = (await gateway.cli('audit').catch((error: { stdout?: string }) => error.stdout)) as unknown
  const audit = (typeof report === 'string' ? JSON.parse(report) : report) as {
    checked: { held: number }
    differences: readonly unknown[]
  }
  const problems = audit.differences.map((difference) => `audit: ${JSON.stringify(difference)}`)
  if (audit.checked.held > 0) problems.push(`audit: ${audit.checked.held} requests still hold money`)
  return problems
}

function newTask(workDir: string): AgentTask {
  const word = randomBytes(5).toString('hex')
  const backwards = [...word].reverse().join('')
  return { file: join(workDir, `note-${word}.txt`), content: `word ${word}`, finalText: `All done: ${backwards}.` }
}

function clientOptions(stage: Stage, binary: string, task: AgentTask, workDir: string) {
  const { baseUrl, apiKey } = stage.gateway
  const prompt = `Write the text "${task.content}" into the file ${task.file} with your tools, and say when you are done.`
  return { binary, origin: baseUrl, apiKey, prompt, workDir, limitMs: LOOP_LIMIT_MS }
}

function routeOf({ product, model }: { product: Product; model: TestModel }) {
  return { product, model: model.id }
}

async function checkDone(task: AgentTask, result: OpencodeResult): Promise<string[]> {
  const problems: string[] = []
  const written = await readFile(task.file, 'utf8').catch(() => null)
  if (written === null) problems.push('the file was not written')
  else if (written.trim() !== task.content) problems.push(`the file holds ${JSON.stringify(written)}`)
  if (!result.stdout.includes(task.finalText)) problems.push('the final text is not in what the client printed')
  if (result.exitCode !== 0) problems.push(`the client ended with ${result.exitCode ?? result.ending}`)
  return problems
}

function resultOf(name: string, { exitCode, ending, stdout, stderr, tookMs }: OpencodeResult) {
  const client = ending === 'by itself' ? `exit ${exitCode}` : `stopped: ${ending}`
  return { name, client, tookMs, output: `${stdout}\n${stderr}` }
}

async function inWorkDir<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'zendo-work-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
