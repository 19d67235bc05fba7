/** The quirks of built-in models: those the recorded data states, and those kept by hand with their sources. */
import { z } from 'zod'
import { PRODUCTS, type Protocol } from '../src/base/words.ts'
import { type QuirksEntry, quirksEntry } from '../src/domain/config-quirks-schema.ts'
import { type Known, readJson, type Sources } from './catalog-sources.ts'

const statementsFile = z.strictObject({
  note: z.string(),
  statements: z.array(
    z.strictObject({
      source: z.string().min(1),
      at: z.string().optional(),
      models: z.array(z.string()).min(1),
      quirks: quirksEntry,
    }),
  ),
})
export type Statement = z.infer<typeof statementsFile>['statements'][number]

/** @throws Error when a statement names a model that no source knows: it would silently say nothing. */
export function readStatements(sources: Sources): Statement[] {
  const { statements } = statementsFile.parse(readJson(new URL('catalog-quirks.json', import.meta.url)))
  for (const id of statements.flatMap((statement) => statement.models)) {
    if (!PRODUCTS.some((product) => sources[product].has(id))) throw new Error(`no source knows ${id}`)
  }
  return statements
}

const reasoningOptions = z.array(z.looseObject({ type: z.string(), values: z.array(z.string()).optional() }))

/** What holds of a model at every upstream; undefined when nothing is known. */
export function modelQuirks({ facts }: Known, statements: readonly Statement[]): QuirksEntry | undefined {
  const efforts = effortsOf(facts)
  const recorded = quirksEntry.parse({
    ...(efforts.length > 0 && { efforts }),
    ...(!facts.reasoning && { reasoningControl: 'none', thinkingForm: 'none' }),
    ...(facts.temperature === false && { dropSettings: ['temperature', 'topP'] }),
  })
  const ownStatements = statements.filter((one) => one.at === undefined && one.models.includes(facts.id))
  return unlessEmpty(Object.assign({}, recorded, ...ownStatements.map((one) => one.quirks)))
}

/** What holds of a model at one provider only. */
export function routeQuirks(id: string, provider: string, statements: readonly Statement[]): QuirksEntry | undefined {
  const ownStatements = statements.filter((one) => one.at === provider && one.models.includes(id))
  return unlessEmpty(Object.assign({}, ...ownStatements.map((one) => one.quirks)))
}

/** The public service takes efforts where its catalogue lists some; for other models its own client asks for nothing. */
export function publicServiceQuirks({ facts }: Known, protocol: Protocol): QuirksEntry | undefined {
  const isAskedByEffort = protocol === 'openai-chat' || protocol === 'openai-responses'
  return isAskedByEffort && effortsOf(facts).length === 0 ? { reasoningControl: 'none' } : undefined
}

function effortsOf(facts: Known['facts']): string[] {
  const options = reasoningOptions.safeParse(facts.reasoning_options)
  if (!options.success) return []
  return options.data.filter((option) => option.type === 'effort').flatMap((option) => option.values ?? [])
}

function unlessEmpty(quirks: QuirksEntry): QuirksEntry | undefined {
  return Object.keys(quirks).length === 0 ? undefined : quirks
}
