/** Seals on what upstreams signed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { array, assert as check, constantFrom, option, property, record, string, stringMatching } from 'fast-check'
import { PROTOCOLS } from '../../base/words.ts'
import { packThoughts, unpackThoughts } from './bundle.ts'
import { isMintedBy, openSeal, openSealBase64, type SealKind, seal, sealBase64 } from './seal.ts'

const mints = record(
  { protocol: constantFrom(...PROTOCOLS), account: option(stringMatching(/^[0-9a-z]{8}$/)) },
  { noNullPrototype: true },
)
const kinds = constantFrom<SealKind>('signature', 'redacted', 'bundle')

describe('a seal', () => {
  test('gives back who made it and what it holds, whatever that is', () => {
    check(
      property(mints, kinds, string(), (mint, kind, payload) => {
        assert.deepEqual(openSeal(seal(mint, kind, payload)), { mint, kind, payload })
        assert.deepEqual(openSealBase64(sealBase64(mint, kind, payload)), { mint, kind, payload })
      }),
    )
  })

  test('is on nothing that an upstream made itself', () => {
    for (const text of ['', 'EqQBCkYIBRgCKkA', 'zendo', 'zendo.x.s.', 'zendo.m12.s', 'gAAAAABo']) {
      assert.equal(openSeal(text), null, text)
      assert.equal(openSealBase64(text), null, text)
    }
  })

  test('sends nothing to an account that did not make it', () => {
    const mint = { protocol: 'anthropic-messages', account: 'aaaaaaaa' } as const
    assert.equal(isMintedBy(mint, 'anthropic-messages', 'aaaaaaaa'), true)
    assert.equal(isMintedBy(mint, 'anthropic-messages', 'bbbbbbbb'), false)
    assert.equal(isMintedBy(mint, 'openai-chat', 'aaaaaaaa'), false)
    assert.equal(isMintedBy({ ...mint, account: null }, 'anthropic-messages', 'bbbbbbbb'), true)
    assert.equal(isMintedBy(null, 'anthropic-messages', 'aaaaaaaa'), false)
  })
})

describe('a bundle', () => {
  const mint = { protocol: 'google-generate', account: 'k' } as const

  test('holds whole thinking blocks', () => {
    check(
      property(array(record({ text: string(), signature: option(string()) })), string(), (thoughts, data) => {
        const blocks = [
          ...thoughts.map((thought) => ({ type: 'thinking', ...thought, mint }) as const),
          { type: 'redacted-thinking', data, mint } as const,
        ]
        assert.deepEqual(unpackThoughts(packThoughts(blocks), mint), blocks)
      }),
    )
  })

  test('that cannot be read holds nothing', () => {
    for (const payload of [
      '',
      '%%%',
      Buffer.from('{"t":1}').toString('base64'),
      Buffer.from('[1,{}]').toString('base64'),
    ]) {
      assert.deepEqual(unpackThoughts(payload, mint), [])
    }
  })
})
