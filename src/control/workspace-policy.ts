/** What a workspace allows: changed on record, and shown model by model with what it means. */
import { formatUsd } from '../base/money.ts'
import { PRODUCTS } from '../base/words.ts'
import type { Catalog, Model, PriceRates, Provider } from '../domain/catalog.ts'
import { listedModels } from '../domain/model-listing.ts'
import { type Privacy, privacyOf } from '../domain/model-privacy.ts'
import {
  checkKnownModels,
  checkKnownRegions,
  isEnabled,
  type Objection,
  objectionsTo,
  objectionTo,
  type WorkspacePolicy,
} from '../domain/workspace-policy.ts'
import type { Database } from '../store/database.ts'
import { loadPolicy, savePolicy } from '../store/workspace-policy.ts'
import { type Acting, changeOnRecord, type Facts } from './acting.ts'

export interface PolicyChange extends Partial<Omit<WorkspacePolicy, 'models'>> {
  readonly models?: readonly string[]
}

/**
 * What is absent stays. A model that the catalogue no longer has may stay named, but not be named anew.
 * @throws AppError invalid_request for a model or region that there is not
 */
export function changeWorkspacePolicy(
  db: Database,
  catalog: Catalog,
  acting: Acting,
  workspaceId: string,
  { models, ...change }: PolicyChange,
): Promise<WorkspacePolicy> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await loadPolicy(sql, workspaceId)
    const after: WorkspacePolicy = { ...before, ...change, models: new Set(models ?? before.models) }
    checkKnownModels(catalog, after.models.difference(before.models))
    checkKnownRegions(
      catalog,
      (after.regions ?? []).filter((region) => !before.regions?.includes(region)),
    )
    await savePolicy(sql, workspaceId, after)
    await put({
      ...{ action: 'policy.update', workspaceId, target: workspaceId },
      ...{ before: policyFacts(before), after: policyFacts(after) },
    })
    return after
  })
}

/** As the API shows it and the log keeps it. */
export function policyFacts(policy: WorkspacePolicy) {
  const { curation, models, zeroRetentionOnly, allowTraining, regions } = policy
  return {
    curation,
    models: [...models].sort(),
    zero_retention_only: zeroRetentionOnly,
    allow_training: allowTraining,
    regions: regions && [...regions],
  } satisfies Facts
}

/** The regions that the providers of the instance declare. */
export function knownRegions({ providers }: Catalog): string[] {
  return [...new Set([...providers.values()].flatMap(({ region }) => region ?? []))].sort()
}

/** A model as a workspace's policy sees it. */
export interface CuratedModel extends Omit<Privacy, 'regions'> {
  readonly id: string
  readonly name: string
  readonly product: Model['product']
  readonly status: Model['status']
  readonly enabled: boolean
  readonly why_not: 'switched_off' | Objection | null
  readonly free: boolean
  readonly pricing: Record<'input' | 'output' | 'cached_read' | 'cache_write_5m' | 'cache_write_1h', string> | null
  readonly regions: string[] | null
  readonly providers: CuratedProvider[]
}

export interface CuratedProvider {
  readonly id: string
  readonly region: string | null
  readonly retention: string | null
  readonly training: boolean | null
  readonly forbidden_by: Objection | null
}

/** Every model on offer, of both products. @param seen the model as the workspace has it, with the routes of its own keys */
export function curateModels(
  catalog: Catalog,
  policy: WorkspacePolicy,
  seen: (model: Model) => Model = (model) => model,
): CuratedModel[] {
  return PRODUCTS.flatMap((product) => listedModels(catalog, product, seen).map((model) => curateModel(model, policy)))
}

function curateModel(model: Model, policy: WorkspacePolicy): CuratedModel {
  const { id, name, product, status, free, price, routes } = model
  const whyNot = reasonAgainst(model, policy)
  const { retention, training, regions } = privacyOf(routes)
  const providers = new Map(routes.map((route) => [route.provider.id, route]))
  return {
    ...{ id, name, product, status, enabled: whyNot === null, why_not: whyNot, free },
    pricing: price && viewRates(price.base),
    ...{ retention, training, regions: regions && [...regions] },
    providers: [...providers.values()].map((route) => viewProvider(route.provider, objectionTo(policy, route))),
  }
}

function reasonAgainst({ id, routes }: Model, policy: WorkspacePolicy): CuratedModel['why_not'] {
  if (!isEnabled(policy, id)) return 'switched_off'
  const isServed = routes.some((route) => objectionTo(policy, route) === null)
  return isServed ? null : (objectionsTo(policy, routes)[0] ?? null)
}

function viewProvider(provider: Provider, objection: Objection | null): CuratedProvider {
  const { id, region = null, retention = null, training = null } = provider
  return { id, region, retention, training, forbidden_by: objection }
}

function viewRates(rates: PriceRates): NonNullable<CuratedModel['pricing']> {
  return {
    input: formatUsd(rates.input),
    output: formatUsd(rates.output),
    cached_read: formatUsd(rates.cachedRead),
    cache_write_5m: formatUsd(rates.cacheWrite5m),
    cache_write_1h: formatUsd(rates.cacheWrite1h),
  }
}
