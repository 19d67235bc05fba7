/** A mail server on loopback that keeps what it is sent: enough of SMTP (RFC 5321) and AUTH PLAIN (RFC 4616) for one client. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { until } from './until.ts'

export interface KeptMail {
  /** The envelope. */
  readonly from: string
  readonly to: readonly string[]
  /** Lower-case names; folded lines are one. */
  readonly headers: Readonly<Record<string, string>>
  /** Decoded, with plain line ends. */
  readonly text: string
  /** As it came. */
  readonly raw: string
}

export interface MailboxOptions {
  /** What clients must log in with. */
  readonly login?: { readonly user: string; readonly password: string }
  /** - `silent`: takes connections and never says a word; - `refusing`: knows none of the recipients. */
  readonly mood?: 'silent' | 'refusing'
}

export interface Mailbox {
  /** For `mail.url` in a `zendo.jsonc`. */
  readonly url: string
  readonly mails: readonly KeptMail[]
  /** Recipients that were named, also those that were refused. */
  readonly named: readonly string[]
  /** The newest mail to an address; waits until there are so many. */
  mailTo(address: string, count?: number): Promise<KeptMail>
  close(): Promise<void>
}

export async function startMailbox({ login, mood }: MailboxOptions = {}): Promise<Mailbox> {
  const mails: KeptMail[] = []
  const named: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    if (mood !== 'silent') converse(socket, { login, isRefusing: mood === 'refusing', mails, named })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const user = login ? `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}@` : ''
  return {
    url: `smtp://${user}127.0.0.1:${port}`,
    mails,
    named,
    async mailTo(address, count = 1) {
      const found = (): KeptMail[] => mails.filter(({ to }) => to.includes(address))
      await until(`${count} mails to ${address}`, () => found().length >= count)
      return found()[count - 1] as KeptMail
    },
    close: () => closeServer(server, sockets),
  }
}

async function closeServer(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  for (const socket of sockets) socket.destroy()
  await closed
}

interface Talk {
  readonly login: MailboxOptions['login']
  readonly isRefusing: boolean
  readonly mails: KeptMail[]
  readonly named: string[]
}

function converse(socket: Socket, { login, isRefusing, mails, named }: Talk): void {
  let pending = ''
  let isData = false
  let isKnown = login === undefined
  let from = ''
  let to: string[] = []
  const say = (line: string): void => void socket.write(`${line}\r\n`)

  function answer(line: string): string {
    const [verb = '', ...rest] = line.split(' ')
    switch (verb.toUpperCase()) {
      case 'EHLO':
        return '250-mailbox.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN'
      case 'AUTH': {
        const [, user, password] = Buffer.from(rest[1] ?? '', 'base64')
          .toString('utf8')
          .split('\0')
        isKnown = user === login?.user && password === login?.password
        return isKnown ? '235 2.7.0 in' : `535 5.7.8 not ${user} with ${password}`
      }
      case 'MAIL':
        from = addressIn(line)
        to = []
        return isKnown ? '250 2.1.0 ok' : '530 5.7.0 log in first'
      case 'RCPT':
        named.push(addressIn(line))
        to.push(addressIn(line))
        return isRefusing ? `550 5.1.1 no such user ${addressIn(line)}` : '250 2.1.5 ok'
      case 'DATA':
        isData = true
        return '354 go on'
      case 'QUIT':
        return '221 2.0.0 bye'
      default:
        return '502 5.5.1 not here'
    }
  }

  say('220 mailbox.example ESMTP')
  socket.on('data', (chunk: Buffer) => {
    pending += chunk.toString('utf8')
    for (;;) {
      const end = pending.indexOf(isData ? '\r\n.\r\n' : '\r\n')
      if (end === -1) return
      const piece = pending.slice(0, end)
      pending = pending.slice(end + (isData ? 5 : 2))
      if (isData) {
        isData = false
        mails.push(parseMail(from, to, piece.replace(/^\.\./gm, '.')))
        say('250 2.0.0 kept')
      } else {
        say(answer(piece))
        if (/^QUIT$/i.test(piece)) socket.end()
      }
    }
  })
}

function addressIn(line: string): string {
  return /<([^>]*)>/.exec(line)?.[1] ?? ''
}

function parseMail(from: string, to: readonly string[], raw: string): KeptMail {
  const [head = '', ...body] = raw.split('\r\n\r\n')
  const lines = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  return { from, to, headers, raw, text: decode(body.join('\r\n\r\n'), headers['content-transfer-encoding'] ?? '7bit') }
}

function decode(body: string, encoding: string): string {
  const plain = body.replaceAll('\r\n', '\n')
  if (encoding === 'base64') return Buffer.from(plain, 'base64').toString('utf8')
  if (encoding !== 'quoted-printable') return plain
  const bytes = plain
    .replace(/=\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
