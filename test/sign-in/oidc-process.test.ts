/** Signing in at a provider, from outside a real process: configuration, hot reload, several processes, secrets. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startGateway } from '../support/gateway.ts'
import { startHostileProvider } from '../support/hostile-identity-provider.ts'
import { until } from '../support/until.ts'
import { assertEntered, openIdentityBrowser } from './identity-world.ts'

describe('a gateway with a provider of identities', () => {
  it('takes it from its file, follows changes, keeps the last good one, and tells its secret to nobody', async (t) => {
    const acme = await startHostileProvider(t)
    acme.account = { sub: 'anna', email: 'anna@acme.example', email_verified: true, name: 'Anna' }
    const provider = {
      ...{ issuer: acme.issuer, clientId: 'zendo', clientSecret: 'env:ACME_SECRET', name: 'Acme', provisions: true },
    }
    const gateway = await startGateway({
      config: { signIn: { providers: { acme: provider } } },
      env: { ACME_SECRET: acme.clientSecret, ZENDO_LOG_LEVEL: 'trace', ZENDO_WORKERS: '2' },
    })
    t.after(() => gateway.remove())
    const ways = async (): Promise<{ providers: unknown; registration: string }> =>
      (await openIdentityBrowser(gateway.baseUrl, '').open(`${gateway.baseUrl}/api/sign-in`)).body
    assert.deepEqual((await ways()).providers, [{ id: 'acme', name: 'Acme', start: '/api/sign-in/acme' }])
    // Of two processes one may begin what the other ends.
    for (let times = 0; times < 6; times++) {
      assertEntered(await openIdentityBrowser(gateway.baseUrl, 'anna').signIn('acme'))
    }
    const file = join(gateway.dataDir, 'zendo.jsonc')
    const write = (signIn: object): Promise<void> => writeFile(file, JSON.stringify({ signIn }))
    await write({ providers: { acme: { ...provider, clientSecret: 'env:NOT_SET' } } })
    await until('the bad file was noticed', () => gateway.output().includes('NOT_SET is not set'), 10_000)
    assertEntered(await openIdentityBrowser(gateway.baseUrl, 'anna').signIn('acme'))
    await write({ registration: 'open', providers: { acme: { ...provider, name: 'Acme Corp' } } })
    await until('the change is in force', async () => (await ways()).registration === 'open', 10_000)
    assert.deepEqual((await ways()).providers, [{ id: 'acme', name: 'Acme Corp', start: '/api/sign-in/acme' }])
    assertEntered(await openIdentityBrowser(gateway.baseUrl, 'anna').signIn('acme'))
    await gateway.stop()

    const secrets = [acme.clientSecret, 'at anna']
    for (const asked of acme.departures) for (const name of ['state', 'nonce']) secrets.push(asked.get(name) ?? '?')
    const kept = readdirSync(gateway.dataDir, { recursive: true, encoding: 'utf8' })
      .map((name) => join(gateway.dataDir, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, 'latin1'))
    for (const secret of secrets) {
      assert.equal(gateway.output().includes(secret), false)
      assert.equal(
        kept.some((content) => content.includes(secret)),
        false,
      )
    }
    assert.ok(kept.some((content) => content.includes('anna@acme.example')))
  })
})
