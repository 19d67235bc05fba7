/** API keys: made, listed, confined, rotated and revoked. */
import { z } from 'zod'
import { PRODUCTS } from '../base/words.ts'
import { operation } from './operation.ts'
import { instant, name, nothing, page, pageQuery } from './shapes.ts'

const scope = z.enum(['inference', 'read', 'manage'])
const models = z.array(z.string().min(1).max(200)).min(1).max(200)
const products = z.array(z.enum(PRODUCTS)).min(1).max(PRODUCTS.length)
const tags = z
  .array(z.string().regex(/^[\w.:=/-]{1,64}$/, 'must be letters, digits and _ . : = / - only, 64 at most'))
  .max(10)

const EXPIRES = 'From then on the key is refused; null: never.'
const MODELS = 'The only models that it may call; null: all that its workspace may.'
const PRODUCTS_TEXT = 'The only products that it may be used on; null: both.'
const TAGS = 'Stand on each of its requests; a request cannot set another tag of the same name.'

export const keyView = z.strictObject({
  id: z.string(),
  name: z.string(),
  member: z.string(),
  preview: z.string().describe('How it begins and ends.'),
  state: z.enum(['active', 'expired', 'revoked']),
  scopes: z.array(scope),
  models: z.array(z.string()).nullable(),
  products: z.array(z.enum(PRODUCTS)).nullable(),
  tags: z.array(z.string()),
  created_at: instant,
  expires_at: instant.nullable(),
  last_used_at: instant.nullable().describe('To the minute; null: never.'),
  revoked_at: instant.nullable(),
  previous_until: instant.nullable().describe('Until when the text before the last rotation is taken, too.'),
})

const newKeyView = keyView.extend({ key: z.string().nullable().describe('The key itself: shown now and never again.') })

export const listKeys = operation({
  id: 'key.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/keys',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'The keys of the workspace; of a member, its own.',
  query: pageQuery.extend({ member: z.string().max(64).optional().describe('Only the keys of this member.') }),
  reply: page(keyView),
})

export const createKey = operation({
  id: 'key.create',
  method: 'POST',
  path: '/api/workspaces/{workspace}/keys',
  access: 'member',
  rate: 'write',
  scope: 'manage',
  summary: 'Makes a key and shows it, once.',
  body: z.strictObject({
    name,
    member: z.string().max(64).optional().describe('Whose key it is; by default of who makes it.'),
    scopes: z.array(scope).min(1).max(3).default(['inference']).describe('What it may be used for.'),
    expires_at: instant.nullable().default(null).describe(EXPIRES),
    models: models.nullable().default(null).describe(MODELS),
    products: products.nullable().default(null).describe(PRODUCTS_TEXT),
    tags: tags.default([]).describe(TAGS),
  }),
  reply: newKeyView,
  once: ['key'],
})

export const readKey = operation({
  id: 'key.read',
  method: 'GET',
  path: '/api/workspaces/{workspace}/keys/{key}',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'One key.',
  reply: keyView,
})

export const updateKey = operation({
  id: 'key.update',
  method: 'PATCH',
  path: '/api/workspaces/{workspace}/keys/{key}',
  access: 'member',
  rate: 'write',
  scope: 'manage',
  summary: 'Renames a key, or changes what it is confined to.',
  body: z.strictObject({
    name: name.optional(),
    expires_at: instant.nullable().optional().describe(EXPIRES),
    models: models.nullable().optional().describe(MODELS),
    products: products.nullable().optional().describe(PRODUCTS_TEXT),
    tags: tags.optional().describe(TAGS),
  }),
  reply: keyView,
})

export const rotateKey = operation({
  id: 'key.rotate',
  method: 'POST',
  path: '/api/workspaces/{workspace}/keys/{key}/rotate',
  access: 'member',
  rate: 'write',
  scope: 'manage',
  summary: 'Gives a key a new text, shown once; the one that it had is taken a while longer, one before that no more.',
  body: z.strictObject({
    overlap_seconds: z
      .number()
      .int()
      .min(0)
      .max(7 * 24 * 60 * 60)
      .default(24 * 60 * 60)
      .describe('How many seconds the old text is still taken: 7 days at most; 0 for a key that leaked.'),
  }),
  reply: newKeyView,
  once: ['key'],
})

export const revokeKey = operation({
  id: 'key.revoke',
  method: 'DELETE',
  path: '/api/workspaces/{workspace}/keys/{key}',
  access: 'member',
  rate: 'write',
  scope: 'manage',
  summary: 'Ends a key for good: every process refuses it within a second.',
  reply: nothing,
})
