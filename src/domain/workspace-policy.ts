/** What a workspace allows of what the instance offers: models, and the terms under which providers may see its prompts. */
import type { Model, Route } from './catalog.ts'

export interface WorkspacePolicy {
  /** `all_except`: models are on unless named, new ones too; `only`: off unless named. */
  readonly curation: 'all_except' | 'only'
  /** The models that are named. */
  readonly models: ReadonlySet<string>
  /** Only providers that declare that they keep nothing. */
  readonly zeroRetentionOnly: boolean
  /** Whether a provider may see prompts that declares that it trains on them. */
  readonly allowTraining: boolean
  /** The regions that may process requests; null: any. */
  readonly regions: readonly string[] | null
}

/** What a workspace has that never chose. */
export const DEFAULT_POLICY: WorkspacePolicy = {
  ...{ curation: 'all_except', models: new Set(), zeroRetentionOnly: false, allowTraining: false, regions: null },
}

export function isEnabled({ curation, models }: WorkspacePolicy, model: string): boolean {
  return models.has(model) === (curation === 'only')
}

/** What forbids a route: its provider's terms, where they are not known as much as where they are known to differ. */
export type Objection = 'retention' | 'training' | 'region'

export function objectionTo(policy: WorkspacePolicy, { provider }: Route): Objection | null {
  if (policy.zeroRetentionOnly && provider.retention !== 'zero') return 'retention'
  if (!policy.allowTraining && provider.training === true) return 'training'
  if (policy.regions && !(provider.region !== undefined && policy.regions.includes(provider.region))) return 'region'
  return null
}

/** The routes of a model that a workspace may use. */
export function allowedRoutes(policy: WorkspacePolicy, { routes }: Pick<Model, 'routes'>): Route[] {
  return routes.filter((route) => objectionTo(policy, route) === null)
}
