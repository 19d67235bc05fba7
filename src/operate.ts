/** Runs operations of the control plane in this process, for whoever may run commands on the machine. */
import { randomBytes } from 'node:crypto'
import pino from 'pino'
import { allRoutes } from './api/all-routes.ts'
import { AppError } from './base/errors.ts'
import type { Clock } from './base/time.ts'
import type { Operator } from './cli/command-line.ts'
import { type CatalogSnapshot, loadCatalog } from './control/catalog-source.ts'
import type { ControlPlane } from './control/control-plane.ts'
import { hasInstanceSecrets } from './control/instance.ts'
import { loadSettings } from './control/setting.ts'
import { formatProblems } from './domain/config-parse.ts'
import { controlSecrets } from './prepare-instance.ts'
import { describeEnvironment, type Settings } from './settings.ts'
import type { Database } from './store/database.ts'

/** The simulated upstream has an address only inside a running server. */
const NOWHERE = 'http://simulated.invalid/v1'

/**
 * With a bad configuration, what needs none of it still works; the rest throws its problems before it changes anything.
 * @throws AppError invalid_request where the secrets of the instance are not
 */
export async function openOperator(
  settings: Settings,
  database: Database,
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): Promise<Operator> {
  checkSecrets(settings)
  const stored = await loadSettings(database)
  const { configPath } = settings
  const loaded = await loadCatalog({ configPath, env, simulatedBaseUrl: NOWHERE, stored: () => stored })
  const snapshot = (): CatalogSnapshot => {
    if (loaded.ok) return loaded.snapshot
    throw new AppError('invalid_request', formatProblems(loaded.problems))
  }
  const publicUrl = settings.publicUrl ?? `http://${settings.host}:${settings.port}`
  const environment = describeEnvironment(env, settings)
  const control: ControlPlane = {
    ...{
      database,
      clock,
      randomBytes,
      log: pino({ level: settings.logLevel }, pino.destination({ dest: 2, sync: true })),
    },
    ...{ catalog: () => snapshot().catalog, publicUrl: () => publicUrl },
    ...{ signIn: () => snapshot().signIn, mail: () => snapshot().mail },
    settings: () => [...environment, ...snapshot().settings],
    ...controlSecrets(settings),
  }
  const { trailKey, trailKeys } = control
  const actor = { kind: 'shell', id: null } as const
  return {
    control,
    acting: { actor, nowMs: clock(), requestId: null, trailKey, trailKeys, randomBytes },
    async run(id, input) {
      const route = allRoutes.find(({ operation }) => operation?.id === id)
      if (!route?.perform) throw new Error(`there is no operation ${id}`)
      return await route.perform(control, input)
    },
  }
}

/** New ones would be others than the server's: what is put on record under them would look like forged. */
function checkSecrets({ dataDir, masterKey }: Settings): void {
  if (masterKey !== null || hasInstanceSecrets(dataDir)) return
  throw new AppError(
    'invalid_request',
    `${dataDir} holds no secrets of this instance: set ZENDO_DATA_DIR or ZENDO_MASTER_KEY as its server has it.`,
  )
}
