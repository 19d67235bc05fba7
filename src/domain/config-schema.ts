/** The schema of `zendo.jsonc`: which keys there are, what they may hold, and what an absent one means. */
import { z } from 'zod'
import { PROTOCOLS } from '../base/words.ts'
import { DEFAULTS, flag, protocol } from './config-defaults.ts'
import { limitsEntry } from './config-limits-schema.ts'
import { mailEntry } from './config-mail-schema.ts'
import { modelEntry } from './config-model-schema.ts'
import { ownKeysEntry } from './config-own-keys-schema.ts'
import { planEntry } from './config-plan-schema.ts'
import { providerQuirks } from './config-quirks-schema.ts'
import { signInEntry } from './config-sign-in-schema.ts'
import {
  addressRange,
  baseUrl,
  count,
  keepAliveSeconds,
  modelId,
  planId,
  providerId,
  secret,
  text,
  timeoutMs,
} from './config-values.ts'
import { webhookEntries } from './config-webhooks-schema.ts'

const timeouts = z.strictObject({
  connectMs: timeoutMs.optional().describe('Until a connection stands.').meta({ default: DEFAULTS.timeouts.connectMs }),
  headersMs: timeoutMs
    .optional()
    .describe("From the end of the request until the upstream's response headers.")
    .meta({ default: DEFAULTS.timeouts.headersMs }),
  idleMs: timeoutMs
    .optional()
    .describe('Between two pieces of the response body.')
    .meta({ default: DEFAULTS.timeouts.idleMs }),
  totalMs: timeoutMs.optional().describe('For the whole attempt.').meta({ default: DEFAULTS.timeouts.totalMs }),
})

export const providerEntry = z.strictObject({
  protocol: z
    .enum([...PROTOCOLS, 'simulated'], { error: `expected a protocol: ${PROTOCOLS.join(', ')}, simulated` })
    .optional()
    .describe(
      'What the upstream speaks; `simulated` is the built-in imitation. With `baseUrl`, the short form of `baseUrls`.',
    ),
  baseUrl: baseUrl
    .optional()
    .describe(
      'Where the upstream is, with its version: `…/v1`, for Google `…/v1beta`. `/chat/completions`, `/responses`, `/messages` or `/models/…` is appended.',
    ),
  baseUrls: z
    .partialRecord(protocol, baseUrl)
    .optional()
    .describe(
      'One address per protocol, for an upstream that speaks several. Replaces the built-in addresses as a whole.',
    ),
  apiKey: secret
    .optional()
    .describe(
      'The credential: `env:NAME`, `file:path` (relative to this file) or the value itself. Never shown again.',
    ),
  ownKeys: ownKeysEntry
    .optional()
    .describe(
      'Whether workspaces may bring keys of their own for this provider, and for which other addresses; `false`: they may not, `{}`: they may, for its own address alone. Default: they may for a built-in provider at its built-in address, also where the operator has no `apiKey` for it, and for no other.',
    ),
  region: text(64).optional().describe('Where requests are processed, as shown to clients: `eu`, `us`.'),
  retention: text(64)
    .optional()
    .describe('How long the upstream keeps prompts, as shown to clients: `zero`, `30d`. Absent: not known.'),
  training: flag.optional().describe('Whether the upstream trains on prompts, as shown to clients. Absent: not known.'),
  timeouts: timeouts.optional().describe('How long to wait for this upstream.'),
  maxConnections: count(1, 65_535)
    .optional()
    .describe('Connections at most, per address.')
    .meta({ default: DEFAULTS.maxConnections }),
  onClientAbort: z
    .enum(['drain', 'cancel'], { error: 'expected drain or cancel' })
    .optional()
    .describe(
      'When a client leaves before the end of its answer: `drain` reads on for up to a second, so that the usage the upstream reports can be charged; `cancel` breaks the answer off at once, for upstreams that then stop counting. What was delivered is charged as an estimate where no usage came. At most 64 answers are read on at once in each process, 32 of one key; more are broken off.',
    )
    .meta({ default: DEFAULTS.onClientAbort }),
  quirks: providerQuirks
    .optional()
    .describe("What this upstream does differently from the protocol's own vendor, by protocol."),
})

const anonymous = z.strictObject({
  requestsPerDay: count(0, 1_000_000_000)
    .optional()
    .describe('Requests without a key per client address (IPv6: per /64) and UTC day; 0 refuses them all.')
    .meta({ default: DEFAULTS.anonymousRequestsPerDay }),
})

const server = z.strictObject({
  trustedProxies: z
    .array(addressRange)
    .optional()
    .describe('Addresses or ranges of reverse proxies whose `x-forwarded-for` is believed.')
    .meta({ default: [] }),
  maxBodyBytes: count(1, 1_073_741_824)
    .optional()
    .describe('Bytes of a request body at most.')
    .meta({ default: DEFAULTS.maxBodyBytes }),
  keepAliveSeconds: keepAliveSeconds
    .optional()
    .describe(
      'After so many seconds without a byte from the upstream a stream gets a sign of life; 0 sends none. From 0.05.',
    )
    .meta({ default: DEFAULTS.keepAliveSeconds }),
})

export const configSchema = z.strictObject({
  $schema: z.string().optional().describe('Address of the JSON Schema, for editors; not read.'),
  providers: z
    .record(providerId, providerEntry.nullable())
    .optional()
    .describe(
      'Upstream accounts by id. An entry configures a built-in provider or adds one; null removes a built-in one.',
    ),
  models: z
    .record(modelId, modelEntry.nullable())
    .optional()
    .describe(
      'Models by id. An entry overrides a built-in model field by field or adds one; null removes a built-in one.',
    ),
  plans: z.record(planId, planEntry).optional().describe('Flat plans by id, overriding field by field.'),
  aliases: z
    .record(modelId, modelId)
    .optional()
    .describe('Other ids under which clients may call a model: id → id. An alias wins over a model of the same id.'),
  anonymous: anonymous.optional().describe('Use without a key.'),
  limits: limitsEntry
    .optional()
    .describe(
      'How many requests are taken, whatever they cost. Counted in memory: of several worker processes each takes its share of a rate and of the requests under way.',
    ),
  server: server.optional().describe('The HTTP server.'),
  webhooks: webhookEntries.optional(),
  mail: mailEntry.optional(),
  signIn: signInEntry.optional().describe('How people sign in; see `docs/guides/sign-in.md`.'),
})

export type Config = z.infer<typeof configSchema>
export type ProviderEntry = z.infer<typeof providerEntry>

/** The JSON Schema that editors use; published as `docs/reference/zendo.schema.json`. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, { target: 'draft-07', io: 'input' })
  return { ...schema, title: 'zendo.jsonc', description: 'Configuration of a Zendo gateway.' }
}
