/** The text of every mail there is. Plain text; what people chose themselves is set apart, on a line of its own. */
import { formatInstant } from '../../base/time.ts'
import type { NamedMail } from './outbox.ts'

/** How a mail calls the gateway: `zendo.example` */
export function hostOf({ publicUrl }: { readonly publicUrl: () => string }): string {
  return new URL(publicUrl()).host
}

export interface InviteFacts {
  readonly to: string
  readonly workspaceName: string
  /** The name of who invites. */
  readonly invitedBy: string
  /** `https://zendo.example/console/invite#…` */
  readonly link: string
  readonly expiresAtMs: number
}

export function inviteMail({ to, workspaceName, invitedBy, link, expiresAtMs }: InviteFacts): NamedMail {
  return {
    ...{ about: 'invite', to, subject: 'You are invited to a workspace' },
    text: lines(
      'You are invited to a workspace of a Zendo gateway.',
      '',
      `    Workspace:   ${plain(workspaceName)}`,
      `    Invited by:  ${plain(invitedBy)}`,
      '',
      'To accept, open this link. It works once, for whoever has it:',
      '',
      link,
      '',
      `It ends at ${formatInstant(expiresAtMs)}. If you did not expect this, do nothing.`,
    ),
  }
}

/** `code` as it is to be typed: `K7QF-2M9X`. */
export function emailCodeMail(to: string, code: string, host: string): NamedMail {
  return {
    ...{ about: 'email_code', to, subject: 'Your code to sign in' },
    text: lines(
      `Your code to sign in at ${host}:`,
      '',
      `    ${code}`,
      '',
      'It works once, for ten minutes, on the page on which you asked for it. Tell it to nobody.',
      'If you did not ask for it, do nothing: without the code nobody gets in.',
    ),
  }
}

export function passwordResetMail(to: string, link: string): NamedMail {
  return {
    ...{ about: 'password_reset', to, subject: 'Choose a new password' },
    text: lines(
      'Somebody asked for a new password for your account. To choose one, open this link:',
      '',
      link,
      '',
      'It works once, for 30 minutes. If it was not you, do nothing: your password stays as it is.',
    ),
  }
}

export function passwordChangedMail(to: string, host: string): NamedMail {
  return notice(
    to,
    'password_changed',
    'Your password was changed',
    `The password of your account at ${host} was changed.`,
  )
}

export function passkeyAddedMail(to: string, host: string, name: string): NamedMail {
  return notice(to, 'passkey_added', 'A passkey was added', `A passkey was added to your account at ${host}:`, name)
}

export function passkeyRemovedMail(to: string, host: string, name: string): NamedMail {
  return notice(
    to,
    'passkey_removed',
    'A passkey was removed',
    `A passkey of your account at ${host} was removed:`,
    name,
  )
}

export function accessRemovedMail(to: string, host: string): NamedMail {
  return {
    ...{ about: 'access_removed', to, subject: 'Your address was confirmed' },
    text: lines(
      `It is now known that the account at ${host} with this address is yours. Nobody had shown that before, so every`,
      'way into it from earlier was removed: its password, passkeys, linked accounts, sessions and API keys.',
      '',
      'If you used some of them yourself, set them up again. If not, somebody else had made the account: look at what it',
      'is a member of, and tell whoever runs the gateway.',
    ),
  }
}

function notice(to: string, about: string, subject: string, sentence: string, name?: string): NamedMail {
  return {
    ...{ about, to, subject },
    text: lines(
      sentence,
      ...(name === undefined ? [] : ['', `    ${plain(name)}`]),
      '',
      'If it was not you, sign in, end all other sessions, change your password, and tell whoever runs the gateway.',
    ),
  }
}

/** Whoever names a workspace must not be able to write the mail: no links, no lines of its own. */
function plain(text: string): string {
  return (
    text
      .replace(/[\p{C}\p{Z}]+/gu, ' ')
      // Mail programs make links of what looks like one.
      .replace(/:\/\/|\.(?=\p{L})/gu, ' ')
      .slice(0, 100)
  )
}

function lines(...parts: string[]): string {
  return `${parts.join('\n')}\n`
}
