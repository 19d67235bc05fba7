/** What may be said of a model's privacy when its routes differ: the least private claim, or none. */
import type { Provider, Route } from './catalog.ts'

/** Null always means: not known, so nothing is promised. */
export interface Privacy {
  /** How long an upstream keeps prompts: `zero`, `30d`. */
  readonly retention: string | null
  /** Whether an upstream trains on prompts. */
  readonly training: boolean | null
  /** Where requests may be processed. */
  readonly regions: readonly string[] | null
}

export function privacyOf(routes: readonly Route[]): Privacy {
  const providers = routes.map((route) => route.provider)
  return { retention: retentionOf(providers), training: trainingOf(providers), regions: regionsOf(providers) }
}

function retentionOf(providers: readonly Provider[]): string | null {
  const claims = stated(providers.map((provider) => provider.retention))
  if (claims === null) return null
  return claims.reduce((longest, claim) => (days(claim) > days(longest) ? claim : longest))
}

/** Whether a provider declares that it keeps no prompts; one that says nothing does not. */
export function keepsNothing({ retention }: Pick<Provider, 'retention'>): boolean {
  return retention !== undefined && days(retention) === 0
}

/** `zero` and `none` are no days, `30d` and `30 days` thirty; any other wording counts as the longest. */
function days(claim: string): number {
  if (/^(?:zero|none|0)$/i.test(claim)) return 0
  const match = /^(\d+) ?d(?:ays?)?$/i.exec(claim)
  return match === null ? Number.POSITIVE_INFINITY : Number(match[1])
}

function trainingOf(providers: readonly Provider[]): boolean | null {
  if (providers.some((provider) => provider.training === true)) return true
  return stated(providers.map((provider) => provider.training)) === null ? null : false
}

function regionsOf(providers: readonly Provider[]): string[] | null {
  const regions = stated(providers.map((provider) => provider.region))
  return regions === null ? null : [...new Set(regions)].sort()
}

/** The values if there are any and none is missing: one silent provider makes any claim about all of them untrue. */
function stated<T>(values: readonly (T | undefined)[]): T[] | null {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 || known.length < values.length ? null : known
}
