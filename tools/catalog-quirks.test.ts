/** The quirks of built-in models: what the recorded data says, and what is stated by hand over it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { modelQuirks, publicServiceQuirks, readStatements, routeQuirks, type Statement } from './catalog-quirks.ts'
import type { Known } from './catalog-sources.ts'

function known(facts: object): Known {
  const base = {
    id: 'm',
    name: 'M',
    limit: { context: 1, output: 1 },
    modalities: { input: ['text'], output: ['text'] },
    reasoning: true,
    tool_call: true,
    release_date: '2026-01-01',
  }
  return { facts: { ...base, ...facts }, npm: '', price: { input: 1, output: 1 }, source: '', date: '' }
}

describe('quirks of built-in models', () => {
  const dial = [{ type: 'toggle' }, { type: 'effort', values: ['low', 'max'] }]

  test('are read from the recorded data', () => {
    assert.equal(modelQuirks(known({}), []), undefined)
    assert.deepEqual(modelQuirks(known({ reasoning_options: dial, temperature: false }), []), {
      efforts: ['low', 'max'],
      dropSettings: ['temperature', 'topP'],
    })
    assert.deepEqual(modelQuirks(known({ reasoning: false }), []), { reasoningControl: 'none', thinkingForm: 'none' })
  })

  test('an effort that the code does not know stops the build', () => {
    assert.throws(() => modelQuirks(known({ reasoning_options: [{ type: 'effort', values: ['extreme'] }] }), []))
  })

  test('statements go over the data, those at a provider to its route alone', () => {
    const statements: Statement[] = [
      { source: 's', models: ['m'], quirks: { efforts: ['high'], reasoningRequired: true } },
      { source: 's', models: ['other'], quirks: { strictTools: false } },
      { source: 's', at: 'acme', models: ['m'], quirks: { reasoningControl: 'thinking' } },
    ]
    const expected = { efforts: ['high'], reasoningRequired: true }
    assert.deepEqual(modelQuirks(known({ reasoning_options: dial }), statements), expected)
    assert.deepEqual(routeQuirks('m', 'acme', statements), { reasoningControl: 'thinking' })
    assert.equal(routeQuirks('m', 'else', statements), undefined)
  })

  test('the public service is asked for an effort only where it lists some', () => {
    assert.equal(publicServiceQuirks(known({ reasoning_options: dial }), 'openai-chat'), undefined)
    const plain = known({ reasoning_options: [] })
    assert.deepEqual(publicServiceQuirks(plain, 'openai-chat'), { reasoningControl: 'none' })
    assert.equal(publicServiceQuirks(plain, 'anthropic-messages'), undefined)
  })

  test('a statement about a model that no source knows stops the build', () => {
    assert.throws(() => readStatements({ zen: new Map(), go: new Map() }), /no source knows claude-/)
  })
})
