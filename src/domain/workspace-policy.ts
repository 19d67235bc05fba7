/** What a workspace allows of what the instance offers: models, and the terms under which providers may see its prompts. */
import { AppError } from '../base/errors.ts'
import type { Catalog, Route } from './catalog.ts'
import { keepsNothing } from './model-privacy.ts'

export interface WorkspacePolicy {
  /** `all_except`: models are on unless named, new ones too; `only`: off unless named. */
  readonly curation: 'all_except' | 'only'
  /** The models that are named. */
  readonly models: ReadonlySet<string>
  /** Only providers that declare that they keep nothing. */
  readonly zeroRetentionOnly: boolean
  /** Whether a provider may see prompts that declares that it trains on them. */
  readonly allowTraining: boolean
  /** The regions that may process requests; null: each. */
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
  if (policy.zeroRetentionOnly && !keepsNothing(provider)) return 'retention'
  if (!policy.allowTraining && provider.training === true) return 'training'
  if (policy.regions && !(provider.region !== undefined && policy.regions.includes(provider.region))) return 'region'
  return null
}

/** Those of a model's routes that a workspace may use: the very list where it may use all, as it mostly may. */
export function allowedRoutes(policy: WorkspacePolicy, routes: readonly Route[]): readonly Route[] {
  for (const route of routes) {
    if (objectionTo(policy, route) !== null) return routes.filter((other) => objectionTo(policy, other) === null)
  }
  return routes
}

/** What forbids those that it may not use, each objection once. */
export function objectionsTo(policy: WorkspacePolicy, routes: readonly Route[]): Objection[] {
  return [...new Set(routes.map((route) => objectionTo(policy, route)))].filter((objection) => objection !== null)
}

/** An objection as a reason that people read: of the providers that it concerns. */
export function reasonFor(objection: Objection, { regions }: WorkspacePolicy): string {
  switch (objection) {
    case 'retention':
      return 'only providers that declare zero retention are allowed'
    case 'training':
      return 'providers that train on prompts are not allowed'
    case 'region':
      return `only the regions ${(regions ?? []).join(', ')} are allowed`
  }
}

/** Ids that a message names at most; all of them stand beside it. */
const NAMED = 20

/** @throws AppError invalid_request, with the models that there are, for one that the catalogue does not have */
export function checkKnownModels({ models }: Catalog, ids: Iterable<string>): void {
  for (const id of ids) {
    if (!models.zen.has(id) && !models.go.has(id)) {
      throw unknown('models', `model ${JSON.stringify(id.slice(0, 80))}`, [...models.zen.keys(), ...models.go.keys()])
    }
  }
}

/** @throws AppError invalid_request, with the regions that there are, for one that no provider declares */
export function checkKnownRegions({ providers }: Catalog, regions: readonly string[]): void {
  const known = [...providers.values()].flatMap(({ region }) => region ?? [])
  for (const region of regions) {
    if (!known.includes(region)) throw unknown('regions', `region ${JSON.stringify(region.slice(0, 80))}`, known)
  }
}

function unknown(param: string, what: string, all: readonly string[]): AppError {
  const known = [...new Set(all)].sort()
  const more = known.length > NAMED ? `, and ${known.length - NAMED} more` : ''
  const message = `There is no ${what} here. Known: ${known.slice(0, NAMED).join(', ') || 'none'}${more}.`
  return new AppError('invalid_request', message, { param, metadata: { known: known.join(',') } })
}
