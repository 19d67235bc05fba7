/** Who is signed in, where else, and what a session can do for itself. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { instant, nothing, role } from './shapes.ts'

/** As somebody types it; what may be a new one is for the server to say. */
export const anyPassword = z.string().min(1).max(1024)

const membership = z.strictObject({
  workspace: z.strictObject({ id: z.string(), name: z.string() }),
  member: z.string(),
  role,
})

/** Who is signed in; also the answer of every way to sign in. */
export const sessionReply = z.strictObject({
  person: z.strictObject({ id: z.string(), email: z.string(), name: z.string(), is_operator: z.boolean() }),
  session: z.strictObject({ id: z.string(), method: z.string(), authenticated_at: instant, expires_at: instant }),
  csrf: z.string().describe('For the header `x-zendo-csrf`.'),
  memberships: z.array(membership),
  earlier_access_removed: z
    .literal(true)
    .optional()
    .describe('Nobody had shown before that the address is its own: every earlier way into the account was removed.'),
})

export const readSession = operation({
  id: 'session.read',
  method: 'GET',
  path: '/api/session',
  access: 'person',
  rate: 'read',
  scope: null,
  summary: 'Who is signed in, with what every write must send along.',
  reply: sessionReply,
})

export const endSession = operation({
  id: 'session.end',
  method: 'DELETE',
  path: '/api/session',
  access: 'person',
  rate: 'write',
  scope: null,
  summary: 'Signs out.',
  reply: nothing,
})

export const proveSession = operation({
  id: 'session.prove',
  method: 'POST',
  path: '/api/session/prove',
  access: 'person',
  rate: 'sign_in',
  scope: null,
  summary: 'Proves once more who is signed in, by password: sensitive changes want that to be recent.',
  body: z.strictObject({ password: anyPassword }),
  reply: sessionReply,
  once: ['csrf'],
})

export const listSessions = operation({
  id: 'session.list',
  method: 'GET',
  path: '/api/sessions',
  access: 'person',
  rate: 'read',
  scope: null,
  summary: 'The browsers in which the person is signed in, newest first.',
  reply: z.strictObject({
    data: z.array(
      z.strictObject({
        id: z.string(),
        method: z.string(),
        created_at: instant,
        authenticated_at: instant,
        seen_at: instant,
        expires_at: instant,
        is_current: z.boolean(),
      }),
    ),
  }),
})

export const endOneSession = operation({
  id: 'session.end_one',
  method: 'DELETE',
  path: '/api/sessions/{session}',
  access: 'person',
  rate: 'write',
  scope: null,
  summary: 'Signs out one of the own browsers.',
  reply: nothing,
})

export const endOtherSessions = operation({
  id: 'session.end_others',
  method: 'POST',
  path: '/api/sessions/end-others',
  access: 'person',
  rate: 'write',
  scope: null,
  summary: 'Signs out everywhere else.',
  reply: z.strictObject({ ended: z.int().min(0) }),
})
