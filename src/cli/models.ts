/** `zendo models`: what each product offers, with price and endpoint. */
import { type Command, Option } from 'commander'
import { PRODUCTS, type Product } from '../base/words.ts'
import { listOfferedModels, type OfferedModel } from '../control/model-list.ts'
import { loadCommandCatalog } from './catalog.ts'
import { globalOptions, type Session } from './command-line.ts'
import { formatCount, formatTable } from './table.ts'

export function addModelsCommand(program: Command, session: Session): void {
  program
    .command('models')
    .description('list what each product offers, with endpoint and prices')
    .addOption(new Option('--product <product>', 'only this product').choices(PRODUCTS))
    .action(async (options: { product?: Product }, command: Command) => {
      const catalog = await loadCommandCatalog(session.line, globalOptions(command))
      const models = listOfferedModels(catalog, options.product === undefined ? PRODUCTS : [options.product])
      session.answer = { json: { models }, text: formatModels(models) }
    })
}

function formatModels(models: readonly OfferedModel[]): string {
  const columns = [
    { title: 'PRODUCT' },
    { title: 'MODEL' },
    { title: 'ENDPOINT' },
    { title: 'INPUT', align: 'right' },
    { title: 'CACHED', align: 'right' },
    { title: 'OUTPUT', align: 'right' },
    { title: 'CONTEXT', align: 'right' },
    { title: 'NOTES' },
  ] as const
  const table = formatTable(columns, models.map(formatModel), 'No provider is configured, so nothing is offered.')
  return models.length === 0 ? table : `${table}\n\nPrices are dollars per 1M tokens.`
}

function formatModel(model: OfferedModel): string[] {
  const { pricing } = model
  const prices = model.free ? ['free', '', ''] : [pricing.input, pricing.cached_read, pricing.output]
  return [model.product, model.id, model.endpoint, ...prices, formatCount(model.context_window), notesOf(model)]
}

function notesOf(model: OfferedModel): string {
  const notes: string[] = []
  if (model.simulated) notes.push('simulated')
  if (model.status !== 'active') notes.push(model.status)
  if (model.weight !== 1) notes.push(`counts ${model.weight}x on the plan`)
  for (const tier of model.pricing.tiers) {
    notes.push(`above ${formatCount(tier.above_prompt_tokens)}: ${tier.input} / ${tier.cached_read} / ${tier.output}`)
  }
  return notes.join(', ')
}
