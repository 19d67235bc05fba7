/** Signing in at a provider of identities, and the accounts there that belong to somebody here. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { instant, nothing } from './shapes.ts'

const returnTo = z
  .string()
  .max(512)
  .optional()
  .describe('A path of the console to go to afterwards, such as `/console/keys`; by default `/console`.')

export const beginSignIn = operation({
  id: 'sign_in.begin',
  method: 'GET',
  path: '/api/sign-in/{provider}',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'Sends the browser to a provider of identities.',
  query: z.strictObject({ return_to: returnTo }),
  reply: nothing,
  redirects: true,
})

export const finishSignIn = operation({
  id: 'sign_in.finish',
  method: 'GET',
  path: '/api/sign-in/{provider}/callback',
  access: 'public',
  rate: 'write',
  scope: null,
  summary: 'Where a provider of identities sends the browser back to: signs in, and goes on to the console.',
  // Providers add what they like.
  query: z.looseObject({}),
  reply: nothing,
  redirects: true,
})

export const linkIdentity = operation({
  id: 'identity.link',
  method: 'POST',
  path: '/api/me/identities/{provider}',
  access: 'person',
  rate: 'sign_in',
  scope: null,
  summary: 'Begins to link an account at a provider of identities to the person who is signed in.',
  body: z.strictObject({ return_to: returnTo }),
  reply: z.strictObject({ location: z.string().describe('Where the browser goes next.') }),
  isSensitive: true,
})

export const listIdentities = operation({
  id: 'identity.list',
  method: 'GET',
  path: '/api/me/identities',
  access: 'person',
  rate: 'read',
  scope: null,
  summary: 'The accounts at providers of identities with which you may sign in.',
  reply: z.strictObject({
    data: z.array(
      z.strictObject({
        provider: z.string().nullable().describe('Its id; null when it is no longer configured.'),
        issuer: z.string(),
        linked_at: instant,
      }),
    ),
  }),
})

export const unlinkIdentity = operation({
  id: 'identity.unlink',
  method: 'DELETE',
  path: '/api/me/identities/{provider}',
  access: 'person',
  rate: 'write',
  scope: null,
  summary: 'Unlinks an account at a provider of identities; not the last way in.',
  reply: nothing,
  isSensitive: true,
})
