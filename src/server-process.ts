/** One process that serves: wires the floors together, from an open database to the first answer, and back to rest. */
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { allRoutes } from './api/all-routes.ts'
import { forgetReplies } from './api/kept-reply.ts'
import { createRouteTable } from './api/routes.ts'
import { createHttpServer, type HttpServer } from './api/server.ts'
import { AppError } from './base/errors.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from './base/time.ts'
import type { ControlPlane } from './control/control-plane.ts'
import { claimMasterKey, OTHER_MASTER_KEY } from './control/master-key.ts'
import { setUpInstance } from './control/setup.ts'
import { forgetSignIns } from './control/sign-in/housekeeping.ts'
import { makeFirstSetupLink, type SetupLink } from './control/sign-in/setup-link.ts'
import { startWebhooks } from './control/webhook-delivery.ts'
import { receiversOf } from './domain/event.ts'
import { createDrains } from './gateway/drains.ts'
import type { Gateway } from './gateway/gateway.ts'
import { createKeyCache } from './gateway/key-cache.ts'
import { createOperatorEvents } from './gateway/operator-events.ts'
import { createOwnKeys } from './gateway/own-keys.ts'
import { createThoughtStore } from './gateway/thought-store.ts'
import { createTraffic } from './gateway/traffic.ts'
import { createUnderWay } from './gateway/under-way.ts'
import { expireCredit } from './ledger/expired-credit.ts'
import { createLedger } from './ledger/ledger.ts'
import { startNode } from './ledger/node.ts'
import { keepDamaged, openSpill } from './ledger/spill.ts'
import { repeat, SYSTEM_TIMERS } from './ledger/timers.ts'
import { startLiveCatalog } from './live-catalog.ts'
import { controlSecrets, hashSalt, openInstanceDatabase, placeOf, recover, spillPath } from './prepare-instance.ts'
import { describeEnvironment, type Settings } from './settings.ts'
import { deleteAnonymousUseBefore } from './store/anonymous-use.ts'
import { reasonOf } from './store/database.ts'
import { loadRevision } from './store/revision.ts'
import { createUpstreamClient } from './upstream/client.ts'
import { startSimulatedProvider } from './upstream/simulated/server.ts'
import { readyLines } from './welcome.ts'

/** How often it looks whether somebody has changed keys, seats, caps or settings. */
const CHANGE_POLL_MS = 250
/** How long an answer is read on after its client has left, to learn what it cost. */
const DRAIN_MS = 1000

export interface RunningServer {
  readonly url: string
  /** Reads the configuration and its secrets again. */
  reload(): void
  /** Refuses new requests, lets those under way end (within `settings.shutdownMs`), and closes everything. */
  stop(): Promise<void>
}

/** Starts everything and prints where it listens. The directory is claimed. @throws AppError with a message for the operator */
export async function startServer(settings: Settings, log: Logger, worker = 0): Promise<RunningServer> {
  // What was opened is closed in reverse order: now if the start fails, else when the server stops.
  await using opened = new AsyncDisposableStack()
  const database = await openInstanceDatabase(settings)
  opened.defer(() => database.close())
  const addressSalt = hashSalt(settings)
  await recover(settings, database, log, worker)
  const simulated = await startSimulatedProvider({ host: '127.0.0.1', port: 0, now: Date.now })
  opened.defer(() => simulated.close())
  const live = await startLiveCatalog({ settings, simulatedBaseUrl: simulated.baseUrl, database, log })
  opened.defer(() => live.close())
  const upstream = createUpstreamClient()
  opened.defer(() => upstream.close())
  const damaged = keepDamaged(spillPath(settings.dataDir, worker))
  if (damaged > 0) log.fatal({ damaged }, 'ends in the spill cannot be read; the file was kept beside as .damaged')
  const spill = await openSpill(spillPath(settings.dataDir, worker))
  opened.defer(() => spill.close())
  const node = await startNode({
    ...{ database, place: placeOf(settings.dataDir, worker), graceMs: settings.nodeGraceMs },
    ...{ clock: Date.now, log },
  })
  opened.defer(() => node.stop())
  const receivers = (type: Parameters<typeof receiversOf>[1]): string[] => receiversOf(live.catalog().webhooks, type)
  const ledger = createLedger({ database, spill, receivers, log })
  opened.defer(() => ledger.close())
  node.watch(ledger)
  const webhooks = startWebhooks({ database, catalog: live.catalog, clock: Date.now, log })
  opened.defer(() => webhooks.close())
  const secrets = controlSecrets(settings)
  if (!(await claimMasterKey(database, secrets.trailKeys, Date.now())) && worker === 0) log.error(OTHER_MASTER_KEY)
  const limits = (): ReturnType<typeof live.catalog>['limits'] => live.catalog().limits
  const gateway: Gateway = {
    catalog: live.catalog,
    database,
    ledger,
    node,
    keys: createKeyCache(database),
    traffic: createTraffic({ limits, share: 1 / settings.workers, secret: addressSalt, clock: Date.now, log }),
    ownKeys: createOwnKeys({ sealer: secrets.sealer, database, clock: Date.now, log }),
    operatorEvents: createOperatorEvents({ database, webhooks: () => live.catalog().webhooks, clock: Date.now, log }),
    upstream,
    underWay: createUnderWay(),
    thoughts: createThoughtStore(),
    clock: Date.now,
    log,
    addressSalt,
    drains: createDrains(),
    drainMs: DRAIN_MS,
  }
  let publicUrl = settings.publicUrl ?? ''
  const environment = describeEnvironment(process.env, settings)
  const control: ControlPlane = {
    ...{ database, clock: Date.now, randomBytes, log, catalog: live.catalog, publicUrl: () => publicUrl },
    ...{ signIn: live.signIn, mail: live.mail },
    settings: () => [...environment, ...live.settings()],
    ...secrets,
  }
  const http = createHttpServer(gateway, control, createRouteTable(allRoutes), () => live.serverOptions(publicUrl))
  const url = await listen(http, settings)
  publicUrl ||= url
  opened.defer(() => http.drain(settings.shutdownMs))
  // Last of all: the key is shown once, and a start that fails must not have used that up.
  const setup = await setUpInstance(database, { nowMs: Date.now(), randomBytes, trailKey: secrets.trailKey })
  opened.defer(startChores(gateway, live.refresh))
  if (worker === 0 || setup.created) {
    const link = await findFirstSetupLink(control)
    for (const line of readyLines(url, setup, gateway.catalog(), link)) console.log(line)
  }
  const running = opened.move()
  return { url, reload: live.reload, stop: () => running.disposeAsync() }
}

function listen({ server }: HttpServer, settings: Settings): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken =
        cause.code === 'EADDRINUSE' ? 'is in use; set ZENDO_PORT to another port' : `cannot be used: ${cause.message}`
      reject(new AppError('invalid_request', `${settings.host}:${settings.port} ${taken}`, { cause }))
    })
    server.listen(settings.port, settings.host, () => {
      const { port } = server.address() as AddressInfo
      const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
      resolve(`http://${host}:${port}`)
    })
  })
}

/** A start that has shown its key does not fail any more: the next one makes another link. */
async function findFirstSetupLink(control: ControlPlane): Promise<SetupLink | null> {
  try {
    return await makeFirstSetupLink(control)
  } catch (error) {
    control.log.error({ cause: reasonOf(error) }, 'no set-up link could be made; start again, or run zendo setup-link')
    return null
  }
}

/** What is done now and then: noticing others' changes, forgetting old addresses, ending expired credit. */
function startChores(
  { database, keys, clock, log }: Gateway,
  refreshSettings: () => Promise<void>,
): () => Promise<void> {
  let seen: bigint | undefined
  const noticeChanges = async (): Promise<void> => {
    const revision = await loadRevision(database)
    if (revision === seen) return
    keys.clear()
    await refreshSettings()
    seen = revision
  }
  const forgetAddresses = (): Promise<void> => deleteAnonymousUseBefore(database, Math.floor(clock() / DAY_MS))
  const stops = [
    chore(CHANGE_POLL_MS, noticeChanges, 'keys that were revoked may still be taken'),
    chore(HOUR_MS, forgetAddresses, 'addresses of earlier days are not forgotten yet'),
    chore(MINUTE_MS, () => expireCredit(database, clock()), 'expired credit is still shown'),
    chore(HOUR_MS, () => forgetSignIns(database, clock()), 'sign-ins that are over are not forgotten yet'),
    chore(HOUR_MS, () => forgetReplies(database, clock()), 'answers of yesterday are not forgotten yet'),
    chore(MINUTE_MS, keys.saveUses, 'when keys were used last is not shown yet'),
  ]
  return async () => {
    for (const stop of stops) await stop()
    await keys.saveUses().catch(() => undefined)
  }

  function chore(milliseconds: number, work: () => Promise<unknown>, meanwhile: string): () => Promise<void> {
    return repeat(SYSTEM_TIMERS, milliseconds, work, (error) =>
      log.error({ cause: reasonOf(error) }, `a chore failed and is tried again: ${meanwhile}`),
    )
  }
}
