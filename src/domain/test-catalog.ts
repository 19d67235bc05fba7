/** For tests: the snapshot of a config given as a value, and models looked up in it. */
import assert from 'node:assert/strict'
import type { Product } from '../base/words.ts'
import { BUILT_IN_CATALOG } from './built-in-catalog.ts'
import type { Catalog, Model } from './catalog.ts'
import { buildCatalog } from './catalog-build.ts'
import { formatProblems, parseConfig } from './config-parse.ts'

export const SIMULATED = { simulatedBaseUrl: 'http://127.0.0.1:40001/v1/' }

/** Over the shipped catalogue; `secrets` by provider id. Fails the test when the config is refused. */
export function buildForTest(config: unknown, secrets: Readonly<Record<string, string>> = {}): Catalog {
  const parsed = parseConfig(JSON.stringify(config), 'zendo.jsonc')
  assert.ok(parsed.ok, parsed.ok ? '' : formatProblems(parsed.problems))
  return buildCatalog(BUILT_IN_CATALOG, parsed.config, new Map(Object.entries(secrets)), SIMULATED)
}

export function modelIn(catalog: Catalog, product: Product, id: string): Model {
  const model = catalog.models[product].get(id)
  assert.ok(model, `${id} is not in the catalogue of ${product}`)
  return model
}

/** `provider/upstream model priority` of each route. */
export function targetsOf(model: Model): string[] {
  return model.routes.map((route) => `${route.provider.id}/${route.upstreamModel} ${route.priority}`)
}
