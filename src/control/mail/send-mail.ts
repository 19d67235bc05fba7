/** Sends one mail over SMTP: plain text, one recipient, with a limit on every step. */
import type { createTransport as CreateTransport } from 'nodemailer'
import { SECOND_MS } from '../../base/time.ts'
import {
  isMailAddress,
  type Mailbox,
  type MailServer,
  parseMailbox,
  parseMailUrl,
} from '../../domain/config-mail-schema.ts'
import type { MailConfig } from '../../domain/sign-in-config.ts'

export interface Mail {
  /** One address, without a name. */
  readonly to: string
  /** One line. */
  readonly subject: string
  readonly text: string
}

/** What a mail server may take for everything, and for each answer. */
export const SEND_LIMIT_MS = 30 * SECOND_MS
const STEP_LIMIT_MS = 10 * SECOND_MS
/** What a server says is a line or two. */
const MAX_RESPONSE_BYTES = 64 * 1024
const MAX_SUBJECT_LENGTH = 200

/** Says where it failed, never what was in it or whom it was for: servers repeat both in what they answer. */
export class MailError extends Error {
  override readonly name = 'MailError'
}

/** Resolves when the server took the mail. @throws MailError */
export async function sendMail(config: MailConfig, mail: Mail, limitMs = SEND_LIMIT_MS): Promise<void> {
  const server = parseMailUrl(config.url)
  const from = parseMailbox(config.from)
  if (!server || !from) throw new MailError('the configuration names no mail server or sender')
  await sendThrough(server, { ...mail, from }, limitMs)
}

/** As `sendMail`, through a server that was parsed before. @throws MailError */
export async function sendThrough(
  server: MailServer,
  { from, to, subject, text }: Mail & { readonly from: Mailbox },
  limitMs = SEND_LIMIT_MS,
): Promise<void> {
  if (!isMailAddress(to)) throw new MailError('the recipient is no mail address')
  if (subject.length > MAX_SUBJECT_LENGTH || /\p{Cc}/u.test(subject)) throw new MailError('the subject is not one line')
  // Loaded with the first mail: many instances send none, and it takes megabytes.
  const { createTransport } = await import('nodemailer')
  const transport = createTransport(transportOptions(server))
  try {
    await transport.sendMail({
      ...{ from, to: { name: '', address: to }, subject, text, xMailer: false },
      // RFC 3834: no out-of-office replies.
      headers: { 'Auto-Submitted': 'auto-generated' },
      signal: AbortSignal.timeout(limitMs),
    })
  } catch (error) {
    throw new MailError(placeOf(error))
  } finally {
    transport.close()
  }
}

function transportOptions({ host, port, tls, login }: MailServer): Parameters<typeof CreateTransport>[0] {
  return {
    ...{ host, port, secure: tls === 'from_start', requireTLS: tls === 'required', ignoreTLS: tls === 'off' },
    ...(login && { auth: { user: login.user, pass: login.password } }),
    ...{ dnsTimeout: STEP_LIMIT_MS, connectionTimeout: STEP_LIMIT_MS, greetingTimeout: STEP_LIMIT_MS },
    ...{ socketTimeout: STEP_LIMIT_MS, maxResponseSize: MAX_RESPONSE_BYTES },
    ...{ disableFileAccess: true, disableUrlAccess: true, logger: false },
  }
}

/** `EAUTH after AUTH PLAIN (535)` */
function placeOf(error: unknown): string {
  const { code, command, responseCode } = (error ?? {}) as Partial<Record<'code' | 'command' | 'responseCode', unknown>>
  const isAborted = error instanceof Error && /abort|timeout/i.test(error.name)
  const where = typeof code === 'string' ? code : isAborted ? 'it took too long' : 'it failed'
  return [
    where,
    ...(typeof command === 'string' && /^[A-Z][A-Z0-9 -]{0,30}$/.test(command) ? [`after ${command}`] : []),
    ...(typeof responseCode === 'number' ? [`(${responseCode})`] : []),
  ].join(' ')
}
