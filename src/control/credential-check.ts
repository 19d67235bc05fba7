/** Asks a provider whether a workspace's own key for it is good: for its list of models, which costs nothing. */
import type { OwnBaseUrl, Provider } from '../domain/catalog.ts'
import { withSecret } from '../domain/catalog-build.ts'
import { upstreamHeaders } from '../upstream/headers.ts'
import { probeModels } from '../upstream/probe.ts'

/** `unknown`: it could not be reached, has no such list, is busy, or broken. `status` is null when it did not answer. */
export interface KeyVerdict {
  readonly verdict: 'good' | 'bad' | 'unknown'
  readonly status: number | null
}

/** Google says 400 of a key that is not valid. */
const BAD: ReadonlySet<number> = new Set([400, 401, 403])

/** The key goes to the provider's own address, or to the one that was chosen of those that the operator allows. */
export async function askAboutKey(provider: Provider, chosen: OwnBaseUrl | null, apiKey: string): Promise<KeyVerdict> {
  const [first] = [...provider.endpoints].filter(([protocol]) => chosen?.protocols.includes(protocol) ?? true)
  if (!first) return { verdict: 'unknown', status: null }
  const [protocol, endpoint] = first
  const { status } = await probeModels({
    endpoint: chosen?.url ?? endpoint,
    headers: upstreamHeaders(protocol, withSecret({ ...provider }, apiKey), ['accept', 'application/json']),
    egress: chosen && { allowPrivate: chosen.allowPrivate },
  })
  if (status !== null && BAD.has(status)) return { verdict: 'bad', status }
  return { verdict: status !== null && status >= 200 && status < 300 ? 'good' : 'unknown', status }
}
