/** A server whose people sign in at providers of identities, and browsers that go there and come back. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { allRoutes } from '../../src/api/all-routes.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import { signInEntry } from '../../src/domain/config-sign-in-schema.ts'
import { buildSignIn, type SignInConfig } from '../../src/domain/sign-in-config.ts'
import type { Database } from '../../src/store/database.ts'
import { type ControlServer, startControlServer } from '../support/control-server.ts'

export interface IdentityWorld extends ControlServer {
  readonly clock: { aheadMs: number }
  /** The `signIn` of a `zendo.jsonc` from now on. */
  configure(signIn: { readonly providers: Readonly<Record<string, object>>; readonly [name: string]: unknown }): void
  browser(account?: string): IdentityBrowser
}

/** Rates are not what these tests are about. */
const NO_RATES = { limits: { api: { read: 0, write: 0, signIn: 0, probe: 0 } } }

export async function startIdentityWorld(
  t: TestContext,
  database: Database,
  more: Partial<ControlPlane> = {},
): Promise<IdentityWorld> {
  let signIn: SignInConfig = buildSignIn(undefined, new Map())
  const clock = { aheadMs: 0 }
  const server = await startControlServer(t, database, {
    ...{ routes: allRoutes, config: NO_RATES, clock: () => Date.now() + clock.aheadMs },
    control: { signIn: () => signIn, ...more },
  })
  return {
    ...server,
    clock,
    configure(wanted) {
      const entry = signInEntry.parse(wanted)
      const secrets = Object.entries(entry.providers ?? {}).map(
        ([id, provider]) => [id, provider.clientSecret] as const,
      )
      signIn = buildSignIn(entry, new Map(secrets))
    },
    browser: (account = 'nobody') => openIdentityBrowser(server.url, account),
  }
}

export interface Landing {
  readonly status: number
  /** Where a redirect goes. */
  readonly location: string | null
  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what tests look at
  readonly body: any
  readonly setCookies: readonly string[]
}

export interface IdentityBrowser {
  /** Opens an address with the cookies that belong to it; follows nothing. */
  open(address: string, init?: RequestInit): Promise<Landing>
  /** From the start at a provider until the answer of the callback. */
  signIn(provider: string, returnTo?: string): Promise<Landing>
  /** From the start until the address of the callback, which is not opened. */
  goUntilCallback(start: string): Promise<string>
  /** Asks this server's API as the page of the console would. */
  ask(question: string, body?: object): Promise<Landing>
  /** Goes on as somebody who is signed in already. */
  adopt(credentials: Readonly<Record<string, string>>): void
  isSignedIn(): Promise<boolean>
}

const MAX_STEPS = 12

/** @param account whom the provider takes it for */
export function openIdentityBrowser(home: string, account: string): IdentityBrowser {
  const jars = new Map<string, Map<string, string>>()
  const jarOf = (address: string): Map<string, string> => {
    const { origin } = new URL(address)
    const jar = jars.get(origin) ?? new Map<string, string>()
    jars.set(origin, jar)
    return jar
  }

  async function open(address: string, init: RequestInit = {}): Promise<Landing> {
    const jar = jarOf(address)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { 'x-test-account': account, ...(cookie && { cookie }), ...(init.headers as object) }
    const response = await fetch(address, { ...init, headers, redirect: 'manual' })
    const setCookies = response.headers.getSetCookie()
    for (const set of setCookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      if (value === '' || /max-age=0/i.test(set)) jar.delete(name)
      else jar.set(name, value)
    }
    const content = await response.text()
    const body = response.headers.get('content-type')?.includes('json') ? JSON.parse(content) : content
    const location = response.headers.get('location')
    return { status: response.status, location: location && new URL(location, address).href, body, setCookies }
  }

  async function goUntilCallback(start: string): Promise<string> {
    let address = start
    for (let step = 0; step < MAX_STEPS; step++) {
      const { status, location, body } = await open(address)
      assert.ok(location, `${address} answered ${status} ${JSON.stringify(body)}`)
      address = location
      if (address.startsWith(home) && new URL(address).pathname.endsWith('/callback')) return address
    }
    throw new Error(`no callback after ${MAX_STEPS} steps`)
  }

  async function ask(question: string, body?: object): Promise<Landing> {
    const [method = '', path = ''] = question.split(' ')
    const session = method === 'GET' ? null : await open(`${home}/api/session`)
    return await open(`${home}${path}`, {
      method,
      headers: { 'content-type': 'application/json', 'x-zendo-csrf': session?.body.csrf ?? '' },
      ...(body && { body: JSON.stringify(body) }),
    })
  }

  return {
    open,
    goUntilCallback,
    ask,
    async signIn(provider, returnTo) {
      const query = returnTo === undefined ? '' : `?${new URLSearchParams({ return_to: returnTo })}`
      return await open(await goUntilCallback(`${home}/api/sign-in/${provider}${query}`))
    },
    adopt({ cookie = '' }) {
      const [name = '', value = ''] = cookie.split('=')
      jarOf(home).set(name, value)
    },
    isSignedIn: async () => (await open(`${home}/api/session`)).status === 200,
  }
}

/** Signed in, and sent on to a page of the console. */
export function assertEntered(landing: Landing, path = '/console'): void {
  assert.equal(landing.status, 302, JSON.stringify(landing.body))
  assert.equal(new URL(landing.location ?? 'none:').pathname, path)
}

/** Refused with this reason, and nothing was given. */
export function assertRefused(landing: Landing, reason: string, code = 'sign_in_failed'): void {
  assert.deepEqual([landing.body?.code, landing.body?.metadata?.reason], [code, reason], JSON.stringify(landing))
  assert.equal(
    landing.setCookies.some((cookie) => cookie.includes('zendo_session=')),
    false,
  )
}
