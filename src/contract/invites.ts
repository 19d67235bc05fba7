/** Invitations into a workspace. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { anyPassword, sessionReply } from './session.ts'
import { email, instant, name, nothing, page, pageQuery, role } from './shapes.ts'

const invite = z.strictObject({
  id: z.string(),
  email: z.string().nullable().describe('Null: whoever has the link.'),
  role,
  state: z.enum(['open', 'accepted', 'revoked', 'expired']),
  created_at: instant,
  expires_at: instant,
  accepted_at: instant.nullable(),
})

const sentInvite = invite.extend({
  link: z
    .string()
    .nullable()
    .describe('To be passed on. Null when it was mailed, which the address alone gets, and when the call is repeated.'),
  mailed: z.boolean().describe('Whether it was sent to the address.'),
})

const token = z
  .string()
  .regex(/^[\w-]{43}$/, 'is no token of an invitation')
  .describe('What stands behind the `#` of the link.')

export const createInvite = operation({
  id: 'invite.create',
  method: 'POST',
  path: '/api/workspaces/{workspace}/invites',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary:
    'Invites somebody. The link works once, within seven days, and for the address only, where one is named. An admin is invited by a person who proved its identity a short while ago.',
  body: z.strictObject({ email: email.optional(), role: role.default('member') }),
  reply: sentInvite,
  once: ['link'],
})

export const listInvites = operation({
  id: 'invite.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/invites',
  access: 'admin',
  rate: 'read',
  scope: 'read',
  summary: 'The invitations and what became of them, oldest first.',
  query: pageQuery,
  reply: page(invite),
})

export const renewInvite = operation({
  id: 'invite.renew',
  method: 'POST',
  path: '/api/workspaces/{workspace}/invites/{invite}/renew',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Makes another link for seven days, as inviting does. The earlier one is dead.',
  reply: sentInvite,
  once: ['link'],
})

export const revokeInvite = operation({
  id: 'invite.revoke',
  method: 'DELETE',
  path: '/api/workspaces/{workspace}/invites/{invite}',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Takes an invitation back.',
  reply: nothing,
})

export const previewInvite = operation({
  id: 'invite.preview',
  method: 'POST',
  path: '/api/invites/preview',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'What an invitation is to, for whoever has the link.',
  body: z.strictObject({ token }),
  reply: z.strictObject({
    workspace: z.strictObject({ name: z.string() }),
    role,
    email_hint: z.string().nullable().describe('`a…@example.com`; null: it is for whoever has the link.'),
    address_proved: z
      .boolean()
      .nullable()
      .describe(
        'False: there is an account with the address, and nobody has shown that the address is its own. Null: there is none, or no address is named.',
      ),
    expires_at: instant,
  }),
})

const joined = z.strictObject({
  workspace: z.strictObject({ id: z.string(), name: z.string() }),
  member: z.string(),
  role,
})

export const acceptInvite = operation({
  id: 'invite.accept',
  method: 'POST',
  path: '/api/invites/accept',
  access: 'person',
  rate: 'sign_in',
  scope: null,
  summary: 'Joins the workspace as who is signed in.',
  body: z.strictObject({ token }),
  reply: joined,
})

export const acceptInviteAsNew = operation({
  id: 'invite.accept_new',
  method: 'POST',
  path: '/api/invites/accept-new',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'Makes an account, joins the workspace, and signs in; for people without an account.',
  body: z.strictObject({ token, name, email, password: anyPassword }),
  reply: sessionReply,
})
