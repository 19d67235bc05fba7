import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { createSealer, SealError } from './seal.ts'

const OLD = 'an old root key of many characters, 1'
const NEW = 'a new root key of many characters, 2'
const CONTEXT = ['credential', 'cred_1', 'wrk_1', 'acme', '']
const SECRET = 'sk-CANARY-0123456789'

describe('seal', () => {
  const sealer = createSealer([NEW])

  it('gives back what was sealed, and shows nothing of it', () => {
    const sealed = sealer.seal(SECRET, CONTEXT)
    assert.equal(sealer.open(sealed, CONTEXT), SECRET)
    assert.ok(sealed.startsWith(sealer.prefix))
    assert.equal(sealed.includes('CANARY'), false)
    for (const part of sealed.split('.')) {
      assert.equal(Buffer.from(part, 'base64url').toString('latin1').includes('CANARY'), false)
    }
  })

  it('opens for its own context alone: not for another row, workspace, provider, address or field', () => {
    const sealed = sealer.seal(SECRET, CONTEXT)
    for (const index of CONTEXT.keys()) {
      const other = CONTEXT.with(index, `${CONTEXT[index]}x`)
      assert.throws(() => sealer.open(sealed, other), SealError, other.join(' '))
      assert.throws(() => createSealer([OLD, NEW]).rewrap(sealed, other), SealError, other.join(' '))
    }
    assert.throws(() => sealer.open(sealed, ['credential', 'cred_1', 'wrk_1', 'acme']), SealError)
    assert.throws(() => sealer.open(sealed, ['credential', 'cred_1wrk_1', 'acme', '', '']), SealError)
  })

  it('takes no part of one for a part of another', () => {
    const one = sealer.seal(SECRET, CONTEXT).split('.')
    const two = sealer.seal('another secret', CONTEXT).split('.')
    const mixed = [one[0], one[1], one[2], two[3]].join('.')
    assert.throws(() => sealer.open(mixed, CONTEXT), SealError)
    const swapped = [one[0], one[1], one[3], one[2]].join('.')
    assert.throws(() => sealer.open(swapped, CONTEXT), SealError)
  })

  it('opens no text of which one bit was flipped, one character left out, or one put in', () => {
    const sealed = sealer.seal(SECRET, CONTEXT)
    for (let at = 0; at < sealed.length; at++) {
      const code = sealed.charCodeAt(at)
      for (let bit = 0; bit < 8; bit++) {
        const changed = sealed.slice(0, at) + String.fromCharCode(code ^ (1 << bit)) + sealed.slice(at + 1)
        assert.throws(() => sealer.open(changed, CONTEXT), SealError, `bit ${bit} of character ${at}`)
      }
      assert.throws(() => sealer.open(sealed.slice(0, at) + sealed.slice(at + 1), CONTEXT), SealError)
      assert.throws(() => sealer.open(`${sealed.slice(0, at)}A${sealed.slice(at)}`, CONTEXT), SealError)
    }
  })

  it('opens nothing under another key, and says nothing of either', () => {
    const sealed = sealer.seal(SECRET, CONTEXT)
    try {
      createSealer([OLD]).open(sealed, CONTEXT)
      assert.fail('it was opened')
    } catch (error) {
      assert.ok(error instanceof SealError)
      assert.equal(/CANARY|root key/.test(`${error.message} ${error.stack}`), false)
    }
  })

  it('wraps again under the newest key without touching the content; the old key is then of no use', () => {
    const old = createSealer([OLD]).seal(SECRET, CONTEXT)
    const both = createSealer([NEW, OLD])
    const wrapped = both.rewrap(old, CONTEXT)
    assert.equal(both.open(old, CONTEXT), SECRET)
    assert.equal(sealer.open(wrapped, CONTEXT), SECRET)
    assert.equal(wrapped.split('.')[3], old.split('.')[3])
    assert.equal(both.rewrap(wrapped, CONTEXT), wrapped)
    assert.throws(() => createSealer([OLD]).open(wrapped, CONTEXT), SealError)
  })

  it('never uses a nonce twice, in 100,000 seals', () => {
    const nonces = new Set<string>()
    const count = 100_000
    for (let i = 0; i < count; i++) {
      const [, , wrapped = '', content = ''] = sealer.seal('s', CONTEXT).split('.')
      nonces.add(wrapped.slice(0, 16))
      nonces.add(content.slice(0, 16))
    }
    assert.equal(nonces.size, 2 * count)
  })

  it('takes for broken whatever it did not write', () => {
    const texts = ['', '.', '...', 'v1', `${sealer.prefix}`, `${sealer.prefix}AA.AA`, `${sealer.prefix}.`, 'v2.a.b.c']
    for (const text of [...texts, randomBytes(200).toString('base64url')]) {
      assert.throws(() => sealer.open(text, CONTEXT), SealError, text)
    }
  })
})
