/** Times holds and ends of one hot workspace without a gateway round them: the ledger's transactions, in groups. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId } from '../src/base/ids.ts'
import { nanoUsd, parseUsd, WEIGHT_ONE } from '../src/base/money.ts'
import { NO_USAGE } from '../src/base/usage.ts'
import { UTC_CALENDAR } from '../src/domain/window.ts'
import type { Command, EndCommand, HoldCommand } from '../src/ledger/command.ts'
import { grantLot } from '../src/ledger/credit.ts'
import { runCommands } from '../src/ledger/transaction.ts'
import { createBalance, ensureSystemAccounts } from '../src/store/account.ts'
import type { Database } from '../src/store/database.ts'
import { openDatabase } from '../src/store/open-database.ts'
import { insertWorkspace } from '../src/store/workspace.ts'

export interface LedgerTime {
  readonly engine: string
  /** Holds, and as many ends, in one transaction. */
  readonly batch: number
  /** Of this process, per hold with its end. */
  readonly userUs: number
  readonly systemUs: number
  readonly wallUs: number
}

export const LEDGER_ALONE = 'ledger-alone'
export const BATCHES = [1, 8, 32, 128]
const WARM_UP = 30
const AT_MS = Date.UTC(2026, 0, 1)
const NOTHING_TOLD = { receivers: () => [] }

/** `pairs`: holds with their ends, per batch size. */
export async function timeLedger(url: string | null, pairs: number): Promise<LedgerTime[]> {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-ledger-'))
  const db = await openDatabase(url === null ? { path: join(directory, 'zendo.db') } : { url }, { nowMs: AT_MS })
  try {
    await setUp(db)
    const times: LedgerTime[] = []
    for (const batch of BATCHES) times.push(await timeBatches(db, batch, Math.ceil(pairs / batch)))
    return times
  } finally {
    await db.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function setUp(db: Database): Promise<void> {
  await db.write(
    async (sql) => {
      await ensureSystemAccounts(sql)
      await insertWorkspace(sql, { id: 'workspace', name: 'bench' }, AT_MS)
      await createBalance(sql, 'balance', 'workspace')
      const lot = { id: 'grant', workspaceId: 'workspace', source: 'operator', amount: parseUsd(1_000_000) } as const
      await grantLot(sql, 'balance', { ...lot, priority: 100, expiresAtMs: null, note: '', createdAtMs: AT_MS })
    },
    { opensLedger: true },
  )
}

async function timeBatches(db: Database, batch: number, rounds: number): Promise<LedgerTime> {
  let before: string[] = []
  // Ids sort by age, as those of real requests do: rows are added where the last ones were.
  let atMs = AT_MS
  const round = async (): Promise<void> => {
    atMs += 5
    const ids = Array.from({ length: batch }, () => newId('req', atMs))
    const commands: Command[] = [...before.map(endOf), ...ids.map(holdOf)]
    await db.write((sql) => runCommands(sql, commands, NOTHING_TOLD), { opensLedger: true })
    before = ids
  }
  for (let i = 0; i < WARM_UP; i++) await round()
  const startedAtMs = performance.now()
  const cpu = process.cpuUsage()
  for (let i = 0; i < rounds; i++) await round()
  const { user, system } = process.cpuUsage(cpu)
  const pairs = rounds * batch
  const wallUs = ((performance.now() - startedAtMs) * 1000) / pairs
  return { engine: db.engine, batch, userUs: user / pairs, systemUs: system / pairs, wallUs }
}

function holdOf(id: string): HoldCommand {
  return {
    kind: 'hold',
    request: {
      ...{ id, workspaceId: 'workspace', accountId: 'balance', memberId: 'member', keyId: 'key', nodeId: 'node' },
      ...{ session: 'session', tags: null, product: 'zen', protocol: 'openai-chat', model: 'bench', stream: true },
      ...{ priceVersion: 'bench@1', weightPpm: WEIGHT_ONE, provider: 'mock', idempotencyKey: null, bodyDigest: null },
      createdAtMs: AT_MS,
    },
    sources: [{ kind: 'balance' }],
    caps: [],
    calendar: UTC_CALENDAR,
    size: { prompt: 1_000_000_000n, outputRate: parseUsd(4), output: 1000, leastOutput: 1000, slice: 4096 },
    anonymous: null,
  }
}

function endOf(id: string): EndCommand {
  const charged = nanoUsd(12_345)
  return {
    kind: 'end',
    holding: {
      ...{ requestId: id, workspaceId: 'workspace', accountId: 'balance', funding: 'balance' },
      ...{ weightPpm: WEIGHT_ONE, meters: [] },
    },
    end: {
      ...{ id, endedBy: 'node', state: 'settled', cost: charged, charged, outcome: 'complete', policyVersion: 2 },
      ...{ estimated: false, status: 200, errorCode: null, provider: 'mock', upstreamId: 'chatcmpl-1' },
      ...{ upstreamProtocol: 'openai-chat', warnings: null, firstByteAtMs: AT_MS, endedAtMs: AT_MS },
      attempts: [{ provider: 'mock', status: 200, outcome: 'complete', startedAtMs: AT_MS, endedAtMs: AT_MS }],
      usage: { ...NO_USAGE, input: 100, output: 50 },
    },
  }
}
