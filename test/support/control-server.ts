/** The real HTTP server in this process, on a real database, with people who are signed in and keys of theirs. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { createRouteTable, type RouteDefinition } from '../../src/api/routes.ts'
import { createHttpServer } from '../../src/api/server.ts'
import { createSealer } from '../../src/base/seal.ts'
import { changeOnRecord } from '../../src/control/acting.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import { setUpInstance } from '../../src/control/setup.ts'
import { csrfToken, startSession } from '../../src/control/sign-in/session.ts'
import { testActing } from '../../src/control/test-instance.ts'
import { formatKey, hashKey } from '../../src/domain/api-key.ts'
import type { Catalog } from '../../src/domain/catalog.ts'
import { parseTrustedProxies } from '../../src/domain/client-address.ts'
import { DEFAULT_SIGN_IN } from '../../src/domain/sign-in-config.ts'
import { buildForTest } from '../../src/domain/test-catalog.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { createKeyCache } from '../../src/gateway/key-cache.ts'
import { createTraffic } from '../../src/gateway/traffic.ts'
import { createUnderWay } from '../../src/gateway/under-way.ts'
import type { Database } from '../../src/store/database.ts'
import type { KeyScope } from '../../src/store/key.ts'
import { insertPerson } from '../../src/store/person.ts'

const TRAIL_KEY = 'the key of the trail'

export interface ControlServerOptions {
  readonly routes: readonly RouteDefinition[]
  /** `limits` and the like of a `zendo.jsonc`. */
  readonly config?: object
  /** Milliseconds; by default the machine's clock. */
  readonly clock?: () => number
  /** Beside what every instance has. */
  readonly control?: Partial<ControlPlane>
}

/** Headers that prove who asks; the cookie's go with a token for writes. */
export type Credentials = Readonly<Record<string, string>>

export interface ControlServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly control: ControlPlane
  readonly workspaceId: string
  /** The key of the first start, which its admin may use for everything. */
  readonly firstKey: string
  /** A person with a session. `role` makes it a member of the first workspace. */
  signIn(name: string, is?: { readonly isOperator?: boolean; readonly role?: 'admin' | 'member' }): Promise<Credentials>
  /** A key with these scopes, of a new member of the first workspace. */
  makeKey(scopes: readonly KeyScope[], role?: 'admin' | 'member'): Promise<Credentials>
}

let serial = 0

export async function startControlServer(
  t: TestContext,
  database: Database,
  { routes, config = {}, clock = Date.now, control: more = {} }: ControlServerOptions,
): Promise<ControlServer> {
  const setup = await setUpInstance(database, { nowMs: clock(), randomBytes, trailKey: TRAIL_KEY })
  assert.ok(setup.created, 'the database was not empty')
  const catalog: Catalog = buildForTest(config)
  const log = pino({ level: 'silent' })
  let url = ''
  const control: ControlPlane = {
    ...{ database, clock, randomBytes, log, catalog: () => catalog, publicUrl: () => url },
    ...{ signIn: () => DEFAULT_SIGN_IN, settings: () => [], mail: () => null, sealer: createSealer(['k'.repeat(43)]) },
    ...{ trailKey: TRAIL_KEY, trailKeys: [TRAIL_KEY] },
    ...{ secret: 'the secret of the control plane' },
    ...more,
  }
  const limits = (): Catalog['limits'] => catalog.limits
  const gateway = {
    ...{ catalog: () => catalog, database, keys: createKeyCache(database), clock, log, addressSalt: 'salt' },
    ...{ traffic: createTraffic({ limits, share: 1, secret: 'salt', clock, log }), underWay: createUnderWay() },
  } as unknown as Gateway
  const http = createHttpServer(gateway, control, createRouteTable(routes), () => ({
    ...{ maxBodyBytes: 1_000_000, trustedProxies: parseTrustedProxies([]), publicUrl: url },
    ...{ processShare: 1, observedShape: () => undefined },
  }))
  await once(http.server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => http.drain(1000))
  url = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}`
  const workspaceId = setup.workspace.id
  return {
    ...{ url, control, workspaceId, firstKey: setup.key },
    signIn: (name, is = {}) => signIn(control, workspaceId, name, is),
    async makeKey(scopes, role = 'member') {
      const key = await makeKey(database, workspaceId, scopes, role)
      gateway.keys.clear()
      return { authorization: `Bearer ${key}` }
    },
  }
}

async function signIn(
  { database, clock, secret }: ControlPlane,
  workspaceId: string,
  name: string,
  { isOperator = false, role }: { readonly isOperator?: boolean; readonly role?: 'admin' | 'member' },
): Promise<Credentials> {
  const id = `per_${name}`
  const nowMs = clock()
  return await database.write(async (sql) => {
    const person = { id, email: `${name}@example.com`, name, isOperator, password: null, isProved: true }
    await insertPerson(sql, person, nowMs)
    if (role) {
      await sql.run(
        'INSERT INTO member (id, workspace_id, person_id, name, role, created_at) VALUES (?, ?, ?, ?, ?, ?)',
        ...[`mem_${name}`, workspaceId, id, name, role, nowMs],
      )
    }
    const { token } = await startSession(sql, { personId: id, method: 'password' }, { nowMs, randomBytes })
    return { cookie: `zendo_session=${token}`, 'x-zendo-csrf': csrfToken(secret, token) }
  })
}

function makeKey(
  database: Database,
  workspaceId: string,
  scopes: readonly KeyScope[],
  role: 'admin' | 'member',
): Promise<string> {
  const id = `test${serial++}`
  const key = formatKey(randomBytes(20))
  return changeOnRecord(database, testActing(), async (sql) => {
    await sql.run(
      'INSERT INTO member (id, workspace_id, name, role, created_at) VALUES (?, ?, ?, ?, ?)',
      ...[`mem_${id}`, workspaceId, id, role, Date.now()],
    )
    await sql.run(
      'INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, scopes, created_at)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      ...[`key_${id}`, workspaceId, `mem_${id}`, id, hashKey(key), id, JSON.stringify(scopes), Date.now()],
    )
    return key
  })
}
