/** Workspaces: made by the operator, kept by their admins; and the money that they have. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { dollars, instant, name, page, pageQuery, role } from './shapes.ts'

/** As an amount is shown: exact dollars, and whole nano-dollars. */
export const amountText = z.string().describe('Exact dollars.')
export const nanoText = z.string().describe('Whole nano-dollars.')

const timeZone = z.string().max(64).describe('Whose midnights days, weeks and months follow: `Europe/Berlin`.')
const weekStart = z.number().int().min(1).max(7).describe('The first day of a week: 1 is Monday, 7 is Sunday.')

const workspace = z.strictObject({
  id: z.string(),
  name: z.string(),
  time_zone: z.string(),
  week_start: z.number().int(),
  created_at: instant,
  blocked_at: instant.nullable().describe('Since when its keys are refused.'),
  member: z.string().nullable().describe('The member that the caller is; null for an operator who is none.'),
  role: role.nullable().describe('What the caller may do as that member.'),
})

export const createWorkspace = operation({
  id: 'workspace.create',
  method: 'POST',
  path: '/api/workspaces',
  access: 'operator',
  rate: 'write',
  scope: 'manage',
  summary: 'Makes a workspace with an empty balance. Its admin is the person that is named, else whoever makes it.',
  body: z.strictObject({
    name,
    time_zone: timeZone.optional(),
    week_start: weekStart.optional(),
    admin: z.string().max(64).optional().describe('The id of a person.'),
  }),
  reply: workspace,
})

export const listWorkspaces = operation({
  id: 'workspace.list',
  method: 'GET',
  path: '/api/workspaces',
  access: 'person',
  rate: 'read',
  scope: 'read',
  summary: 'The workspaces that one belongs to, oldest first; a key belongs to one.',
  query: pageQuery.extend({
    all: z.enum(['true', 'false']).default('false').describe('`true`: every workspace, for operators.'),
  }),
  reply: page(workspace),
})

export const readWorkspace = operation({
  id: 'workspace.read',
  method: 'GET',
  path: '/api/workspaces/{workspace}',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'One workspace.',
  reply: workspace,
})

export const updateWorkspace = operation({
  id: 'workspace.update',
  method: 'PATCH',
  path: '/api/workspaces/{workspace}',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Changes its name or calendar. Windows that are open end when they were to end.',
  body: z.strictObject({
    name: name.optional(),
    time_zone: timeZone.optional(),
    week_start: weekStart.optional(),
  }),
  reply: workspace,
})

export const blockWorkspace = operation({
  id: 'workspace.block',
  method: 'POST',
  path: '/api/workspaces/{workspace}/block',
  access: 'operator',
  rate: 'write',
  scope: 'manage',
  summary: 'Shuts a workspace: within a second its keys are refused. Requests under way end normally.',
  body: z.strictObject({ reason: name.optional().describe('For the record.') }),
  reply: workspace,
})

export const unblockWorkspace = operation({
  id: 'workspace.unblock',
  method: 'POST',
  path: '/api/workspaces/{workspace}/unblock',
  access: 'operator',
  rate: 'write',
  scope: 'manage',
  summary: 'Opens a workspace again.',
  reply: workspace,
})

export const readBalance = operation({
  id: 'balance.read',
  method: 'GET',
  path: '/api/workspaces/{workspace}/balance',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'What the workspace has, without credit that has expired.',
  reply: z.strictObject({
    available: amountText.describe('What may still be spent, in exact dollars: posted less held.'),
    available_nano: nanoText,
    held: amountText,
    held_nano: nanoText,
    posted: amountText,
    posted_nano: nanoText,
  }),
})

const lot = z.strictObject({
  id: z.string(),
  source: z.enum(['demo', 'operator', 'promotion', 'payment', 'refund']),
  amount: amountText,
  amount_nano: nanoText,
  remaining: amountText,
  remaining_nano: nanoText,
  priority: z.number().int().describe('Lower is spent first.'),
  expires_at: instant.nullable(),
  note: z.string(),
  created_at: instant,
})

export const listLots = operation({
  id: 'credit.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/credit',
  access: 'admin',
  rate: 'read',
  scope: 'read',
  summary: 'All credit that was ever granted, with what is left of it.',
  query: pageQuery,
  reply: page(lot),
})

export const grantCredit = operation({
  id: 'credit.grant',
  method: 'POST',
  path: '/api/workspaces/{workspace}/credit',
  access: 'operator',
  rate: 'write',
  scope: 'manage',
  summary: 'Grants credit. The same `Idempotency-Key` never grants twice.',
  body: z.strictObject({
    amount: dollars,
    note: z
      .string()
      .max(500)
      .regex(/^\P{Cc}*$/u, 'must not hold control characters'),
    source: z.enum(['operator', 'promotion']).default('operator'),
    expires_at: instant.optional().describe('From then on nothing of it can be spent.'),
    priority: z.number().int().min(0).max(1000).default(100).describe('Lower is spent first.'),
  }),
  reply: z.strictObject({ lot, available: amountText, available_nano: nanoText }),
})
