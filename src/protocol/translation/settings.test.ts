/** Single-valued settings: where each protocol has them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PROTOCOLS, type Protocol } from '../../base/words.ts'
import type { IrSettings } from '../ir/request.ts'
import { decodeSettings, encodeSettings, SETTINGS, setAt, valueAt } from './settings.ts'

const ALL: IrSettings = {
  temperature: 0.5,
  topP: 0.9,
  topK: 40,
  seed: 7,
  presencePenalty: 0.1,
  frequencyPenalty: 0.2,
  stop: ['END'],
  endUser: 'u1',
  metadata: { team: 'a' },
  promptCacheKey: 'k',
  serviceTier: 'flex',
  store: true,
  verbosity: 'low',
}

function encode(source: Protocol, target: Protocol, settings: IrSettings, more = {}) {
  const body: Record<string, unknown> = {}
  const warnings = encodeSettings(settings, { source, target, drop: [], ownVendor: false, ...more }, body)
  return { body, warnings: warnings.map(({ action, field }) => `${action} ${field}`) }
}

describe('settings', () => {
  test('come back as they were in every protocol that has them', () => {
    for (const protocol of PROTOCOLS) {
      const own = Object.fromEntries(
        Object.entries(ALL).filter(([name]) => SETTINGS[name as keyof IrSettings].place[protocol] !== null),
      )
      const { body, warnings } = encode(protocol, protocol, own)
      assert.deepEqual(decodeSettings(protocol, body), own, protocol)
      assert.deepEqual(warnings, [])
    }
  })

  test('are sent or disclosed, never neither, between any two protocols', () => {
    for (const source of PROTOCOLS) {
      for (const target of PROTOCOLS) {
        for (const [name, value] of Object.entries(ALL)) {
          const { body, warnings } = encode(source, target, { [name]: value })
          assert.equal(Object.keys(body).length + warnings.length, 1, `${source} to ${target}: ${name}`)
        }
      }
    }
  })

  test('that only their vendor knows stay with it', () => {
    assert.deepEqual(encode('openai-responses', 'openai-chat', { promptCacheKey: 'k' }), {
      body: {},
      warnings: ['dropped prompt_cache_key'],
    })
    assert.deepEqual(encode('openai-responses', 'openai-chat', { promptCacheKey: 'k' }, { ownVendor: true }), {
      body: { prompt_cache_key: 'k' },
      warnings: [],
    })
    assert.deepEqual(encode('openai-chat', 'anthropic-messages', { serviceTier: 'flex' }, { ownVendor: true }).body, {})
  })

  test('whose loss changes nothing are not disclosed', () => {
    assert.deepEqual(encode('openai-responses', 'anthropic-messages', { store: false }).warnings, [])
    assert.deepEqual(encode('openai-responses', 'anthropic-messages', { store: true }).warnings, ['dropped store'])
  })

  test('that this upstream refuses are dropped and named as the client named them', () => {
    const { body, warnings } = encode('google-generate', 'openai-chat', { temperature: 1 }, { drop: ['temperature'] })
    assert.deepEqual(body, {})
    assert.deepEqual(warnings, ['dropped generationConfig.temperature'])
  })

  test('of the wrong kind are refused with the field named', () => {
    for (const [field, value] of [
      ['temperature', '1'],
      ['seed', 1.5],
      ['stop', [1]],
      ['metadata', []],
      ['store', 'no'],
    ] as const) {
      assert.throws(() => decodeSettings('openai-chat', { [field]: value }), { code: 'invalid_request', param: field })
    }
    assert.deepEqual(decodeSettings('openai-chat', { temperature: null, stop: 'END' }), { stop: ['END'] })
  })
})

describe('a path that a client chose', () => {
  test('never leads to what all objects share', () => {
    for (const path of ['constructor.prototype.polluted', '__proto__.polluted', 'a.__proto__.polluted']) {
      const body: Record<string, unknown> = {}
      setAt(body, path, 1)
      assert.equal(({} as Record<string, unknown>).polluted, undefined, path)
      assert.equal(valueAt(body, path), 1, path)
    }
    assert.equal(valueAt({}, 'constructor.name'), undefined)
  })
})
