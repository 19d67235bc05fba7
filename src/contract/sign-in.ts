/** Signing in by password, setting up the instance, and which ways there are. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { anyPassword, sessionReply } from './session.ts'
import { email, name } from './shapes.ts'

export const listSignInWays = operation({
  id: 'sign_in.ways',
  method: 'GET',
  path: '/api/sign-in',
  access: 'public',
  rate: 'read',
  scope: null,
  summary: 'The ways to sign in here.',
  reply: z.strictObject({
    password: z.boolean().describe('Whether everybody may; operators always may.'),
    email_code: z.boolean(),
    passkey: z.boolean(),
    registration: z.enum(['invite', 'open']),
    providers: z.array(
      z.strictObject({ id: z.string(), name: z.string(), start: z.string().describe('Where to send the browser.') }),
    ),
  }),
})

export const signInByPassword = operation({
  id: 'sign_in.password',
  method: 'POST',
  path: '/api/sign-in/password',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'Signs in by address and password; the answer brings the cookie of a new session.',
  body: z.strictObject({ email, password: anyPassword }),
  reply: sessionReply,
})

export const changePassword = operation({
  id: 'password.change',
  method: 'POST',
  path: '/api/sign-in/password/change',
  access: 'person',
  rate: 'sign_in',
  scope: null,
  summary: 'Sets another password and signs out everywhere else.',
  body: z.strictObject({
    current: anyPassword.nullable().default(null).describe('Null for a first password.'),
    password: anyPassword.describe('12 to 256 characters of any kind.'),
  }),
  reply: sessionReply,
  once: ['csrf'],
})

export const finishSetup = operation({
  id: 'setup.finish',
  method: 'POST',
  path: '/api/setup',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'Makes the operator whom a set-up link is for, and signs in.',
  body: z.strictObject({
    token: z.string().min(1).max(200).describe('What stands behind the `#` of the link.'),
    email,
    name,
    password: anyPassword.describe('12 to 256 characters of any kind.'),
  }),
  reply: sessionReply,
})
