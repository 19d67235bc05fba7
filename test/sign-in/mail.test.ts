/** Mail: delivered as it was written, never as somebody else would have it, and silent about secrets when it fails. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { pino } from 'pino'
import { loadCatalog } from '../../src/control/catalog-source.ts'
import { postMail } from '../../src/control/mail/outbox.ts'
import { MailError, sendMail, sendThrough } from '../../src/control/mail/send-mail.ts'
import { inviteMail } from '../../src/control/mail/texts.ts'
import { buildMailConfig, parseMailbox, parseMailUrl } from '../../src/domain/config-mail-schema.ts'
import { parseConfig } from '../../src/domain/config-parse.ts'
import type { MailConfig } from '../../src/domain/sign-in-config.ts'
import { type Mailbox, type MailboxOptions, startMailbox } from '../support/mailbox.ts'
import { until, within } from '../support/until.ts'

const FROM = 'Zendo <zendo@zendo.example>'
const TEXT = `Grüße, 你好\n.\n..\nhttps://zendo.example/console/reset#${'x'.repeat(100)}\n`

async function open(t: TestContext, options: MailboxOptions = {}): Promise<{ mailbox: Mailbox; config: MailConfig }> {
  const mailbox = await startMailbox(options)
  t.after(() => mailbox.close())
  return { mailbox, config: buildMailConfig(mailbox.url, FROM) }
}

describe('mail', () => {
  it('arrives as it was written: one recipient, plain text, no name of a program', async (t) => {
    const { mailbox, config } = await open(t, { login: { user: 'a b@c', password: 'p@ss:w/rd' } })
    await sendMail(config, { to: 'ann@example.com', subject: 'Ein Schlüssel', text: TEXT })
    const [mail, ...more] = mailbox.mails
    assert.ok(mail)
    assert.equal(more.length, 0)
    assert.deepEqual([mail.from, mail.to], ['zendo@zendo.example', ['ann@example.com']])
    assert.equal(mail.text.trimEnd(), TEXT.trimEnd())
    assert.match(mail.headers['content-type'] ?? '', /^text\/plain/)
    assert.equal(mail.headers.from, FROM)
    assert.equal(mail.headers['auto-submitted'], 'auto-generated')
    assert.equal(mail.headers['x-mailer'], undefined)
  })

  it('takes no address and no subject that says more than one thing', async (t) => {
    const { mailbox, config } = await open(t)
    const hostile = [
      ...[
        'ann@example.com\r\nBcc: eve@example.com',
        'ann@example.com,eve@example.com',
        'ann@example.com eve@example.com',
      ],
      ...[
        'Ann <ann@example.com>',
        '<ann@example.com>',
        'ann@example.com>\r\nRCPT TO:<eve@example.com',
        '"a b"@example.com',
      ],
      ...[
        'ann@example.com\0',
        'ann@example.com;',
        '@eve.example:ann@example.com',
        'ann@[127.0.0.1]',
        'ann',
        '',
        'ann@',
      ],
      `${'a'.repeat(250)}@example.com`,
    ]
    for (const to of hostile) {
      await assert.rejects(sendMail(config, { to, subject: 'Hello', text: 'x' }), MailError, JSON.stringify(to))
    }
    for (const subject of ['Hello\r\nBcc: eve@example.com', 'Hello\nX: y', 'a\0b', 'x'.repeat(201)]) {
      await assert.rejects(sendMail(config, { to: 'ann@example.com', subject, text: 'x' }), MailError)
    }
    assert.deepEqual([mailbox.mails.length, mailbox.named], [0, []])
    await sendMail(config, { to: "o'hara+zendo@exämple.example", subject: 'Hello', text: 'x' })
    assert.equal(mailbox.mails.length, 1, 'the control: an odd but right address is taken')
  })

  it('whoever names a workspace does not write the mail', () => {
    const { subject, text } = inviteMail({
      to: 'ann@example.com',
      workspaceName: 'Pay at https://evil.example/x\r\n\r\nand www.evil.example now \u202E',
      invitedBy: 'Eve\nClick: http://evil.example',
      link: 'https://zendo.example/console/invite#token',
      expiresAtMs: 0,
    })
    assert.doesNotMatch(subject + text, /evil\.example|https?:\/\/(?!zendo)|\u202E|\r/)
    assert.match(text, /^https:\/\/zendo\.example\/console\/invite#token$/m)
    assert.equal(text.split('\n').filter((line) => line.includes('evil')).length, 2, 'on one line each')
  })

  it('a server that never answers is given up', async (t) => {
    const { config } = await open(t, { mood: 'silent' })
    const sent = sendMail(config, { to: 'ann@example.com', subject: 'Hello', text: 'x' }, 200)
    await assert.rejects(within('the mail is given up', sent, 5000), MailError)
  })

  it('that must leave encrypted does not leave otherwise', async (t) => {
    const { mailbox } = await open(t)
    const server = parseMailUrl(mailbox.url)
    assert.ok(server)
    const mail = {
      from: { name: '', address: 'zendo@zendo.example' },
      to: 'ann@example.com',
      subject: 'Hello',
      text: 'x',
    }
    await assert.rejects(sendThrough({ ...server, tls: 'required' }, mail), { name: 'MailError', message: /^ETLS/ })
    await assert.rejects(sendThrough({ ...server, tls: 'from_start' }, mail, 500), MailError)
    assert.deepEqual([mailbox.mails.length, mailbox.named], [0, []])
    await sendThrough(server, mail)
    assert.equal(mailbox.mails.length, 1, 'the control')
  })

  it('a failure is in the log with its place, without address, content or password', async (t) => {
    const lines: string[] = []
    const log = pino({}, { write: (line: string) => void lines.push(line) })
    const refusing = await open(t, { mood: 'refusing' })
    const locked = await open(t, { login: { user: 'zendo', password: 'right' } })
    const wrong = locked.mailbox.url.replace('right', 'wr0ng-secret')
    const mail = { about: 'email_code', to: 'ann@example.com', subject: 'Your code', text: 'K7QF-2M9X' }
    postMail({ mail: () => refusing.config, log }, mail)
    postMail({ mail: () => buildMailConfig(wrong, FROM), log }, mail)
    postMail({ mail: () => buildMailConfig('smtp://127.0.0.1:1', FROM), log }, mail)
    postMail({ mail: () => null, log }, mail)
    await until('three failures are told', () => lines.length === 3)
    const told = lines.join('')
    assert.doesNotMatch(told, /ann@|K7QF|wr0ng|Your code|127\.0\.0\.1/)
    for (const place of ['EENVELOPE', 'EAUTH', 'ESOCKET|ECONNREFUSED|ECONNECTION'])
      assert.match(told, new RegExp(place))
    assert.match(told, /"about":"email_code"/)
  })
})

describe('the configuration of mail', () => {
  it('lets nothing leave unencrypted that goes beyond the machine, unless it is told to', () => {
    const tlsOf = (url: string): string | undefined => parseMailUrl(url)?.tls
    assert.equal(tlsOf('smtp://mail.example'), 'required')
    assert.equal(tlsOf('smtp://u:p@10.0.0.3:25'), 'required')
    assert.equal(tlsOf('smtps://mail.example'), 'from_start')
    assert.equal(tlsOf('smtp://127.0.0.1:1025'), 'off')
    assert.equal(tlsOf('smtp://[::1]:1025'), 'off')
    assert.equal(tlsOf('smtp://relay:25?tls=off'), 'off')
    assert.deepEqual(parseMailUrl('smtps://a%40b:p%2Fq@mail.example'), {
      ...{ host: 'mail.example', port: 465, tls: 'from_start' },
      login: { user: 'a@b', password: 'p/q' },
    })
  })

  it('takes no address of a mail server that says anything else', () => {
    const wrong = [
      ...['mail.example', 'http://mail.example', 'smtp://', 'smtp://user@mail.example', 'smtp://:p@mail.example'],
      ...[
        'smtp://mail.example/path',
        'smtp://mail.example?logger=true',
        'smtp://mail.example?tls.rejectUnauthorized=false',
      ],
      ...[
        'smtps://mail.example?tls=off',
        'smtp://mail.example#x',
        'smtp://mail.example:0',
        'smtp://%ff:p@mail.example',
      ],
    ]
    for (const url of wrong) assert.equal(parseMailUrl(url), null, url)
  })

  it('takes no sender that is more than one', () => {
    const wrong = [
      'Zendo',
      'a@b.example, c@d.example',
      'Zendo <a@b.example>\r\nBcc: c@d.example',
      '"Zendo" <a@b.example>',
      '<a@b.example>',
    ]
    for (const from of wrong) assert.equal(parseMailbox(from), null, from)
    assert.deepEqual(parseMailbox('a@b.example'), { name: '', address: 'a@b.example' })
    assert.deepEqual(parseMailbox(FROM), { name: 'Zendo', address: 'zendo@zendo.example' })
  })

  it('names its place when it is wrong, and never repeats the password', async () => {
    const parsed = parseConfig('{ "mail": { "url": "http://u:hunter2@x", "from": "Zendo" } }', 'zendo.jsonc')
    assert.ok(!parsed.ok)
    const told = JSON.stringify(parsed.problems)
    assert.match(told, /mail\.url.*smtp:\/\/user/)
    assert.match(told, /mail\.from/)
    assert.doesNotMatch(told, /hunter2/)
  })

  it('its address stands in no JSON', async () => {
    const config = buildMailConfig('smtp://u:hunter2@x', FROM)
    assert.equal(config.url, 'smtp://u:hunter2@x')
    assert.equal(JSON.stringify(config), JSON.stringify({ from: FROM }))
    const loaded = await loadCatalog({ configPath: null, env: {}, simulatedBaseUrl: 'http://simulated.invalid/v1' })
    assert.ok(loaded.ok)
    assert.equal(loaded.snapshot.mail, null)
  })
})
