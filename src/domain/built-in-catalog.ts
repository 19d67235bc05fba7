/** The catalogue that ships with Zendo, read from its data files in the words of the config schema. */
import { z } from 'zod'
import { PRODUCTS } from '../base/words.ts'
import modelData from './catalog-data/models.json' with { type: 'json' }
import planData from './catalog-data/plans.json' with { type: 'json' }
import providerData from './catalog-data/providers.json' with { type: 'json' }
import simulatedData from './catalog-data/simulated.json' with { type: 'json' }
import type { BuiltInCatalog, BuiltInModel } from './catalog-merge.ts'
import { modelEntry, perProductEntry, routeEntry } from './config-model-schema.ts'
import { planEntry } from './config-plan-schema.ts'
import { providerEntry } from './config-schema.ts'
import { modelId, planId, providerId } from './config-values.ts'

/** `quirksSource`: where what is under `quirks` is stated. */
const shippedProvider = providerEntry.extend({
  docs: z.url().optional(),
  quirksSource: z.array(z.string().min(1)).min(1).optional(),
})
const shippedModel = modelEntry.extend({
  source: z.string().min(1),
  perProduct: z
    .partialRecord(z.enum(PRODUCTS), perProductEntry.extend({ source: z.string().min(1).optional() }))
    .optional(),
})

const providersFile = z.strictObject({ note: z.string(), providers: z.record(providerId, shippedProvider) })
const modelsFile = z.strictObject({ note: z.string(), models: z.record(modelId, shippedModel) })
const plansFile = z.strictObject({ note: z.string(), plans: z.record(planId, planEntry) })
const simulatedFile = z.strictObject({
  note: z.string(),
  providers: z.record(providerId, shippedProvider.extend({ configured: z.literal(true) })),
  shared: shippedModel,
  models: z.record(
    modelId,
    z.strictObject({ name: z.string(), model: routeEntry.shape.model, free: z.literal(true).optional() }),
  ),
})

/** @throws z.ZodError when a data file is malformed, which `npm test` would have shown. */
export function readBuiltInCatalog(): BuiltInCatalog {
  const simulated = simulatedFile.parse(simulatedData)
  const providers = providersFile.parse(providerData).providers
  const models = modelsFile.parse(modelData).models
  return {
    providers: new Map(
      Object.entries({ ...simulated.providers, ...providers }).map(
        ([id, { docs: _docs, quirksSource: _quirksSource, ...entry }]) => [id, entry],
      ),
    ),
    models: new Map([...simulatedModels(simulated), ...Object.entries(models)]),
    plans: new Map(Object.entries(plansFile.parse(planData).plans)),
  }
}

function simulatedModels(simulated: z.infer<typeof simulatedFile>): [string, BuiltInModel][] {
  const { price, ...shared } = simulated.shared
  return Object.entries(simulated.models).map(([id, { name, model, free }]) => {
    const payment = free === true ? { free, anonymous: true } : { price }
    return [id, { ...shared, ...payment, name, routes: [{ provider: 'sim', model }] }]
  })
}

export const BUILT_IN_CATALOG: BuiltInCatalog = readBuiltInCatalog()
