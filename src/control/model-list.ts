/** What each product offers now, with price and endpoint: the list behind `zendo models`. */
import { PRODUCTS, type Product } from '../base/words.ts'
import type { Catalog } from '../domain/catalog.ts'
import { listedModels, openAiModel } from '../domain/model-listing.ts'

/** An entry of `GET P/models`, with what the route says by itself: the product. */
export type OfferedModel = ReturnType<typeof openAiModel> & {
  readonly product: Product
  /** True when only the built-in imitation answers for it. */
  readonly simulated: boolean
}

export function listOfferedModels(catalog: Catalog, products: readonly Product[] = PRODUCTS): OfferedModel[] {
  return products.flatMap((product) =>
    listedModels(catalog, product).map((model) => ({
      ...openAiModel(model, { plans: catalog.plans }),
      product,
      simulated: model.routes.every((route) => route.provider.simulated),
    })),
  )
}
