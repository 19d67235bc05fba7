/** The statement that an instance gives of itself: what it keeps, and who else sees what its users send. */
import { PRODUCTS } from '../base/words.ts'
import type { Catalog } from '../domain/catalog.ts'
import { KEPT_ELSEWHERE, KEPT_TABLES, SECRETS } from '../domain/kept-data.ts'
import { listedModels } from '../domain/model-listing.ts'
import { privacyOf } from '../domain/model-privacy.ts'

const PROMPTS =
  'Prompts and answers pass through memory to the provider that answers and back. They are never written to a disk, ' +
  'a database or a log of this gateway.'
const WITHOUT_A_KEY =
  'Whoever asks without a key has no workspace and so no policy: these models are answered by any of their providers, ' +
  'also by one that trains on prompts, because the operator offers them so.'

export function describeRetention(catalog: Catalog) {
  const anonymous = PRODUCTS.flatMap((product) => listedModels(catalog, product)).filter((model) => model.anonymous)
  const trainedOn = anonymous.filter(({ routes }) => privacyOf(routes).training === true)
  return {
    prompts: { stored: false as const, text: PROMPTS },
    tables: Object.entries(KEPT_TABLES).map(([table, { about, kept, fields }]) => ({
      ...{ table, about, kept },
      fields: fields.map(([what, columns]) => ({ what, columns: columns.split(' ') })),
    })),
    elsewhere: [...KEPT_ELSEWHERE],
    secrets: [...SECRETS],
    providers: [...catalog.providers.values()].map((provider) => {
      const { id, region = null, retention = null, training = null, simulated } = provider
      return { id, region, retention, training, simulated }
    }),
    without_a_key: { text: WITHOUT_A_KEY, models: idsOf(anonymous), trained_on: idsOf(trainedOn) },
  }
}

function idsOf(models: readonly { readonly id: string }[]): string[] {
  return [...new Set(models.map(({ id }) => id))].sort()
}
