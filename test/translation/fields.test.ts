/** No field of any request is lost in translation without a word. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { PROTOCOLS } from '../../src/base/words.ts'
import { withParts } from '../../tools/config-reference.ts'
import { TRANSLATION_PAGE, translationPageParts } from '../../tools/translation-reference.ts'
import { membersOf, readDeclarations } from './declarations.ts'
import { declaredFields } from './declared-fields.ts'
import { COMPATIBLE, differences, OWN_VENDOR, observe } from './outcome.ts'
import { FINISHES, isDelivered, REPLY_PARTS, readFinishes, writtenFinish } from './replies.ts'
import { SAMPLES, sampleBodies, samplePaths } from './samples.ts'
import { requestFields } from './sources.ts'

describe('samples', () => {
  for (const protocol of PROTOCOLS) {
    const { values, wholes, silent } = SAMPLES[protocol]
    const paths = new Set(samplePaths(protocol))

    test(`${protocol}: every field that the vendor's SDK declares has one`, () => {
      const fields = requestFields(protocol, (path) => Object.hasOwn(wholes, path))
      assert.ok(fields.length > 100, `${fields.length} fields read`)
      const missing = fields.filter(({ path, isRequired }) => !isRequired && !paths.has(path))
      assert.deepEqual(
        missing.map(({ path }) => path),
        [],
      )
    })

    test(`${protocol}: a path is sampled once, and excused only when it is sampled`, () => {
      assert.equal(paths.size, Object.keys(values).length + Object.keys(wholes).length)
      assert.deepEqual(
        Object.keys(silent).filter((path) => !paths.has(path)),
        [],
      )
    })

    test(`${protocol}: its own vendor gets everything as it came`, () => {
      for (const path of paths) {
        const outcome = observe(sampleBodies(SAMPLES[protocol], path), protocol, protocol)
        const isSound = outcome.type === 'kept' || outcome.type === 'mapped' || Object.hasOwn(silent, path)
        assert.ok(isSound, `${path}: ${JSON.stringify(outcome)}`)
      }
    })
  }
})

describe('no field is silent', () => {
  for (const from of PROTOCOLS) {
    for (const to of PROTOCOLS) {
      test(`${from} to ${to}`, () => {
        const { silent } = SAMPLES[from]
        const lost = samplePaths(from).filter((path) => {
          if (Object.hasOwn(silent, path)) return false
          const sample = sampleBodies(SAMPLES[from], path)
          return [OWN_VENDOR, COMPATIBLE].some((quirks) => observe(sample, from, to, quirks).type === 'silent')
        })
        assert.deepEqual(lost, [])
      })
    }
  }
})

describe('the readers', () => {
  test('find members, optional ones, nested types, unions and lists', () => {
    assert.deepEqual(membersOf("a: string; b?: Array<{ c: 'x;y' }>; [key: string]: unknown"), [
      { name: 'a', isOptional: false, type: 'string' },
      { name: 'b', isOptional: true, type: "Array<{ c: 'x;y' }>" },
    ])
    const source = `
      /** A; comment { */
      export interface Body extends Base { messages: Array<Ns.Text | Ns.Image>; mode?: 'a' | 'b' }
      export interface Base { model: string }
      export declare namespace Ns {
        interface Text { type: 'text'; text: string; mark?: Mark | null }
        interface Image { type: 'image'; source?: { url?: string } }
        type Mark = { ttl?: string };
      }`
    const declarations = readDeclarations([new URL(`data:text/plain,${encodeURIComponent(source)}`)])
    const fields = declaredFields(declarations, 'Body', { isWhole: () => false })
    assert.deepEqual(
      fields.map(({ path, isRequired }) => `${isRequired ? '!' : ''}${path}`),
      [
        'model',
        'messages',
        'messages[]<text>',
        '!messages[]<text>.text',
        'messages[]<text>.mark',
        'messages[]<text>.mark.ttl',
        'messages[]<image>',
        'messages[]<image>.source',
        'messages[]<image>.source.url',
        'mode',
      ],
    )
  })

  test('name the paths at which two bodies differ', () => {
    assert.deepEqual(differences({ a: [{ b: 1, c: 2 }], d: 1 }, { a: [{ b: 2, c: 2 }], d: 1, e: 1 }), ['a[].b', 'e'])
    assert.deepEqual(differences({ a: 1 }, { a: 1 }), [])
  })
})

describe('docs/reference/translation.md', () => {
  test('says what the codecs do', () => {
    const page = readFileSync(TRANSLATION_PAGE, 'utf8')
    assert.equal(withParts(page, translationPageParts()), page, 'run: node tools/translation-reference.ts')
  })

  test('knows every word of the vendors for why a reply ended', () => {
    for (const protocol of PROTOCOLS) assert.ok(readFinishes(protocol).length >= 4, protocol)
    for (const protocol of PROTOCOLS) {
      for (const finish of FINISHES) assert.match(writtenFinish(protocol, finish), /^[A-Za-z_]+(: [a-z_]+)?$/)
    }
  })

  test('text, thoughts and calls get through to every client', () => {
    for (const name of [
      'text',
      'refusal',
      'thoughts',
      'signature of thoughts',
      'redacted thoughts',
      'call of a function',
    ]) {
      const part = REPLY_PARTS[name]
      assert.ok(part)
      for (const client of PROTOCOLS) assert.ok(isDelivered(client, part), `${name} to ${client}`)
    }
  })
})
