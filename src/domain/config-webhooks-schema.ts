/** The schema of `webhooks`: who is told of events, where, and under which signature. */
import { z } from 'zod'
import { distinct } from './config-defaults.ts'
import { secret } from './config-values.ts'
import { EVENT_TYPES } from './event.ts'

/** Each has its own requests under way. */
const MAX_WEBHOOKS = 16
const MAX_URL_LENGTH = 2048
/** As the Standard Webhooks specification has it: 192 to 512 bits. */
const MIN_SECRET_BYTES = 24
const MAX_SECRET_BYTES = 64

/** What a signing secret looks like, in a refusal; the secret itself is never repeated. */
export const WEBHOOK_SECRET_FORM = `whsec_ and ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} random bytes in base64`

/** Whether a text is a signing secret of the Standard Webhooks specification; its prefix may be absent. */
export function isWebhookSecret(value: string): boolean {
  const encoded = value.replace(/^whsec_/, '')
  if (encoded.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return false
  const { length } = Buffer.from(encoded, 'base64')
  return length >= MIN_SECRET_BYTES && length <= MAX_SECRET_BYTES
}

const webhookName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
  error: 'not a name of a receiver: letters, digits and . _ - (64 at most)',
})

/** The reason never repeats the address: many receivers are known by a secret in theirs. */
const webhookUrl = z
  .string({ error: 'expected an address (URL)' })
  .max(MAX_URL_LENGTH, { error: `must not be longer than ${MAX_URL_LENGTH} characters` })
  .superRefine((value, context) => {
    if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) {
      context.addIssue('expected an address that begins with http:// or https://')
      return
    }
    const url = new URL(value)
    if (url.username !== '' || url.password !== '') context.addIssue('must not hold a user name or password')
    if (value.includes('#')) context.addIssue('must not hold a fragment: it is never sent')
  })

const webhookSecret = secret.superRefine((value, context) => {
  if (/^(?:env|file):/.test(value) || isWebhookSecret(value)) return
  context.addIssue(`expected a signing secret: ${WEBHOOK_SECRET_FORM}`)
})

const webhookEntry = z.strictObject({
  url: webhookUrl.describe(
    'Where events are posted. Redirects are not followed. A changed address holds for waiting events too.',
  ),
  secret: webhookSecret.describe(
    `Signs what is posted: \`env:NAME\`, \`file:path\` (relative to this file) or the value itself, which is ${WEBHOOK_SECRET_FORM}. Never shown again.`,
  ),
  events: distinct(z.array(z.enum(EVENT_TYPES, { error: `expected a type of event: ${EVENT_TYPES.join(', ')}` })))
    .optional()
    .describe('The types of events that are posted.')
    .meta({ default: [...EVENT_TYPES] }),
})

export const webhookEntries = z
  .record(webhookName, webhookEntry)
  .refine((entries) => Object.keys(entries).length <= MAX_WEBHOOKS, { error: `more than ${MAX_WEBHOOKS} receivers` })
  .describe('Receivers of events, by name; see `docs/guides/events.md`.')

export type WebhookEntries = z.infer<typeof webhookEntries>
