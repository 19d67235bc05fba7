/** Lays the quirks that provider, model and route declare over each other: what a route differs in, by protocol. */
import type { Quirks } from '../base/quirks.ts'
import type { Protocol } from '../base/words.ts'
import type { ProviderQuirks, QuirksEntry } from './config-quirks-schema.ts'

/** Later layers win, member by member; a list is replaced as a whole. */
export function resolveQuirks(
  protocols: Iterable<Protocol>,
  provider: ProviderQuirks | undefined,
  model: QuirksEntry | undefined,
  route: QuirksEntry | undefined,
): ReadonlyMap<Protocol, Quirks> {
  return new Map([...protocols].map((protocol) => [protocol, layQuirks([provider?.[protocol], model, route])]))
}

function layQuirks(layers: readonly (QuirksEntry | undefined)[]): Quirks {
  const stated = layers.flatMap((layer) => Object.entries(layer ?? {})).filter(([, value]) => value !== undefined)
  return Object.freeze(Object.fromEntries(stated))
}
