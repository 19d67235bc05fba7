/** Drives all scenarios, two at a time: each lane has a gateway and upstreams of its own, so that its books are its own. */

import { prepareRefusals, REFUSING_WINDOW_LIMIT, type RefusingStage, runRefusal } from './refusal.ts'
import type { ClientReport, ScenarioResult } from './report.ts'
import { loopsOf, refusalsOf } from './scenarios.ts'
import { openStage, type Stage } from './stage.ts'
import { type InstalledAgent, runToolLoop } from './tool-loop.ts'

const LANES = 2
/** Dollars: what the plan really has. */
const WINDOW_LIMIT = 12

type Findings = Omit<ClientReport, 'clients'>
type Work = (stage: Stage) => Promise<ScenarioResult>

/** @param wanted names of the scenarios */
export async function drive(installed: readonly InstalledAgent[], wanted: RegExp): Promise<Findings> {
  const refused = await driveRefusals(installed, wanted)
  const looped = await driveLoops(installed, wanted)
  return { results: [...looped.results, ...refused.results], gateway: [...looped.gateway, ...refused.gateway] }
}

async function driveLoops(installed: readonly InstalledAgent[], wanted: RegExp): Promise<Findings> {
  const jobs = installed.flatMap((one) =>
    loopsOf(one.agent.name, one.agent.protocols)
      .filter(({ name }) => wanted.test(name))
      .map((options) => (stage: Stage) => runToolLoop(stage, one, options)),
  )
  if (jobs.length === 0) return { results: [], gateway: [] }
  const results: ScenarioResult[] = new Array(jobs.length)
  const next = jobs.entries()
  const lanes = Array.from({ length: Math.min(LANES, jobs.length) }, () => runLane(next, results))
  const gateway = (await Promise.all(lanes)).flat()
  return { results, gateway }
}

/** Takes scenarios until none is left. @returns problems of the lane's gateway */
async function runLane(next: Iterator<[number, Work]> & Iterable<[number, Work]>, results: ScenarioResult[]) {
  const stage = await openStage({ windowLimit: WINDOW_LIMIT, hasSideModels: true })
  try {
    for (const [index, work] of next) results[index] = await work(stage)
    return await endStage(stage)
  } finally {
    await stage.close()
  }
}

async function driveRefusals(installed: readonly InstalledAgent[], wanted: RegExp): Promise<Findings> {
  const jobs = installed.flatMap((one) =>
    refusalsOf(one.agent.protocols)
      .filter(({ protocol, refusal }) => wanted.test(`${one.agent.name} (${protocol}): ${refusal.code}`))
      .map((scenario) => (refusing: RefusingStage) => runRefusal({ refusing, installed: one, ...scenario })),
  )
  if (jobs.length === 0) return { results: [], gateway: [] }
  const stage = await openStage({ windowLimit: REFUSING_WINDOW_LIMIT, hasSideModels: false })
  try {
    const refusing = await prepareRefusals(stage)
    const served = stage.upstream.exchanges().length
    const known = stage.books.requests().length
    const results: ScenarioResult[] = new Array(jobs.length)
    const next = jobs.entries()
    const lane = async () => {
      for (const [index, work] of next) results[index] = await work(refusing)
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    const sent = stage.upstream.exchanges().length - served
    const booked = stage.books.requests().length - known
    const gateway: string[] = []
    if (sent > 0) gateway.push(`${sent} refused requests reached the upstream`)
    if (booked > 0) gateway.push(`${booked} request rows were written for refused requests`)
    return { results, gateway: [...gateway, ...(await endStage(stage))] }
  } finally {
    await stage.close()
  }
}

async function endStage(stage: Stage): Promise<string[]> {
  const exitCode = await stage.gateway.stop()
  const problems = exitCode === 0 ? [] : [`expected exit code 0 after SIGTERM, got ${exitCode}`]
  return [...problems, ...(await checkAudit(stage))]
}

/** @returns problems when the books disagree with themselves or still hold something */
async function checkAudit({ gateway }: Stage): Promise<string[]> {
  const audit = (await gateway.cli('audit')) as { checked: { held: number }; differences: readonly unknown[] }
  const problems = audit.differences.map((difference) => `audit: ${JSON.stringify(difference)}`)
  if (audit.checked.held > 0) problems.push(`audit: ${audit.checked.held} requests still hold money`)
  return problems
}
