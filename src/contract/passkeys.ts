/**
 * Passkeys: adding and keeping them, signing in with one, and proving once more who one is. What browsers give and take
 * has the JSON forms of WebAuthn Level 3 (`parseCreationOptionsFromJSON`, `toJSON`).
 */
import { z } from 'zod'
import { operation } from './operation.ts'
import { sessionReply } from './session.ts'
import { instant, name, nothing } from './shapes.ts'

/** Base64url without padding, as all of WebAuthn's JSON has it. */
function bytes(maxLength: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^[\w-]+$/, 'must be base64url')
}

/** 1023 bytes at most. */
const credentialId = bytes(1364)
const transports = z.array(z.string().max(32)).max(16)

/** Browsers add members as the standard grows: what is not known here is left out. */
const commonResponse = {
  id: credentialId,
  rawId: credentialId,
  type: z.literal('public-key'),
  authenticatorAttachment: z.string().max(32).nullish(),
  clientExtensionResults: z.record(z.string(), z.unknown()).default({}),
}

export const registrationResponse = z
  .object({
    ...commonResponse,
    response: z.object({
      clientDataJSON: bytes(8192),
      attestationObject: bytes(65_536),
      transports: transports.optional(),
    }),
  })
  .describe('`RegistrationResponseJSON`')

export const authenticationResponse = z
  .object({
    ...commonResponse,
    response: z.object({
      clientDataJSON: bytes(8192),
      authenticatorData: bytes(8192),
      signature: bytes(8192),
      userHandle: bytes(128).nullish(),
    }),
  })
  .describe('`AuthenticationResponseJSON`')

const descriptors = z.array(
  z.strictObject({ id: z.string(), type: z.literal('public-key'), transports: transports.optional() }),
)

const creationOptions = z
  .strictObject({
    challenge: z.string(),
    rp: z.strictObject({ id: z.string(), name: z.string() }),
    user: z.strictObject({ id: z.string(), name: z.string(), displayName: z.string() }),
    pubKeyCredParams: z.array(z.strictObject({ alg: z.int(), type: z.literal('public-key') })),
    timeout: z.int().describe('Milliseconds.'),
    attestation: z.literal('none'),
    excludeCredentials: descriptors,
    authenticatorSelection: z.strictObject({
      residentKey: z.literal('required'),
      requireResidentKey: z.literal(true),
      userVerification: z.literal('required'),
    }),
  })
  .describe('`PublicKeyCredentialCreationOptionsJSON`')

const requestOptions = z
  .strictObject({
    challenge: z.string(),
    rpId: z.string(),
    timeout: z.int().describe('Milliseconds.'),
    userVerification: z.literal('required'),
    allowCredentials: descriptors.describe('Empty: whichever passkey the browser finds.'),
  })
  .describe('`PublicKeyCredentialRequestOptionsJSON`')

export type CreationOptions = z.output<typeof creationOptions>
export type RequestOptions = z.output<typeof requestOptions>
export type RegistrationResponse = z.output<typeof registrationResponse>
export type AuthenticationResponse = z.output<typeof authenticationResponse>

const passkey = z.strictObject({
  id: z.string().describe('Names it in paths; not its credential id.'),
  name: z.string(),
  credential_id: z.string(),
  transports: z.array(z.string()),
  created_at: instant,
  last_used_at: instant.nullable(),
})

export const listPasskeys = operation({
  id: 'passkey.list',
  method: 'GET',
  path: '/api/me/passkeys',
  access: 'person',
  rate: 'read',
  scope: null,
  summary: "One's own passkeys.",
  reply: z.strictObject({ data: z.array(passkey) }),
})

export const startPasskey = operation({
  id: 'passkey.start',
  method: 'POST',
  path: '/api/me/passkeys/options',
  access: 'person',
  rate: 'write',
  scope: null,
  summary: 'What a browser needs to make a passkey; good for five minutes.',
  isSensitive: true,
  reply: z.strictObject({ options: creationOptions }),
})

export const addPasskey = operation({
  id: 'passkey.add',
  method: 'POST',
  path: '/api/me/passkeys',
  access: 'person',
  rate: 'write',
  scope: null,
  summary: 'Adds the passkey that a browser made.',
  isSensitive: true,
  body: z.strictObject({ name, credential: registrationResponse }),
  reply: passkey,
})

export const renamePasskey = operation({
  id: 'passkey.rename',
  method: 'PATCH',
  path: '/api/me/passkeys/{passkey}',
  access: 'person',
  rate: 'write',
  scope: null,
  summary: 'Gives a passkey another name.',
  body: z.strictObject({ name }),
  reply: passkey,
})

export const deletePasskey = operation({
  id: 'passkey.delete',
  method: 'DELETE',
  path: '/api/me/passkeys/{passkey}',
  access: 'person',
  rate: 'write',
  scope: null,
  summary: 'Removes a passkey, unless it is the only way to sign in.',
  isSensitive: true,
  reply: nothing,
})

export const startPasskeySignIn = operation({
  id: 'sign_in.start_passkey',
  method: 'POST',
  path: '/api/sign-in/passkey/options',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'What a browser needs to sign in with a passkey; good for five minutes, once.',
  reply: z.strictObject({ options: requestOptions }),
})

export const signInWithPasskey = operation({
  id: 'sign_in.passkey',
  method: 'POST',
  path: '/api/sign-in/passkey',
  access: 'public',
  rate: 'sign_in',
  scope: null,
  summary: 'Signs in with a passkey, and sets the cookie of the session.',
  body: z.strictObject({ credential: authenticationResponse }),
  reply: sessionReply,
})

export const startPasskeyProof = operation({
  id: 'session.start_passkey_proof',
  method: 'POST',
  path: '/api/session/prove/passkey/options',
  access: 'person',
  rate: 'sign_in',
  scope: null,
  summary: 'What a browser needs to prove once more, with a passkey, who is signed in.',
  reply: z.strictObject({ options: requestOptions }),
})

export const proveWithPasskey = operation({
  id: 'session.prove_passkey',
  method: 'POST',
  path: '/api/session/prove/passkey',
  access: 'person',
  rate: 'sign_in',
  scope: null,
  summary: 'Proves with a passkey who is signed in: what wants a recent proof is open again. Sets another cookie.',
  body: z.strictObject({ credential: authenticationResponse }),
  reply: sessionReply,
  once: ['csrf'],
})
