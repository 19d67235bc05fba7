/** An agent writes a file through the gateway, reads it and ends; all that this took is on the books at its price. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Product, Protocol } from '../../src/base/words.ts'
import type { Agent } from './agent.ts'
import { type AgentResult, runAgent } from './agent-process.ts'
import { checkTraffic, sum } from './check.ts'
import { type Door, openDoor } from './door.ts'
import { outcomeOf, type ScenarioResult } from './report.ts'
import type { AgentTask } from './scripted-upstream.ts'
import { endedRequests, readStanding, type Stage, type TestModel } from './stage.ts'

export interface InstalledAgent {
  readonly agent: Agent
  readonly program: string
}

export interface LoopOptions {
  readonly name: string
  readonly product: Product
  /** What the agent speaks. */
  readonly protocol: Protocol
  readonly model: TestModel
  /** The name by which the agent asks for it, when it is not its own. */
  readonly calledBy?: string
  /** The upstream breaks off its first answer. */
  readonly cutFirst?: boolean
  /** Opencode takes models and addresses from the gateway's own list. */
  readonly byModelList?: boolean
  /** Codex tries a WebSocket first. */
  readonly webSocket?: boolean
  /** A request beside the loop that the agent must make for the scenario to mean something. */
  readonly sideCall?: { readonly protocol: Protocol; readonly path: RegExp }
}

const LOOP_LIMIT_MS = 60_000

export async function runToolLoop(
  stage: Stage,
  installed: InstalledAgent,
  options: LoopOptions,
): Promise<ScenarioResult> {
  const door = await openDoor(stage.gateway.baseUrl)
  const workDir = await mkdtemp(join(tmpdir(), 'zendo-work-'))
  try {
    return await loopIn(workDir, { stage, door, installed, options })
  } finally {
    await rm(workDir, { recursive: true, force: true })
    await door.close()
  }
}

interface Loop {
  readonly stage: Stage
  readonly door: Door
  readonly installed: InstalledAgent
  readonly options: LoopOptions
}

async function loopIn(workDir: string, loop: Loop): Promise<ScenarioResult> {
  const { stage, options } = loop
  const { upstream } = stage
  const served = upstream.exchanges().length
  const breached = upstream.breaches().length
  const known = stage.books.requests().length
  const before = await readStanding(stage)
  const task = newTask(workDir)
  upstream.begin(task, { protocol: options.protocol, cutFirst: options.cutFirst ?? false })
  const result = await runAgent(commandOf(loop, task), { workDir, limitMs: LOOP_LIMIT_MS })
  const booked = await endedRequests(stage, known)
  const exchanges = upstream.exchanges().slice(served)
  const after = await readStanding(stage)
  const { product, protocol, sideCall } = options
  const protocols = sideCall ? [protocol, sideCall.protocol] : [protocol]
  const problems = [
    ...(await checkDone(task, result)),
    ...upstream.breaches().slice(breached),
    ...checkTraffic({ product, protocols, exchanges, booked, before, after }),
    ...checkDoor(loop),
  ]
  if (exchanges.some(({ turn }) => turn.isCut) !== (options.cutFirst ?? false))
    problems.push('the cut was not as planned')
  const charged = sum(booked.map((row) => row.charged ?? 0n))
  return { ...outcomeOf(options.name, result), requests: exchanges.length, charged, problems }
}

function commandOf({ stage, door, installed, options }: Loop, task: AgentTask) {
  const { file, content } = task
  const { product, protocol, model, calledBy } = options
  const command = installed.agent.command(installed.program, {
    origin: door.origin,
    apiKey: stage.gateway.apiKey,
    product,
    protocol,
    model: calledBy ?? model.id,
    prompt: `Write the text "${content}" into the file ${file} with your tools, and say when you are done.`,
    setup: options.byModelList ? 'model_list' : 'address',
    webSocket: options.webSocket ?? false,
  })
  return command
}

function newTask(workDir: string): AgentTask {
  const word = randomBytes(5).toString('hex')
  const backwards = [...word].reverse().join('')
  return { file: join(workDir, `note-${word}.txt`), content: `word ${word}`, finalText: `All done: ${backwards}.` }
}

async function checkDone(task: AgentTask, result: AgentResult): Promise<string[]> {
  const problems: string[] = []
  const written = await readFile(task.file, 'utf8').catch(() => null)
  if (written === null) problems.push('the file was not written')
  else if (written.trim() !== task.content) problems.push(`the file holds ${JSON.stringify(written)}`)
  if (!result.stdout.includes(task.finalText)) problems.push('the final text is not in what the client printed')
  if (result.exitCode !== 0) problems.push(`the client ended with ${result.exitCode ?? result.ending}`)
  return problems
}

/** Nothing was refused but what had to be, and the side calls that the scenario is about were made. */
function checkDoor({ door, options }: Loop): string[] {
  const problems = door.knocks
    .filter(({ status, isUpgrade }) => !isUpgrade && (status ?? 500) >= 400)
    .map(({ method, path, status, body }) => `${method} ${path} was answered ${status}: ${body.slice(0, 500)}`)
  const upgrades = door.knocks.filter(({ isUpgrade }) => isUpgrade)
  if (upgrades.some(({ status }) => status !== 426)) problems.push('an upgrade was not answered with 426')
  if (options.webSocket && upgrades.length !== 1)
    problems.push(`expected one WebSocket attempt, got ${upgrades.length}`)
  const { sideCall } = options
  if (sideCall && !door.knocks.some(({ path }) => sideCall.path.test(path)))
    problems.push(`no side call ${sideCall.path}`)
  return problems
}
