/** What a workspace allows of what the instance offers: models, and the terms under which providers see its prompts. */
import { z } from 'zod'
import { PRODUCTS } from '../base/words.ts'
import { operation } from './operation.ts'

const curation = z.enum(['all_except', 'only'])
const models = z.array(z.string().min(1).max(200)).max(1000)
const regions = z.array(z.string().min(1).max(64)).min(1).max(50)

const CURATION = '`all_except`: models are on unless named, new ones too; `only`: off unless named.'
const MODELS = 'The models that are named.'
const ZERO_RETENTION = 'Only providers that declare that they keep nothing; one that says nothing is not taken for one.'
const TRAINING = 'Whether a provider may see prompts that declares that it trains on them.'
const REGIONS = 'The only regions that may process requests; null: each, and those that are not known.'

const policyView = z.strictObject({
  curation: curation.describe(CURATION),
  models: z.array(z.string()).describe(MODELS),
  zero_retention_only: z.boolean().describe(ZERO_RETENTION),
  allow_training: z.boolean().describe(TRAINING),
  regions: z.array(z.string()).nullable().describe(REGIONS),
  known_regions: z.array(z.string()).describe('The regions that the providers of this instance declare.'),
})

export const readPolicy = operation({
  id: 'policy.read',
  method: 'GET',
  path: '/api/workspaces/{workspace}/policy',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'Which models the workspace may call, and under which terms.',
  reply: policyView,
})

export const updatePolicy = operation({
  id: 'policy.update',
  method: 'PUT',
  path: '/api/workspaces/{workspace}/policy',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Changes that; what is left out stays. In force everywhere within a second.',
  body: z.strictObject({
    curation: curation.optional().describe(CURATION),
    models: models.optional().describe(MODELS),
    zero_retention_only: z.boolean().optional().describe(ZERO_RETENTION),
    allow_training: z.boolean().optional().describe(TRAINING),
    regions: regions.nullable().optional().describe(REGIONS),
  }),
  reply: policyView,
})

const objection = z.enum(['retention', 'training', 'region'])

const rates = z.strictObject({
  input: z.string(),
  output: z.string(),
  cached_read: z.string(),
  cache_write_5m: z.string(),
  cache_write_1h: z.string(),
})

const modelView = z.strictObject({
  id: z.string(),
  name: z.string(),
  product: z.enum(PRODUCTS),
  status: z.enum(['active', 'deprecated', 'beta']),
  enabled: z.boolean().describe('Whether the workspace may call it.'),
  why_not: z.enum(['switched_off', 'retention', 'training', 'region']).nullable(),
  free: z.boolean(),
  pricing: rates.nullable().describe('Dollars per 1M tokens; null: free.'),
  retention: z.string().nullable().describe('The longest of its providers; null: not known.'),
  training: z.boolean().nullable(),
  regions: z.array(z.string()).nullable(),
  providers: z
    .array(
      z.strictObject({
        id: z.string(),
        region: z.string().nullable(),
        retention: z.string().nullable(),
        training: z.boolean().nullable(),
        forbidden_by: objection.nullable().describe('What the policy has against it; null: it may be used.'),
      }),
    )
    .describe('All that offer it: those that the policy forbids are never asked, not even when others fail.'),
})

export const listModels = operation({
  id: 'model.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/models',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'Every model that the instance offers, with whether the workspace may call it, and if not, why.',
  reply: z.strictObject({ data: z.array(modelView) }),
})
