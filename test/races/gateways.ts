/** Real gateways that share one database: one process, or three: workers of one SQLite file, machines of one PostgreSQL. */

import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { databasePath } from '../../src/control/instance.ts'
import { formatKey, hashKey } from '../../src/domain/api-key.ts'
import type { Database } from '../../src/store/database.ts'
import { insertKey } from '../../src/store/key.ts'
import { openDatabase } from '../../src/store/open-database.ts'
import { answerFully, type SceneOptions, sceneConfig } from '../money/scene.ts'
import type { Dialect } from '../support/dialect.ts'
import type { TestEngine } from '../support/engines.ts'
import { type FaultUpstream, startFaultUpstream } from '../support/fault-upstream.ts'
import { type Instance, prepareInstance } from '../support/instance.ts'
import { type WatchedAnswer, watch } from '../support/stream-client.ts'
import { until } from '../support/until.ts'
import type { Setting } from './nodes.ts'
import { addBuyer, type Buyer } from './world.ts'

/** Everything but money is unlimited: the same body comes many times, from one key and one address. */
const NO_LIMITS = { loop: { repeats: 0 }, key: { inFlight: 0 }, address: { requestsPerMinute: 0 } }
/** Machines that share a database share it. */
const MASTER_KEY = 'a-key-of-tests-that-is-long-enough'

export interface Spender extends Buyer {
  readonly key: string
}

export interface Ask {
  readonly key: string
  readonly tag: string
  readonly model?: string
  readonly stream?: boolean
  readonly maxTokens?: number
  readonly idempotencyKey?: string
  readonly prompt?: string
}

export interface Gateways {
  readonly db: Database
  readonly upstream: FaultUpstream
  readonly instances: readonly Instance[]
  /** A workspace with a balance and a key. */
  addSpender(posted: bigint): Promise<Spender>
  /** Sends to the i-th gateway. */
  ask(i: number, dialect: Dialect, request: Ask): WatchedAnswer
  /** Waits until no money is held. */
  settled(): Promise<void>
}

export async function startGateways(
  t: TestContext,
  engine: TestEngine,
  setting: Setting,
  options: (origin: string) => SceneOptions = () => ({}),
): Promise<Gateways> {
  const upstream = await startFaultUpstream(answerFully)
  t.after(() => upstream.close())
  const config = { ...sceneConfig(upstream, options(upstream.origin)), limits: NO_LIMITS }
  const isPostgres = engine.name === 'postgres'
  const store = isPostgres ? await engine.createStore(t) : null
  const count = isPostgres && setting === 'three processes' ? 3 : 1
  const workers = !isPostgres && setting === 'three processes' ? 3 : 1
  const env = {
    ZENDO_WORKERS: String(workers),
    ZENDO_MASTER_KEY: MASTER_KEY,
    ...(store && 'url' in store.place && { DATABASE_URL: store.place.url }),
  }
  const instances: Instance[] = []
  while (instances.length < count) {
    const instance = await prepareInstance({ config, env })
    t.after(() => instance.remove())
    await instance.start()
    instances.push(instance)
  }
  const place = store?.place ?? { path: databasePath(instances[0]?.dataDir ?? '') }
  const db = await openDatabase(place, { nowMs: 0 })
  t.after(() => db.close())
  return { ...clientsOf(instances, db), db, upstream, instances }
}

function clientsOf(instances: readonly Instance[], db: Database): Pick<Gateways, 'addSpender' | 'ask' | 'settled'> {
  return {
    async addSpender(posted) {
      const buyer = await addBuyer(db, posted)
      const key = formatKey(randomBytes(20))
      const { workspaceId, memberId, keyId } = buyer
      const row = { id: keyId, workspaceId, memberId, name: keyId, hash: hashKey(key), preview: keyId }
      await db.write((sql) => insertKey(sql, row, 0))
      return { ...buyer, key }
    },
    ask(i, dialect, request) {
      const { key, tag, model = 'exact', stream = false, maxTokens = 1000, idempotencyKey, prompt } = request
      const url = `${instances[i % instances.length]?.baseUrl()}/zen/v1/${dialect.path}`
      const body = dialect.request({ tag, model, stream, maxTokens, ...(prompt !== undefined && { prompt }) })
      const headers = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }
      return watch(url, body, { key, headers })
    },
    settled: () =>
      until('no money is held', async () => {
        const row = await db.get<{ n: bigint }>("SELECT COUNT(*) AS n FROM request WHERE state = 'held'")
        return row?.n === 0n
      }),
  }
}
