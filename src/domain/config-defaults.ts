/** What an absent key of `zendo.jsonc` means, and the schema pieces that every entry shares. */
import { z } from 'zod'
import { PRODUCTS, PROTOCOLS } from '../base/words.ts'

/** What an absent key means, for entries that nothing built in describes. */
export const DEFAULTS = {
  timeouts: { connectMs: 5000, headersMs: 120_000, idleMs: 120_000, totalMs: 3_600_000 },
  maxConnections: 256,
  onClientAbort: 'drain',
  products: ['zen'],
  protocol: 'openai-chat',
  context: 131_072,
  maxOutput: 32_768,
  capabilities: { tools: true, reasoning: false, images: false },
  status: 'active',
  requestShape: { input: 800, cachedRead: 60_000, output: 220 },
  planWeight: 1,
  routeWeight: 1,
  routePriority: 0,
  planProducts: ['go'],
  anonymousRequestsPerDay: 200,
  maxBodyBytes: 33_554_432,
  keepAliveSeconds: 15,
} as const

export const protocol = z.enum(PROTOCOLS, { error: `expected a protocol: ${PROTOCOLS.join(', ')}` })
export const product = z.enum(PRODUCTS, { error: 'expected a product: zen or go' })
export const flag = z.boolean({ error: 'expected true or false' })

/** A list that is not empty and names nothing twice. */
export function distinct<T extends z.ZodType>(items: z.ZodArray<T>) {
  return items.min(1, { error: 'must not be empty' }).refine((list) => new Set(list).size === list.length, {
    error: 'must not name the same thing twice',
  })
}
