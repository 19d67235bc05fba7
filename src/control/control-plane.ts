/** What the use cases of the control plane need from outside, gathered once by `main` and handed through. */
import type { Logger } from 'pino'
import type { Sealer } from '../base/seal.ts'
import type { Clock } from '../base/time.ts'
import type { Catalog } from '../domain/catalog.ts'
import type { MailConfig, SignInConfig } from '../domain/sign-in-config.ts'
import type { Database } from '../store/database.ts'
import type { RandomBytes } from './instance.ts'
import type { SettingView } from './setting.ts'

export interface ControlPlane {
  readonly database: Database
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Logger
  /** The snapshot in force. */
  readonly catalog: () => Catalog
  /** How people and providers of identities reach the instance: `https://zendo.example`, without a trailing slash. */
  readonly publicUrl: () => string
  readonly signIn: () => SignInConfig
  /** Every setting in force, of the environment too. */
  readonly settings: () => readonly SettingView[]
  /** Null: no mail leaves; links are shown to be passed on. */
  readonly mail: () => MailConfig | null
  readonly sealer: Sealer
  /** Keys the chain of the audit log. */
  readonly trailKey: string
  /** Those that its entries may have been chained under, the one in use first. */
  readonly trailKeys: readonly string[]
  /** Keys hashes of accounts and addresses, and the tokens that forms must bring back. */
  readonly secret: string
}
