import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { pino } from 'pino'
import { AppError } from '../base/errors.ts'
import { createSealer } from '../base/seal.ts'
import type { Catalog, Model } from '../domain/catalog.ts'
import { buildForTest, modelIn } from '../domain/test-catalog.ts'
import { type CredentialMode, type SealedCredential, sealContext } from '../store/credential.ts'
import type { Database } from '../store/database.ts'
import type { KeyOwner } from '../store/key.ts'
import { createOwnKeys, hasOwnKeyFor, modelWithOwnKeys, type OwnKeys } from './own-keys.ts'

const SECRET = 'sk-CANARY'
const sealer = createSealer(['a root key of thirty-two and more characters'])
const price = { input: '1', output: '5' }
const at = (host: string): object => ({ protocol: 'openai-chat', baseUrl: `https://${host}.example/v1`, apiKey: 'op' })

const catalog = buildForTest({
  providers: {
    one: { ...at('one'), region: 'us', ownKeys: { baseUrls: [{ url: 'https://eu.one.example/v1/', region: 'eu' }] } },
    two: { ...at('two'), ownKeys: {} },
    local: at('local'),
    groq: { baseUrl: 'http://10.0.0.7:8000/v1' },
    shut: { ...at('shut'), ownKeys: false },
    mistral: { ownKeys: { baseUrls: [] } },
  },
  models: {
    both: { price, routes: [{ provider: 'one' }, { provider: 'two' }] },
    shut: { price, routes: [{ provider: 'shut' }] },
    given: { free: true, routes: [{ provider: 'one' }] },
    away: { price, protocol: 'openai-chat', routes: [{ provider: 'mistral', model: 'm' }] },
  },
})

function credentialFor(provider: string, mode: CredentialMode, baseUrl: string | null = null): SealedCredential {
  const place = { id: `cred_${provider}`, workspaceId: 'wrk_1', provider, baseUrl }
  return { ...place, mode, sealed: sealer.seal(SECRET, sealContext(place)) }
}

function ownerOf(...credentials: SealedCredential[]): KeyOwner {
  return { workspaceId: 'wrk_1', credentials } as unknown as KeyOwner
}

function start(log: string[] = []): { keys: OwnKeys; written: unknown[][]; time: { nowMs: number } } {
  const written: unknown[][] = []
  const time = { nowMs: 1_800_000_000_000 }
  const database = { run: (...values: unknown[]) => Promise.resolve(written.push(values)) } as unknown as Database
  const lines = new Writable({
    write(chunk, _, done) {
      log.push(String(chunk))
      done()
    },
  })
  return { keys: createOwnKeys({ sealer, database, clock: () => time.nowMs, log: pino(lines) }), written, time }
}

const both: Model = modelIn(catalog, 'zen', 'both')

describe('own keys', () => {
  it('have a part only where there is one for a provider of the model, and it is in use', () => {
    const { keys } = start()
    const reach = (model: Model, ...credentials: SealedCredential[]): string | null => {
      const found = keys.reach(catalog, model, ownerOf(...credentials))
      return (
        found && `${found.routes.map(({ provider }) => provider.id).join(',')} ${found.goesOn ? 'and on' : 'alone'}`
      )
    }
    assert.equal(keys.reach(catalog, both, null), null)
    assert.equal(reach(both), null)
    assert.equal(reach(both, credentialFor('one', 'shared_only')), null)
    assert.equal(reach(both, credentialFor('mistral', 'own_only')), null)
    assert.equal(reach(both, credentialFor('one', 'own_only')), 'one alone')
    assert.equal(reach(both, credentialFor('one', 'own_first')), 'one and on')
    assert.equal(reach(both, credentialFor('one', 'own_first'), credentialFor('two', 'own_first')), 'one,two and on')
    // One provider that may not be paid for here closes the model to whatever is paid for here.
    assert.equal(reach(both, credentialFor('one', 'own_only'), credentialFor('two', 'own_first')), 'one,two alone')
    assert.equal(reach(modelIn(catalog, 'zen', 'given'), credentialFor('one', 'own_only')), null)
    assert.equal(reach(modelIn(catalog, 'zen', 'away'), credentialFor('mistral', 'own_first')), 'mistral alone')
  })

  it('are sent to their own address as an account of their own, and never show in a log or an answer', () => {
    const { keys } = start()
    const [route] = keys.reach(catalog, both, ownerOf(credentialFor('one', 'own_only')))?.routes ?? []
    const provider = route?.provider
    assert.equal(provider?.apiKey, SECRET)
    assert.notEqual(provider?.tag, catalog.providers.get('one')?.tag)
    assert.match(provider?.tag ?? '', /^[0-9a-f]{8}$/)
    assert.deepEqual([...(provider?.endpoints.values() ?? [])], ['https://one.example/v1'])
    assert.deepEqual(provider?.own, { credentialId: 'cred_one', egress: null })
    assert.equal(JSON.stringify(provider).includes('CANARY'), false)
    assert.equal(catalog.providers.get('one')?.apiKey, undefined)
    const elsewhere = credentialFor('one', 'own_only', 'https://eu.one.example/v1')
    const moved = keys.reach(catalog, both, ownerOf(elsewhere))?.routes[0]?.provider
    assert.deepEqual([...(moved?.endpoints.values() ?? [])], ['https://eu.one.example/v1'])
    assert.equal(moved?.region, 'eu')
    assert.deepEqual(moved?.own?.egress, { allowPrivate: false })
  })

  it('are opened once for as long as nothing changes', () => {
    const { keys } = start()
    const owner = ownerOf(credentialFor('one', 'own_only'))
    const first = keys.reach(catalog, both, owner)?.routes[0]?.provider
    assert.equal(keys.reach(catalog, both, owner)?.routes[0]?.provider, first)
    const again = ownerOf(credentialFor('one', 'own_only'))
    assert.notEqual(keys.reach(catalog, both, again)?.routes[0]?.provider, first)
  })

  it('are refused, and not replaced by what is paid for here, when the operator no longer allows them', () => {
    const { keys } = start()
    const refused = [
      [modelIn(catalog, 'zen', 'shut'), credentialFor('shut', 'own_only')],
      [both, credentialFor('one', 'own_only', 'https://gone.example/v1')],
    ] as const
    for (const [model, credential] of refused) {
      assert.throws(() => keys.reach(catalog, model, ownerOf(credential)), hasCode('model_disabled'))
    }
    const gone = ownerOf(credentialFor('one', 'own_first', 'https://gone.example/v1'))
    assert.deepEqual(keys.reach(catalog, both, gone), { routes: [], goesOn: true })
  })

  it('that cannot be opened refuse the request in every mode, and tell the operator once a minute', () => {
    const log: string[] = []
    const { keys, time } = start(log)
    for (const mode of ['own_only', 'own_first'] as const) {
      const moved = { ...credentialFor('one', mode), id: 'cred_moved' }
      assert.throws(() => keys.reach(catalog, both, ownerOf(moved)), hasCode('upstream_unavailable'))
    }
    assert.equal(log.length, 1)
    assert.match(log[0] ?? '', /cannot be opened.*ZENDO_MASTER_KEY/)
    time.nowMs += 60_000
    const moved = { ...credentialFor('one', 'own_only'), id: 'cred_moved' }
    assert.throws(() => keys.reach(catalog, both, ownerOf(moved)), hasCode('upstream_unavailable'))
    assert.equal(log.length, 2)
  })

  it('that fail are noted once a minute', () => {
    const { keys, written, time } = start()
    keys.report('cred_1', 'refused (401)')
    keys.report('cred_1', 'refused (401)')
    keys.report('cred_2', 'refused (401)')
    assert.equal(written.length, 2)
    time.nowMs += 60_000
    keys.report('cred_1', 'rate-limited (429)')
    assert.equal(written.length, 3)
  })

  it('open models to their workspace, and close the routes that it does not want to pay for', () => {
    const shown = (model: Model, ...credentials: SealedCredential[]): string =>
      modelWithOwnKeys(catalog, model, ownerOf(...credentials))
        .routes.map(({ provider }) => provider.id)
        .join(',')
    const away = modelIn(catalog, 'zen', 'away')
    assert.equal(shown(away), '')
    assert.equal(shown(away, credentialFor('mistral', 'own_first')), 'mistral')
    assert.equal(shown(away, credentialFor('mistral', 'shared_only')), '')
    assert.equal(hasOwnKeyFor(catalog, away, ownerOf(credentialFor('mistral', 'own_only'))), true)
    assert.equal(hasOwnKeyFor(catalog, away, null), false)
    assert.equal(shown(both), 'one,two')
    assert.equal(shown(both, credentialFor('one', 'own_only')), 'one')
    assert.equal(shown(both, credentialFor('one', 'own_first')), 'one,two')
    const elsewhere = ownerOf(credentialFor('one', 'own_only', 'https://eu.one.example/v1'))
    const [route] = modelWithOwnKeys(catalog, both, elsewhere).routes
    assert.equal(route?.provider.region, 'eu', 'where the chosen address is')
    assert.equal(shown(both, credentialFor('one', 'own_only', 'https://gone.example/v1')), '')
  })

  it('can be for each built-in provider at its address; for one that the operator placed only where that is said', () => {
    const { ownKeys }: Catalog = catalog
    for (const id of ['openai', 'anthropic', 'google', 'mistral', 'one', 'two']) assert.ok(ownKeys.has(id), id)
    for (const id of ['sim', 'shut', 'local', 'groq', 'nobody']) assert.equal(ownKeys.has(id), false, id)
    assert.equal(catalog.providers.has('mistral'), false, 'no account of the operator')
  })
})

function hasCode(code: AppError['code']): (error: unknown) => boolean {
  return (error) => error instanceof AppError && error.code === code
}
