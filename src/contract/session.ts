/** Who is signed in, and where. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { instant, nothing, role } from './shapes.ts'

const membership = z.strictObject({
  workspace: z.strictObject({ id: z.string(), name: z.string() }),
  member: z.string(),
  role,
})

export const readSession = operation({
  id: 'session.read',
  method: 'GET',
  path: '/api/session',
  access: 'person',
  rate: 'read',
  scope: null,
  summary: 'Who is signed in, with what every write must send along.',
  reply: z.strictObject({
    person: z.strictObject({ id: z.string(), email: z.string(), name: z.string(), is_operator: z.boolean() }),
    session: z.strictObject({ id: z.string(), method: z.string(), authenticated_at: instant, expires_at: instant }),
    csrf: z.string().describe('For the header `x-zendo-csrf`.'),
    memberships: z.array(membership),
  }),
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
