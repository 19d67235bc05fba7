/**
 * `npm run test:clients`: a real opencode does real work through the gateway. `--json` prints one document;
 * `--require` (always so with `CI=1`) makes it a failure when the client cannot be installed.
 */
import { parseArgs } from 'node:util'
import { installOpencode, OPENCODE_VERSION } from './install.ts'
import { type ClientReport, formatReport, problemsOf, reportJson } from './report.ts'
import { checkAudit, type LoopOptions, runFullWindow, runToolLoop, type ScenarioResult } from './scenarios.ts'
import { CHAT_MODEL, MESSAGES_MODEL, openStage } from './stage.ts'

const loops: readonly LoopOptions[] = [
  { name: 'go, chat: tool loop', product: 'go', model: CHAT_MODEL },
  { name: 'go, messages: tool loop', product: 'go', model: MESSAGES_MODEL },
  { name: 'zen, chat: tool loop', product: 'zen', model: CHAT_MODEL },
  { name: "go, messages: by Zendo's model list", product: 'go', model: MESSAGES_MODEL, byModelList: true },
  { name: 'go, chat: upstream cut once', product: 'go', model: CHAT_MODEL, cutFirst: true },
  { name: 'go, messages: upstream cut once', product: 'go', model: MESSAGES_MODEL, cutFirst: true },
]
/** Dollars: what the plan really has. */
const WINDOW_LIMIT = 12

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, require: { type: 'boolean', default: false } },
})
process.exitCode = await main()

async function main(): Promise<number> {
  const client = `opencode ${OPENCODE_VERSION}`
  const installed = await installOpencode()
  if (installed.kind === 'unreachable') {
    const isFailure = values.require || process.env.CI === '1' || process.env.CI === 'true'
    const text = `${client}: the npm registry cannot be reached (${installed.reason})`
    const skipped = loops.length + 1
    if (values.json) console.log(JSON.stringify({ client, passed: !isFailure, skipped, reason: installed.reason }))
    else console.log(isFailure ? `FAILED ${text}` : `skipped ${skipped} scenarios of ${text}`)
    return isFailure ? 1 : 0
  }
  const report = { client, ...(await drive(installed.binary)) }
  tell(report)
  return problemsOf(report).length === 0 ? 0 : 1
}

async function drive(binary: string): Promise<Omit<ClientReport, 'client'>> {
  const results: ScenarioResult[] = []
  const gateway: string[] = []
  const stage = await openStage(WINDOW_LIMIT)
  try {
    for (const options of loops) results.push(await runToolLoop(stage, binary, options))
    const exitCode = await stage.gateway.stop()
    if (exitCode !== 0) gateway.push(`expected exit code 0 after SIGTERM, got ${exitCode}`)
    gateway.push(...(await checkAudit(stage)))
  } finally {
    await stage.close()
  }
  results.push(await runFullWindow(binary))
  return { results, gateway }
}

function tell(report: ClientReport): void {
  if (values.json) {
    console.log(JSON.stringify(reportJson(report), null, 2))
    return
  }
  console.log(`\n${formatReport(report)}\n`)
  for (const problem of problemsOf(report)) console.log(`FAILED ${problem}`)
  for (const { name, problems, output } of report.results) {
    if (problems.length > 0) console.log(`\n--- what the client printed in "${name}" (end)\n${output.slice(-3000)}`)
  }
  if (problemsOf(report).length === 0) console.log('every request is on the books at its price; the audit is clean')
}
