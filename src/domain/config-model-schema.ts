/** The schema of one entry of `models`: prices, routes, and what a product may have of its own. */
import { z } from 'zod'
import { DEFAULTS, distinct, flag, product, protocol } from './config-defaults.ts'
import { quirksEntry } from './config-quirks-schema.ts'
import { count, date, planWeight, providerId, text, tokenCount, tokens, usd } from './config-values.ts'

const rates = {
  input: usd.describe('Prompt tokens.'),
  output: usd.describe('Generated tokens, reasoning included.'),
  cachedRead: usd
    .nullable()
    .optional()
    .describe('Prompt tokens read from a cache. Absent or null: the `input` rate, never free.'),
  cacheWrite5m: usd
    .nullable()
    .optional()
    .describe('Prompt tokens written to a cache of five minutes. Absent or null: the `input` rate.'),
  cacheWrite1h: usd
    .nullable()
    .optional()
    .describe('Prompt tokens written to a cache of one hour. Absent or null: the `cacheWrite5m` rate.'),
}

const priceTier = z.strictObject({
  above: tokens.describe('The tier applies to the whole request once its prompt is larger than this many tokens.'),
  input: rates.input,
  output: rates.output,
  cachedRead: rates.cachedRead.describe(
    "As above. Absent: what the base price states; null, or not stated there: the tier's `input` rate.",
  ),
  cacheWrite5m: rates.cacheWrite5m.describe('In the same way.'),
  cacheWrite1h: rates.cacheWrite1h.describe("In the same way, ending at the tier's `cacheWrite5m` rate."),
})

export const priceEntry = z
  .strictObject({
    ...rates,
    tiers: z
      .array(priceTier)
      .refine((tiers) => new Set(tiers.map((tier) => tier.above)).size === tiers.length, {
        error: 'two tiers begin at the same number of tokens',
      })
      .optional()
      .describe('Prices of long prompts.'),
  })
  .refine((price) => Number(price.input) !== 0 || Number(price.output) !== 0, {
    error: 'a price of nothing is written "free": true',
  })

export const routeEntry = z.strictObject({
  provider: providerId.describe('Id of a built-in provider or of one in this file.'),
  model: text(256).optional().describe("The upstream's name of the model. Absent: the same id."),
  weight: z
    .number({ error: 'expected a number' })
    .positive({ error: 'must be above zero' })
    .max(1000, { error: 'must not be above 1000' })
    .optional()
    .describe('Share among the routes of the same priority.')
    .meta({ default: DEFAULTS.routeWeight }),
  priority: count(0, 1000).optional().describe('Lower is tried first.').meta({ default: DEFAULTS.routePriority }),
  protocols: distinct(z.array(protocol))
    .optional()
    .describe('The protocols this upstream speaks for this model. Absent: all that it speaks.'),
  quirks: quirksEntry
    .optional()
    .describe(
      'What differs for this model at this upstream, with the keys of `providers.<id>.quirks.<protocol>`. Goes before the quirks of provider and model.',
    ),
})

const requestShape = z
  .strictObject({
    input: tokenCount.describe('Prompt tokens that are not cached.'),
    cachedRead: tokenCount.describe('Prompt tokens read from a cache.'),
    output: tokenCount.describe('Generated tokens.'),
  })
  .refine((shape) => shape.input + shape.cachedRead + shape.output > 0, { error: 'must hold at least one token' })

const perModel = {
  name: text(128).optional().describe('Display name. Absent: the id.'),
  protocol: protocol
    .optional()
    .describe(
      "The native protocol, published as the model's endpoint. Absent: the one that its providers speak, if it is one alone.",
    )
    .meta({ default: DEFAULTS.protocol }),
  context: tokens
    .optional()
    .describe('Tokens that prompt and answer may have together.')
    .meta({ default: DEFAULTS.context }),
  maxOutput: tokens.optional().describe('Tokens an answer may have.').meta({ default: DEFAULTS.maxOutput }),
  free: flag.optional().describe('Costs nothing. Said explicitly, instead of a price.').meta({ default: false }),
  price: priceEntry.optional().describe('Dollars per one million tokens, numbers or decimal texts, read exactly.'),
  status: z
    .enum(['active', 'deprecated', 'beta'], { error: 'expected a status: active, deprecated or beta' })
    .optional()
    .describe('Shown to clients.')
    .meta({ default: DEFAULTS.status }),
  deprecationDate: date.optional().describe('When the model goes away, as shown to clients.'),
  releaseDate: date.optional().describe('When the model came out, as shown to clients.'),
  requestShape: requestShape
    .optional()
    .describe('The typical request from which `estimated_requests` is computed.')
    .meta({ default: DEFAULTS.requestShape }),
  quirks: quirksEntry
    .optional()
    .describe(
      'What this model takes or refuses at every upstream, with the keys of `providers.<id>.quirks.<protocol>`. Goes before the quirks of the provider.',
    ),
  originateCacheMarks: flag
    .optional()
    .describe(
      'Puts cache marks where an agent would, for clients whose protocol has none, when the upstream speaks Messages.',
    )
    .meta({ default: false }),
  routes: z
    .array(routeEntry)
    .optional()
    .describe('Where the model is had. The list replaces a built-in one as a whole.'),
}

export const perProductEntry = z.strictObject({
  ...perModel,
  weight: planWeight.optional().describe('As `weight` of the model, for this product alone.'),
})

export const modelEntry = z.strictObject({
  ...perModel,
  products: distinct(z.array(product))
    .optional()
    .describe('Where the model is sold.')
    .meta({ default: DEFAULTS.products }),
  anonymous: flag
    .optional()
    .describe('Callable without a key, within `anonymous.requestsPerDay`. Only for a `free` model.')
    .meta({ default: false }),
  capabilities: z
    .strictObject({
      tools: flag.optional().describe('Takes tools.').meta({ default: DEFAULTS.capabilities.tools }),
      reasoning: flag
        .optional()
        .describe('Reasons before it answers.')
        .meta({ default: DEFAULTS.capabilities.reasoning }),
      images: flag.optional().describe('Takes images.').meta({ default: DEFAULTS.capabilities.images }),
    })
    .optional()
    .describe('What the model can do.'),
  modalities: z
    .strictObject({
      input: distinct(z.array(text(32)))
        .optional()
        .describe('Absent: `text`, and `image` if it takes images.'),
      output: distinct(z.array(text(32)))
        .optional()
        .describe('Absent: `text`.'),
    })
    .optional()
    .describe('What goes in and comes out, in words such as `text`, `image`, `pdf`, `audio`, `video`.'),
  weight: z
    .partialRecord(product, planWeight)
    .optional()
    .describe('Dollars of plan window that a dollar of list price consumes, by product. Absent: 1.'),
  perProduct: z
    .partialRecord(product, perProductEntry)
    .optional()
    .describe('What is different for one product: the same model may have another price or native protocol there.'),
})

export type ModelEntry = z.infer<typeof modelEntry>
export type PerProductEntry = z.infer<typeof perProductEntry>
export type PriceEntry = z.infer<typeof priceEntry>
export type PriceTierEntry = z.infer<typeof priceTier>
export type RouteEntry = z.infer<typeof routeEntry>
