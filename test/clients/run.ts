/**
 * `npm run test:clients`: real agents do real work through the gateway, and are refused. `--only <agent>` drives one of
 * them, `--match <pattern>` only some scenarios, `--json` prints one document; `--require` (always so with `CI=1`) makes
 * it a failure when an agent cannot be installed.
 */
import { parseArgs } from 'node:util'
import { AGENTS } from './agents.ts'
import { installAgent } from './install.ts'
import { drive } from './lanes.ts'
import { type ClientReport, formatReport, problemsOf, reportJson } from './report.ts'
import type { InstalledAgent } from './tool-loop.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    require: { type: 'boolean', default: false },
    only: { type: 'string' },
    match: { type: 'string' },
  },
})
process.exitCode = await main()

async function main(): Promise<number> {
  const wanted = AGENTS.filter(({ name }) => values.only === undefined || name === values.only)
  if (wanted.length === 0) throw new Error(`--only must be one of ${AGENTS.map(({ name }) => name).join(', ')}`)
  const installed: InstalledAgent[] = []
  const missing: string[] = []
  for (const agent of wanted) {
    const found = await installAgent(agent)
    if (found.kind === 'installed') installed.push({ agent, program: found.program })
    else missing.push(`${agent.title} ${agent.version}: the npm registry cannot be reached (${found.reason})`)
  }
  const isFailure = missing.length > 0 && (values.require || process.env.CI === '1' || process.env.CI === 'true')
  if (!values.json) for (const text of missing) console.log(`${isFailure ? 'FAILED' : 'skipped'} ${text}`)
  const clients = installed.map(({ agent }) => `${agent.title} ${agent.version}`)
  const report = { clients, ...(await drive(installed, new RegExp(values.match ?? ''))) }
  tell(report, missing)
  return isFailure || problemsOf(report).length > 0 ? 1 : 0
}

function tell(report: ClientReport, missing: readonly string[]): void {
  if (values.json) {
    console.log(JSON.stringify({ ...reportJson(report), skipped: missing }, null, 2))
    return
  }
  console.log(`\n${formatReport(report)}\n`)
  for (const problem of problemsOf(report)) console.log(`FAILED ${problem}`)
  for (const { name, problems, output } of report.results) {
    if (problems.length > 0) console.log(`\n--- what the client printed in "${name}" (end)\n${output.slice(-3000)}`)
  }
  if (problemsOf(report).length === 0) console.log('every request is on the books at its price; the audits are clean')
}
