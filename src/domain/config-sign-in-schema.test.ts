import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { signInEntry } from './config-sign-in-schema.ts'
import { buildSignIn } from './sign-in-config.ts'

const CLIENT = { clientId: 'zendo', clientSecret: 'a-secret' }

/** Why an entry is refused; empty when it is not. */
function faults(providers: object): string[] {
  const result = signInEntry.safeParse({ providers })
  return result.success ? [] : result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

describe('the configuration of signing in', () => {
  it('knows the issuers of Google and GitHub, and asks for that of everybody else', () => {
    const entry = signInEntry.parse({
      providers: { google: CLIENT, github: CLIENT, acme: { ...CLIENT, issuer: 'https://id.acme.example/realm' } },
    })
    assert.deepEqual(
      buildSignIn(entry, new Map()).providers.map(({ id, kind, name, issuer, scopes }) => [
        id,
        kind,
        name,
        issuer,
        scopes,
      ]),
      [
        ['google', 'oidc', 'Google', 'https://accounts.google.com', ['openid', 'email', 'profile']],
        ['github', 'github', 'GitHub', 'https://github.com', ['read:user', 'user:email']],
        ['acme', 'oidc', 'acme', 'https://id.acme.example/realm', ['openid', 'email', 'profile']],
      ],
    )
    assert.match(faults({ acme: CLIENT }).join(), /providers\.acme: needs an issuer/)
  })

  it('takes an issuer in the clear on this machine alone', () => {
    for (const host of ['localhost:8080', '127.0.0.1', '127.8.9.1:1', '[::1]:80']) {
      assert.deepEqual(faults({ acme: { ...CLIENT, issuer: `http://${host}/` } }), [], host)
    }
    for (const host of [
      'id.acme.example',
      'localhost.acme.example',
      '127.0.0.1.nip.io',
      '10.0.0.1',
      '0.0.0.0',
      '[::2]',
    ]) {
      assert.match(faults({ acme: { ...CLIENT, issuer: `http://${host}` } }).join(), /https:/, host)
    }
    for (const issuer of [
      'https://a:b@c.example',
      'https://a.example?b',
      'https://a.example/#b',
      'ftp://a',
      'a.example',
    ]) {
      assert.equal(faults({ acme: { ...CLIENT, issuer } }).length, 1, issuer)
    }
  })

  it('refuses ids that stand for something else, two providers of one issuer, and groups from GitHub', () => {
    const acme = { ...CLIENT, issuer: 'https://id.acme.example' }
    for (const id of ['password', 'email', 'reset', 'passkey', 'Acme', 'a/b', '']) {
      assert.equal(faults({ [id]: acme }).length > 0, true, id)
    }
    assert.match(faults({ acme, other: { ...acme, issuer: 'https://id.acme.example/' } }).join(), /other\.issuer/)
    assert.match(faults({ github: { ...CLIENT, roles: {} } }).join(), /github\.roles/)
  })

  it('shows the secret of a client in no log line and no JSON', () => {
    const { providers } = buildSignIn(
      signInEntry.parse({ providers: { google: CLIENT } }),
      new Map([['google', 'hidden']]),
    )
    assert.equal(providers[0]?.clientSecret, 'hidden')
    assert.equal(`${inspect(providers)} ${JSON.stringify(providers)}`.includes('hidden'), false)
  })

  it('provisions nobody, maps no groups and takes passwords unless it says otherwise', () => {
    const { password, registration, providers } = buildSignIn(
      signInEntry.parse({ providers: { google: CLIENT } }),
      new Map(),
    )
    assert.deepEqual(
      [password, registration, providers[0]?.provisions, providers[0]?.roles, providers[0]?.domains],
      [true, 'invite', false, null, null],
    )
  })
})
