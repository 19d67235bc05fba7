/** A running gateway whose mail goes into a mailbox, with people who may sign in, for the tests of this directory. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { type Mailbox, startMailbox } from '../support/mailbox.ts'
import { type BooksPlace, openSyncSql } from '../support/sync-sql.ts'

/** How people reach the instance; requests go to its port all the same. */
export const PUBLIC_URL = 'https://zendo.example'

export interface MailScene {
  readonly gateway: Gateway
  readonly mailbox: Mailbox
}

export async function startScene(
  t: TestContext,
  { config = {}, env = {} }: { readonly config?: object; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<MailScene> {
  const mailbox = await startMailbox({ login: { user: 'zendo', password: 'p@ss:w/rd' } })
  t.after(() => mailbox.close())
  const gateway = await startGateway({
    config: sceneConfig(config),
    env: { ZENDO_PUBLIC_URL: PUBLIC_URL, TEST_SMTP_URL: mailbox.url, ...env },
  })
  t.after(() => gateway.remove())
  return { gateway, mailbox }
}

/** Rates have tests of their own; here they would only be in the way. */
export function sceneConfig(more: object): object {
  return {
    mail: { url: 'env:TEST_SMTP_URL', from: 'Zendo <zendo@zendo.example>' },
    limits: { api: { signIn: 0, write: 0 } },
    ...more,
  }
}

export interface TestPerson {
  readonly id: string
  readonly email: string
}

let serial = 0

/** Somebody new, with an address of their own. */
export function addPerson(
  place: BooksPlace,
  { password = null, isDisabled = false }: { readonly password?: string | null; readonly isDisabled?: boolean } = {},
): TestPerson {
  const sql = openSyncSql(place, { readOnly: false })
  try {
    const person = { id: `per_test${++serial}`, email: `test${serial}@example.com` }
    sql.run(
      'INSERT INTO person (id, email, name, is_operator, password, disabled_at, created_at, email_proved_at)' +
        ' VALUES (?, ?, ?, 0, ?, ?, ?, ?)',
      ...[person.id, person.email, `Test ${serial}`, password, isDisabled ? 1 : null, Date.now(), Date.now()],
    )
    return person
  } finally {
    sql.close()
  }
}

export interface Answer {
  readonly status: number
  readonly text: string
  readonly body: Record<string, unknown>
  readonly setCookie: string | null
}

export type Headers = Readonly<Record<string, string>>

export async function ask(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Headers = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    text,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    setCookie: response.headers.get('set-cookie'),
  }
}

/** What a browser that got this answer sends along from then on. */
export function credentialsOf({ status, text, body, setCookie }: Answer): Headers {
  assert.equal(status, 201, text)
  assert.ok(setCookie)
  return { cookie: setCookie.split(';')[0] ?? '', 'x-zendo-csrf': String(body.csrf) }
}

/** The code in a mail. */
export function codeIn(text: string): string {
  const code = /^ {4}([0-9A-Z]{4}-[0-9A-Z]{4})$/m.exec(text)?.[1]
  assert.ok(code, text)
  return code
}

/** Signs somebody in with a code by e-mail. `mails`: how many they will have got with this one. */
export async function signInByMail(
  { gateway, mailbox }: MailScene,
  { email }: TestPerson,
  mails = 1,
): Promise<Headers> {
  const asked = await ask(gateway.baseUrl, 'POST', '/api/sign-in/email', { email })
  const { text } = await mailbox.mailTo(email, mails)
  return credentialsOf(
    await ask(gateway.baseUrl, 'POST', '/api/sign-in/email/verify', {
      challenge: asked.body.challenge,
      code: codeIn(text),
    }),
  )
}

/** Every text in every table, to look for what must not be there. */
export function everyRow(place: BooksPlace): string {
  const sql = openSyncSql(place)
  try {
    const tables = ['person', 'challenge', 'session', 'throttle', 'audit_log', 'passkey', 'kept_reply', 'event']
    const rows = tables.flatMap((table) => sql.all<Record<string, unknown>>(`SELECT * FROM ${table}`))
    return JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
  } finally {
    sql.close()
  }
}
