/** What the file may say of receivers of events: refusals at their line, and never with the secret or the address. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { BUILT_IN_CATALOG } from './built-in-catalog.ts'
import { buildCatalog } from './catalog-build.ts'
import { formatProblems, parseConfig } from './config-parse.ts'
import { isWebhookSecret } from './config-webhooks-schema.ts'
import { EVENT_TYPES } from './event.ts'
import { buildForTest, SIMULATED } from './test-catalog.ts'

const SECRET = `whsec_${Buffer.alloc(32, 'k').toString('base64')}`
const URL = 'https://ops.example/hooks/zendo?token=abc'

function refusalOf(webhooks: unknown): string {
  const parsed = parseConfig(JSON.stringify({ webhooks }, null, 2), 'zendo.jsonc')
  return parsed.ok ? '' : formatProblems(parsed.problems)
}

describe('a receiver', () => {
  test('has an address, a secret, and all events unless it names some', () => {
    const file = {
      webhooks: {
        ops: { url: URL, secret: SECRET },
        'money.only': { url: 'http://127.0.0.1:9000/', secret: 'env:HOOK', events: ['ledger.write_off'] },
      },
    }
    const parsed = parseConfig(JSON.stringify(file), 'zendo.jsonc')
    assert.ok(parsed.ok)
    const webhookSecrets = new Map([['ops', SECRET]])
    const { webhooks } = buildCatalog(BUILT_IN_CATALOG, parsed.config, new Map(), { ...SIMULATED, webhookSecrets })
    assert.deepEqual(
      webhooks.map(({ name, url, events }) => [name, url, [...events]]),
      [
        ['ops', URL, [...EVENT_TYPES]],
        ['money.only', 'http://127.0.0.1:9000/', ['ledger.write_off']],
      ],
    )
    assert.deepEqual(
      webhooks.map(({ secret }) => secret),
      [SECRET, undefined],
    )
    assert.equal(inspect(webhooks, { depth: 9 }).includes(SECRET), false)
    assert.equal(JSON.stringify(webhooks).includes(SECRET), false)
  })

  test('is nobody unless the file names somebody', () => {
    assert.deepEqual(buildForTest({}).webhooks, [])
  })

  const good = { url: URL, secret: SECRET }
  const refused: [name: string, entry: unknown, place: string, reason: RegExp][] = [
    ['without an address', { secret: SECRET }, 'url', /is required/],
    ['without a secret', { url: URL }, 'secret', /is required/],
    ['with an empty secret', { ...good, secret: '' }, 'secret', /./],
    ['with a secret that is only a prefix', { ...good, secret: 'whsec_' }, 'secret', /24 to 64 random bytes/],
    ['with a short secret', { ...good, secret: `whsec_${Buffer.alloc(23).toString('base64')}` }, 'secret', /24 to 64/],
    ['with a long secret', { ...good, secret: `whsec_${Buffer.alloc(65).toString('base64')}` }, 'secret', /24 to 64/],
    ['with a password for a secret', { ...good, secret: 'correct-horse-battery-staple-42' }, 'secret', /whsec_/],
    ['with a variable without a name', { ...good, secret: 'env:' }, 'secret', /name of a variable/],
    ['at an address that is none', { ...good, url: 'ops.example' }, 'url', /http:\/\/ or https:\/\//],
    ['at a file', { ...good, url: 'file:///etc/passwd' }, 'url', /http:\/\/ or https:\/\//],
    ['at an address with a password', { ...good, url: 'https://u:p4ss@ops.example/' }, 'url', /user name or password/],
    ['at an address with a fragment', { ...good, url: 'https://ops.example/#p4ss' }, 'url', /fragment/],
    ['at an endless address', { ...good, url: `https://ops.example/${'x'.repeat(2048)}` }, 'url', /longer than 2048/],
    [
      'of an unknown event',
      { ...good, events: ['limit.treshold'] },
      'events.0',
      /limit\.threshold, balance\.threshold/,
    ],
    ['of no event', { ...good, events: [] }, 'events', /must not be empty/],
    ['of one event twice', { ...good, events: ['ledger.write_off', 'ledger.write_off'] }, 'events', /twice/],
    ['with a key that is none', { ...good, retries: 3 }, 'retries', /no such key/],
  ]
  for (const [name, entry, place, reason] of refused) {
    test(`${name} is refused at ${place}, with its line`, () => {
      const refusal = refusalOf({ ops: entry })
      assert.match(
        refusal,
        new RegExp(`^zendo\\.jsonc:\\d+:\\d+: webhooks\\.ops\\.${place.replace('.', '\\.')}: `, 'm'),
      )
      assert.match(refusal, reason)
      assert.equal(/p4ss|correct-horse/.test(refusal), false)
    })
  }

  test('of an impossible name is refused, and so is the name of the log', () => {
    assert.match(refusalOf({ ':log': good }), /webhooks\.:log: not a name of a receiver/)
    assert.match(refusalOf({ 'a b': good }), /not a name of a receiver/)
  })

  test('more than sixteen are refused', () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`r${i}`, good]))
    assert.equal(refusalOf(many(16)), '')
    assert.match(refusalOf(many(17)), /webhooks: more than 16/)
  })
})

test('a signing secret is 24 to 64 bytes in base64, with or without its prefix', () => {
  for (const length of [24, 32, 64]) {
    const encoded = Buffer.alloc(length, 7).toString('base64')
    assert.ok(isWebhookSecret(encoded) && isWebhookSecret(`whsec_${encoded}`))
  }
  const wrong = [
    '',
    'whsec_',
    Buffer.alloc(24).toString('base64url').slice(1),
    `${Buffer.alloc(24).toString('base64')}=`,
    'a b',
  ]
  for (const secret of wrong) assert.equal(isWebhookSecret(secret), false, secret)
})
