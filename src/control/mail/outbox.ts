/**
 * Mail on its way, outside of the request that it belongs to: nobody who asks waits for a mail server, or learns from
 * its answer whether there was a mail at all. It is kept in memory only: what is in it opens accounts.
 */
import type { Logger } from 'pino'
import { AppError } from '../../base/errors.ts'
import type { MailConfig } from '../../domain/sign-in-config.ts'
import { type Mail, MailError, sendMail } from './send-mail.ts'

/** At once, in this process. */
const MAX_SENDING = 4
/** What comes when so many wait is dropped; who needs it asks again. */
const MAX_WAITING = 1000

/** What mail needs of the control plane. */
export interface MailPlace {
  /** Null: no mail leaves. */
  readonly mail: () => MailConfig | null
  readonly log: Logger
}

/** A mail with what it is about, for the log: `email_code`, `invite`. */
export interface NamedMail extends Mail {
  readonly about: string
}

/** @throws AppError not_found where no mail leaves */
export function requireMail({ mail }: Pick<MailPlace, 'mail'>): void {
  if (mail() === null) throw new AppError('not_found', 'No mail leaves this gateway. Sign in another way.')
}

interface Job {
  readonly place: MailPlace
  readonly mail: NamedMail
}

const waiting: Job[] = []
let sending = 0

/** Returns at once and never throws; without a configured server nothing happens. What fails is in the log. */
export function postMail(place: MailPlace, mail: NamedMail): void {
  if (place.mail() === null) return
  if (waiting.length >= MAX_WAITING) {
    place.log.error({ about: mail.about }, 'a mail was dropped: too many are waiting for the mail server')
    return
  }
  waiting.push({ place, mail })
  if (sending >= MAX_SENDING) return
  sending++
  // After the answer of the request has left: its time must not show that there is a mail.
  setImmediate(() => void sendWaiting())
}

async function sendWaiting(): Promise<void> {
  for (let job = waiting.shift(); job; job = waiting.shift()) await send(job)
  sending--
}

async function send({ place, mail }: Job): Promise<void> {
  const config = place.mail()
  if (config === null) return
  try {
    await sendMail(config, mail)
  } catch (error) {
    const cause = error instanceof MailError ? error.message : 'it failed'
    place.log.error({ about: mail.about, cause }, 'a mail could not be sent')
  }
}
