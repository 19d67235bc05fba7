/** The schema of a provider's `ownKeys`: whether workspaces may bring keys of their own, and to which addresses. */
import { z } from 'zod'
import type { Protocol } from '../base/words.ts'
import type { OwnBaseUrl } from './catalog.ts'
import { distinct, flag, protocol } from './config-defaults.ts'
import { baseUrl, text } from './config-values.ts'

const MAX_BASE_URLS = 32

const ownAddress = z.strictObject({
  url: baseUrl.describe('The address with its version, as in `baseUrl`.'),
  protocols: distinct(z.array(protocol))
    .optional()
    .describe('What is spoken there; by default all that the provider speaks.'),
  region: text(64).optional().describe('Where requests to it are processed. Absent: not known.'),
  allowPrivate: flag
    .optional()
    .describe('Whether it may lead to private, loopback and other addresses that are not public.')
    .meta({ default: false }),
})

const ownKeysOptions = z.strictObject({
  baseUrls: z
    .array(z.union([baseUrl, ownAddress], { error: 'expected an address, or an object with its "url"' }))
    .max(MAX_BASE_URLS, { error: `must not name more than ${MAX_BASE_URLS} addresses` })
    .optional()
    .describe(
      'Other addresses of this provider that a workspace may choose for its key, such as those of its regions. A key without one goes to the address above.',
    ),
})

export const ownKeysEntry = z.union([z.literal(false), ownKeysOptions], {
  error: 'expected false, or an object with "baseUrls"',
})

export type OwnKeysEntry = z.infer<typeof ownKeysEntry>

/** What a workspace may choose from, where it may bring a key. */
export function ownBaseUrls(entry: Exclude<OwnKeysEntry, false>, spoken: Iterable<Protocol>): readonly OwnBaseUrl[] {
  const all = [...spoken]
  return (entry.baseUrls ?? []).map((item) => {
    const { url, protocols, region, allowPrivate = false } = typeof item === 'string' ? { url: item } : { ...item }
    return { url: url.replace(/\/+$/, ''), protocols: protocols ?? all, region, allowPrivate }
  })
}
