/** Members of a workspace: people, and what works without one. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { instant, name, nothing, page, pageQuery, role } from './shapes.ts'

const member = z.strictObject({
  id: z.string(),
  name: z.string(),
  role,
  person: z
    .strictObject({
      ...{ id: z.string(), email: z.string(), name: z.string(), is_disabled: z.boolean() },
      address_proved: z.boolean().describe('False while nobody has shown that the address is its own.'),
    })
    .nullable()
    .describe('Null for a member nobody is behind.'),
  created_at: instant,
  keys: z.number().int().describe('API keys that were not revoked.'),
  seats: z.array(z.strictObject({ id: z.string(), plan: z.string(), use_balance: z.boolean() })),
  caps: z.array(
    z.strictObject({ id: z.string(), unit: z.enum(['day', 'week', 'month']), limit: z.string().describe('Dollars.') }),
  ),
})

export const listMembers = operation({
  id: 'member.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/members',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'The members, oldest first. Who is no admin sees itself alone.',
  query: pageQuery,
  reply: page(member),
})

export const readMember = operation({
  id: 'member.read',
  method: 'GET',
  path: '/api/workspaces/{workspace}/members/{member}',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'One member.',
  reply: member,
})

export const createMember = operation({
  id: 'member.create',
  method: 'POST',
  path: '/api/workspaces/{workspace}/members',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Adds a member nobody is behind, such as a build machine. People are invited.',
  body: z.strictObject({ name, role: role.default('member') }),
  reply: member,
})

export const updateMember = operation({
  id: 'member.update',
  method: 'PATCH',
  path: '/api/workspaces/{workspace}/members/{member}',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary:
    'Changes name or role. One admin stays. Admins are made by a person who proved its identity a short while ago.',
  body: z.strictObject({ name: name.optional(), role: role.optional() }),
  reply: member,
})

export const removeMember = operation({
  id: 'member.remove',
  method: 'DELETE',
  path: '/api/workspaces/{workspace}/members/{member}',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Removes a member: within a second its keys are refused, and its seats have ended. One admin stays.',
  reply: nothing,
})

export const leaveWorkspace = operation({
  id: 'member.leave',
  method: 'POST',
  path: '/api/workspaces/{workspace}/leave',
  access: 'member',
  rate: 'write',
  scope: null,
  summary: 'Leaves a workspace, as if removed. One admin stays.',
  reply: nothing,
})

export const transferAdmin = operation({
  id: 'member.transfer',
  method: 'POST',
  path: '/api/workspaces/{workspace}/members/{member}/transfer',
  access: 'admin',
  rate: 'write',
  scope: null,
  summary: 'Hands the own role of admin to another member, and is a plain member from then on.',
  reply: member,
  isSensitive: true,
})
