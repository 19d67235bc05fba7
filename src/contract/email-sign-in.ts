/** Signing in with a code by e-mail, and choosing a new password by a link. Both are there only where mail leaves. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { anyPassword, sessionReply } from './session.ts'
import { email, instant, nothing } from './shapes.ts'

export const askForCode = operation({
  id: 'sign_in.ask_for_code',
  method: 'POST',
  path: '/api/sign-in/email',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'Sends a code to an address that may sign in. The answer is the same for all others.',
  body: z.strictObject({ email }),
  reply: z.strictObject({
    challenge: z.string().describe('To be sent along with the code.'),
    expires_at: instant,
  }),
})

export const signInWithCode = operation({
  id: 'sign_in.code',
  method: 'POST',
  path: '/api/sign-in/email/verify',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'Signs in with the newest code that was sent, and sets the cookie of the session.',
  body: z.strictObject({
    challenge: z.string().max(100),
    code: z.string().max(40).describe('Upper or lower case, with or without the hyphen.'),
  }),
  reply: sessionReply,
})

export const askForReset = operation({
  id: 'password.ask_for_reset',
  method: 'POST',
  path: '/api/sign-in/reset',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'Sends a link for a new password to an account that has one. The answer is the same for all others.',
  body: z.strictObject({ email }),
  reply: nothing,
})

export const finishReset = operation({
  id: 'password.reset',
  method: 'POST',
  path: '/api/sign-in/reset/finish',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'Sets a new password with the token of the link, and signs the account out everywhere.',
  body: z.strictObject({
    token: z.string().max(100),
    password: anyPassword.describe('12 to 256 characters of any kind.'),
  }),
  reply: nothing,
})
