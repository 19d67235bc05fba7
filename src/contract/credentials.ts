/** A workspace's own keys for providers: which there are, how they are used, and whether they still work. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { instant, nothing } from './shapes.ts'

const mode = z
  .enum(['own_only', 'own_first', 'shared_only'])
  .describe(
    "`own_only`: only this key is used for the provider's models that cost something here, and nothing is ever charged for them here; free ones go by the operator's account in every mode. `own_first`: this key, and the operator's account when it fails. `shared_only`: the key is kept and not used.",
  )

/** A key of a provider: visible ASCII, as it may stand in a header. */
const providerKey = z
  .string()
  .trim()
  .min(8)
  .max(4096)
  .regex(/^[\x21-\x7e]+$/, 'must be visible characters without spaces')

const baseUrl = z.string().max(2048)

const credential = z.strictObject({
  id: z.string(),
  provider: z.string(),
  mode,
  preview: z.string().describe('How the key begins and ends.'),
  base_url: z.string().nullable().describe("Null: the provider's own address."),
  created_at: instant,
  changed_at: instant,
  checked_at: instant.nullable().describe('When the provider was last asked about the key.'),
  last_error: z.string().nullable(),
  last_error_at: instant.nullable(),
})

export const listCredentials = operation({
  id: 'credential.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/credentials',
  access: 'admin',
  rate: 'read',
  scope: 'read',
  summary:
    "The workspace's own provider keys, without the keys themselves, and the providers that it may bring one for.",
  reply: z.strictObject({
    data: z.array(credential),
    providers: z.array(
      z.strictObject({
        id: z.string(),
        base_urls: z.array(z.string()).describe("Addresses that may be chosen in place of the provider's own."),
      }),
    ),
  }),
})

export const saveCredential = operation({
  id: 'credential.save',
  method: 'PUT',
  path: '/api/workspaces/{workspace}/credentials/{provider}',
  access: 'admin',
  rate: 'probe',
  scope: null,
  isSensitive: true,
  summary: "Sets or replaces the workspace's own key for a provider, which is asked whether it is good.",
  body: z.strictObject({
    api_key: providerKey,
    mode: mode.optional().describe('By default as it was; of a first key `own_only`.'),
    base_url: baseUrl.optional().describe("One of the provider's `base_urls`; by default its own address."),
    unchecked: z.boolean().default(false).describe('Save it also when the provider does not say whether it is good.'),
  }),
  reply: credential,
})

export const updateCredential = operation({
  id: 'credential.update',
  method: 'PATCH',
  path: '/api/workspaces/{workspace}/credentials/{provider}',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Changes how an own key is used.',
  body: z.strictObject({ mode }),
  reply: credential,
})

export const checkCredential = operation({
  id: 'credential.check',
  method: 'POST',
  path: '/api/workspaces/{workspace}/credentials/{provider}/check',
  access: 'admin',
  rate: 'probe',
  scope: 'manage',
  summary: 'Asks the provider whether an own key is good.',
  reply: z.strictObject({
    verdict: z.enum(['good', 'bad', 'unknown']).describe('`unknown`: the provider did not say.'),
    status: z.int().nullable().describe('The status that the provider answered with; null: it did not answer.'),
    credential,
  }),
})

export const deleteCredential = operation({
  id: 'credential.delete',
  method: 'DELETE',
  path: '/api/workspaces/{workspace}/credentials/{provider}',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Forgets an own key.',
  reply: nothing,
})
