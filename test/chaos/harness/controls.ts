/**
 * The controls of the checkers: differences planted into a copy of what a run left behind. A checker that does not find
 * them proves nothing, and fails the run.
 */
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type AuditRule, auditLedger } from '../../../src/control/audit.ts'
import { openDatabase } from '../../../src/store/open-database.ts'
import { gatherEvidence } from './evidence.ts'
import { type Evidence, type JudgeRule, judge } from './judge.ts'
import type { World } from './world.ts'

/** What is planted in the books, and which rule must name it. */
const BOOKS: readonly (readonly [AuditRule, string])[] = [
  ['account_held', "UPDATE account SET held = held + 1 WHERE kind = 'balance'"],
  ['account_posted', "UPDATE account SET posted = posted - 1 WHERE kind = 'balance'"],
  [
    'settlement_transfer',
    "UPDATE request SET state = 'released' WHERE id = (SELECT substr(id, 3) FROM transfer WHERE kind = 'settlement' LIMIT 1)",
  ],
  ['meter_settled', 'UPDATE meter SET settled = settled + 1 WHERE id = (SELECT meter_id FROM request_meter LIMIT 1)'],
]

/** What is wrong with the checkers; empty when each planted difference was found. */
export async function controlChecks(world: World, scratch: string): Promise<string[]> {
  const judged = controlJudge(await gatherEvidence(world))
  return world.engine === 'sqlite' ? [...judged, ...(await controlAudit(world, scratch))] : judged
}

async function controlAudit(world: World, scratch: string): Promise<string[]> {
  const missed: string[] = []
  for (const [rule, statement] of BOOKS) {
    const path = join(scratch, `planted-${randomUUID()}.db`)
    await world.database.get(`VACUUM INTO '${path}'`)
    const planting = new DatabaseSync(path)
    planting.function('ledger_open', () => 1)
    planting.exec(statement)
    planting.close()
    const database = await openDatabase({ path }, { nowMs: 0 })
    const { differences } = await auditLedger(database, { nowMs: Date.now() })
    await database.close()
    if (!differences.some((found) => found.rule === rule)) missed.push(`control: the audit does not see ${statement}`)
    rmSync(path)
  }
  return missed
}

type Plant = (evidence: Evidence) => Evidence

/** Each makes one account contradict another. */
const ACCOUNTS: Readonly<Record<JudgeRule, Plant>> = {
  'one row for a request': (evidence) => ({ ...evidence, rows: [...evidence.rows, ...evidence.rows.slice(0, 1)] }),
  'I12 nothing is held after recovery': (evidence) => changeRow(evidence, 'settled', { state: 'held' }),
  'I14 a charge is the price of what the upstream told': (evidence) =>
    changeRow(evidence, 'settled', { cost: 1n, charged: 1n }),
  'I14 what was released costs nothing': (evidence) => changeRow(evidence, 'released', { charged: 1n }),
  'I16 who saw the end is charged': (evidence) => changeRow(evidence, 'settled', { state: 'released' }),
  'I17 no more was sent upstream than was tried, and one answer delivered': (evidence) => ({
    ...evidence,
    hits: new Map([...evidence.hits].map(([id, hits]) => [id, [...hits, ...hits, ...hits, ...hits]])),
  }),
  'I17 no client gets two beginnings': (evidence) => ({
    ...evidence,
    seen: evidence.seen.map((one) => ({ ...one, beginnings: one.beginnings + 2 })),
  }),
  'no client waits for ever': (evidence) => ({
    ...evidence,
    seen: evidence.seen.map((one) => ({ ...one, hasHung: true })),
  }),
  'I18 nothing is sent upstream without a hold': (evidence) => ({ ...evidence, rows: [] }),
}

/** Changes the first row of a state whose client saw the end, or of the others where none did, and that is paid for. */
function changeRow(evidence: Evidence, state: string, change: Partial<Evidence['rows'][number]>): Evidence {
  const ended = new Set(evidence.seen.filter(({ terminal }) => terminal).map(({ id }) => id))
  const isMeant = (row: Evidence['rows'][number]): boolean =>
    row.state === state && row.funding !== 'free' && !row.estimated && (state === 'released' || ended.has(row.id))
  const target = evidence.rows.find(isMeant)
  return { ...evidence, rows: evidence.rows.map((row) => (row === target ? { ...row, ...change } : row)) }
}

function controlJudge(evidence: Evidence): string[] {
  return Object.entries(ACCOUNTS)
    .filter(([rule, plant]) => !judge(plant(evidence)).some((violation) => violation.startsWith(rule)))
    .map(([rule]) => `control: nobody sees a breach of "${rule}"`)
}
