/** What a workspace used, and request by request; admins see all of it, other members their own. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { instant, page, pageQuery } from './shapes.ts'

const text = z
  .string()
  .max(512)
  .regex(/^\P{Cc}*$/u, 'must not hold control characters')
  .optional()

/** The filters of `GET /api/requests`, which see there. */
const filters = {
  since: text.describe('Milliseconds since 1970, or a time like 2026-11-20T08:00:00Z.'),
  until: text.describe('Exclusive.'),
  model: text,
  key: text,
  member: text,
  session: text,
  tag: text,
  state: text.describe('held, settled or released'),
  outcome: text,
  funding: text.describe('free, plan, balance or byok'),
  product: text,
  provider: text,
}

/** Amounts and tokens of requests; `GET /api/usage` has the same members. */
const total = z.looseObject({
  requests: z.number().int(),
  released: z.number().int(),
  estimated: z.number().int(),
  tokens: z.looseObject({ input: z.number().int(), output: z.number().int() }),
  balance: z.string(),
  plan: z.string(),
  counted: z.string(),
})

export const readUsage = operation({
  id: 'usage.read',
  method: 'GET',
  path: '/api/workspaces/{workspace}/usage',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'Sums of what was used, by up to three sides at once.',
  query: z.strictObject({
    ...filters,
    by: z.string().max(512).default('day').describe('Such as `day,model` or `tag:team`.'),
    zone: text.describe('Of hours and days; by default the workspace’s.'),
  }),
  reply: z.strictObject({
    workspaceID: z.string(),
    by: z.array(z.string()),
    zone: z.string(),
    since: instant.nullable(),
    until: instant.nullable(),
    rows: z.array(total),
    total,
  }),
})

/** A request with everything that `GET /api/requests` shows of it. */
const request = z.looseObject({
  id: z.string(),
  created_at: instant,
  ended_at: instant.nullable(),
  member: z.string().nullable(),
  key: z.string().nullable(),
  model: z.string(),
  state: z.enum(['held', 'settled', 'released']),
  funding: z.enum(['free', 'plan', 'balance', 'byok']),
  cost: z.string().nullable(),
  charged: z.string().nullable(),
})

export const listRequests = operation({
  id: 'request.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/requests',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'What was asked and what it cost, newest first.',
  query: pageQuery.extend(filters),
  reply: page(request),
})

export const readRequest = operation({
  id: 'request.read',
  method: 'GET',
  path: '/api/workspaces/{workspace}/requests/{request}',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'One request, with how its charge came about.',
  reply: request.extend({ explanation: z.looseObject({}) }),
})

export const listTags = operation({
  id: 'tag.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/tags',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'The tags that stood on requests of the last 90 days, in the order of the alphabet.',
  reply: z.strictObject({ data: z.array(z.string()) }),
})
