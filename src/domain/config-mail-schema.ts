/** The schema of `mail`: through which server mail leaves, and as whom. */
import { z } from 'zod'
import { secret } from './config-values.ts'
import type { MailConfig } from './sign-in-config.ts'

/** What the address of a mail server looks like, in a refusal; the address itself is never repeated. */
export const MAIL_URL_FORM =
  'smtp://user:password@host:587 or smtps://user:password@host:465, with ?tls=off for a relay of your own network'

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'smtp:': 587, 'smtps:': 465 }

/** RFC 5321, 4.5.3.1.3: a path has 256 octets with its brackets. */
const MAX_ADDRESS_LENGTH = 254

export interface MailServer {
  readonly host: string
  readonly port: number
  /**
   * - `from_start`: TLS before anything is said (RFC 8314).
   * - `required`: STARTTLS, or nothing is sent.
   * - `off`: for loopback addresses and relays of one's own network.
   */
  readonly tls: 'from_start' | 'required' | 'off'
  /** Null: the server asks nobody who it is. */
  readonly login: { readonly user: string; readonly password: string } | null
}

/** Null for what is not the address of a mail server. */
export function parseMailUrl(text: string): MailServer | null {
  const url = URL.parse(text)
  const defaultPort = DEFAULT_PORTS[url?.protocol ?? '']
  if (!url || defaultPort === undefined || url.hostname === '' || url.port === '0') return null
  if (!['', '/'].includes(url.pathname) || url.hash !== '') return null
  const isTlsOff = url.search === '?tls=off'
  if (url.search !== '' && !(isTlsOff && url.protocol === 'smtp:')) return null
  const host = decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '')
  const login = loginOf(url)
  if (!/^[\w.:-]+$/.test(host) || login === undefined) return null
  const isLoopback = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)
  return {
    host,
    port: url.port === '' ? defaultPort : Number(url.port),
    tls: url.protocol === 'smtps:' ? 'from_start' : isTlsOff || isLoopback ? 'off' : 'required',
    login,
  }
}

/** Undefined where it is damaged, or only half of one. */
function loginOf({ username, password }: URL): MailServer['login'] | undefined {
  if (username === '' && password === '') return null
  if (username === '' || password === '') return undefined
  try {
    return { user: decodeURIComponent(username), password: decodeURIComponent(password) }
  } catch {
    return undefined
  }
}

export interface Mailbox {
  /** Empty where there is none. */
  readonly name: string
  readonly address: string
}

/**
 * `Zendo <zendo@example.com>` or the address alone; null for what is neither. Nothing that has a meaning in a header or
 * to a mail server gets through: no line ends, lists, quotes, comments or routes.
 */
export function parseMailbox(text: string): Mailbox | null {
  const match = /^(?:([^<>"(),:;@[\]\\\p{C}]{1,100})<([^<>]+)>|([^<>]+))$/u.exec(text.trim())
  const address = match?.[2] ?? match?.[3]
  return address !== undefined && isMailAddress(address) ? { name: match?.[1]?.trim() ?? '', address } : null
}

/** Whether a mail may be sent to it. */
export function isMailAddress(address: string): boolean {
  return (
    address.length <= MAX_ADDRESS_LENGTH &&
    /^[\w.!#$%&'*+/=?^`{|}~-]+@[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?$/u.test(address)
  )
}

const mailUrl = secret.superRefine((value, context) => {
  if (/^(?:env|file):/.test(value) || parseMailUrl(value) !== null) return
  context.addIssue(`expected the address of a mail server: ${MAIL_URL_FORM}`)
})

const sender = z
  .string({ error: 'expected a sender' })
  .refine((value) => parseMailbox(value) !== null, { error: 'expected a sender such as Zendo <zendo@example.com>' })

export const mailEntry = z
  .strictObject({
    url: mailUrl.describe(
      `The mail server: \`env:NAME\`, \`file:path\` (relative to this file) or the address itself: ${MAIL_URL_FORM}. Without \`?tls=off\` nothing leaves unencrypted, except to loopback addresses. Never shown again.`,
    ),
    from: sender.describe('Who mail is from: `Zendo <zendo@example.com>`.'),
  })
  .describe('How mail leaves: invitations, codes to sign in, new passwords. Absent: none does.')

/** The address is not enumerable, so that no log line or answer shows the password in it. */
export function buildMailConfig(url: string, from: string): MailConfig {
  const config: Omit<MailConfig, 'url'> = { from }
  return Object.defineProperty(config, 'url', { value: url, enumerable: false }) as MailConfig
}
