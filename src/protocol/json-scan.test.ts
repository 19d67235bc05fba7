import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AppError } from '../base/errors.ts'
import { elementSpans, scanTopLevel, watchKeys } from './json-scan.ts'

const bytesOf = (text: string): Buffer => Buffer.from(text)

function refusal(body: string | Uint8Array, wanted: string[] = [], maxDepth?: number): AppError {
  const bytes = typeof body === 'string' ? bytesOf(body) : body
  try {
    scanTopLevel(bytes, wanted, maxDepth === undefined ? {} : { maxDepth })
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  assert.fail('was accepted')
}

/** What the scan accepts: what `JSON.parse` accepts, if it is an object. */
function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

function isScanned(bytes: Uint8Array): boolean {
  try {
    scanTopLevel(bytes, [])
    return true
  } catch (error) {
    assert.ok(error instanceof AppError, `threw ${String(error)}`)
    assert.equal(error.code, 'invalid_request')
    return false
  }
}

const isAscii = (text: string): boolean => Buffer.byteLength(text) === text.length
const fold = (text: string): string => text.replaceAll('ſ', 's').replaceAll('K', 'k').toLowerCase()
const foldsTo = (text: string, other: string): boolean => fold(text) === fold(other)
const anyKey = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary-ascii' }))
const anyObject = fc.dictionary(anyKey, fc.jsonValue({ maxDepth: 5 }), { maxKeys: 8 })
const anySpacing = fc.constantFrom(undefined, 1, 4, '\t', '\r\n ')

describe('scanTopLevel', () => {
  it('finds each member where JSON.parse reads it, at any alignment in memory', () => {
    fc.assert(
      fc.property(anyObject, anySpacing, fc.nat(7), (object, spacing, shift) => {
        const text = JSON.stringify(object, null, spacing)
        const bytes = Buffer.concat([Buffer.alloc(shift, '"'), bytesOf(text), Buffer.alloc(5, '\\')])
        const view = new Uint8Array(bytes.buffer, bytes.byteOffset + shift, Buffer.byteLength(text))
        const keys = Object.keys(object)
        const isTwice = (key: string): boolean => keys.filter((other) => foldsTo(other, key)).length > 1
        const wanted = keys.filter((key) => isAscii(key) && key === key.toLowerCase() && !isTwice(key))
        const found = scanTopLevel(view, wanted)
        assert.deepEqual([...found.values.keys()].sort(), wanted.sort())
        for (const [key, { start, end }] of found.values) {
          const value: unknown = JSON.parse(Buffer.from(view.subarray(start, end)).toString())
          assert.deepEqual(value, Object.getOwnPropertyDescriptor(JSON.parse(text), key)?.value)
        }
        assert.equal(view[found.closeAt], 0x7d)
        assert.equal(found.isEmpty, Object.keys(object).length === 0)
      }),
      { numRuns: 500 },
    )
  })

  it('accepts exactly what JSON.parse accepts, however a body is damaged', () => {
    const piece = fc.oneof(
      fc.constantFrom(...'{}[]",:\\/ \n\t\0\u001f0123456789-+.eEtfnrualsb'),
      fc.string({ maxLength: 3 }),
    )
    fc.assert(
      fc.property(anyObject, anySpacing, fc.nat(), fc.nat(3), piece, (object, spacing, where, removed, inserted) => {
        const text = JSON.stringify(object, null, spacing)
        const at = where % (text.length + 1)
        const damaged = text.slice(0, at) + inserted + text.slice(at + removed)
        if (!damaged.isWellFormed()) return
        assert.equal(isScanned(bytesOf(damaged)), isJsonObject(damaged), JSON.stringify(damaged))
      }),
      { numRuns: 5000 },
    )
  })

  it('accepts exactly what JSON.parse accepts among short texts of JSON characters', () => {
    const text = fc.string({ unit: fc.constantFrom(...'{}[]",:\\ 01-.eEutrfalsn'), maxLength: 12 })
    fc.assert(
      fc.property(text, (inner) => {
        for (const body of [inner, `{"a":${inner}}`, `{"a":"${inner}"}`, `{${inner}}`]) {
          assert.equal(isScanned(bytesOf(body)), isJsonObject(body), body)
        }
      }),
      { numRuns: 5000 },
    )
  })

  it('refuses arbitrary bytes with a typed error and never hangs', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        isScanned(bytes)
        isScanned(Buffer.concat([bytesOf('{"a":'), bytes]))
      }),
    )
  })

  it('allows a byte order mark and white space around the object, and nothing else', () => {
    assert.deepEqual(scanTopLevel(bytesOf('\ufeff \r\n\t{"a":1} \n'), ['a']).values.get('a'), { start: 12, end: 13 })
    assert.match(refusal('{"a":1} x').message, /byte 8/)
    assert.match(refusal('{"a":1}{"a":1}').message, /byte 7/)
    for (const body of ['', ' ', '[]', '"x"', 'null', '1']) assert.match(refusal(body).message, /JSON object/)
  })

  it('reads a key as the text it spells', () => {
    const body = '{"mod\\u0065l":"a","\\u006e":2,"model\\u0000":3}'
    const { values } = scanTopLevel(bytesOf(body), ['model', 'n'])
    assert.equal(body.slice(values.get('model')?.start, values.get('model')?.end), '"a"')
    assert.equal(body.slice(values.get('n')?.start, values.get('n')?.end), '2')
  })

  it('refuses a wanted key in other letters, which some upstreams read as the same', () => {
    for (const key of ['"Model"', '"MODEL"', '"\\u004dodel"', '"mode\\u004c"']) {
      assert.equal(refusal(`{"model":"free",${key}:"dear"}`, ['model']).param, 'model')
    }
    assert.equal(refusal('{"max_token\u017f":1}', ['max_tokens']).param, 'max_tokens')
    assert.equal(refusal('{"max_to\\u212aens":1}', ['max_tokens']).param, 'max_tokens')
  })

  it('refuses a second spelling of a wanted key, and lets others repeat', () => {
    for (const second of ['"model"', '"\\u006dodel"', '"mode\\u006c"']) {
      const error = refusal(`{"model":"free","x":[{"model":1}],${second}:"dear"}`, ['model'])
      assert.equal(error.param, 'model')
      assert.match(error.message, /twice/)
    }
    assert.equal(scanTopLevel(bytesOf('{"x":1,"x":2,"y":{"model":1,"model":2}}'), ['model']).values.size, 0)
  })

  it('sees a watched key at every depth, however it is spelled, and never a value or a text about it', () => {
    const watch = watchKeys(['file_id', 'cachedContent'])
    const seen = (body: string): string[] => [...scanTopLevel(Buffer.from(body), ['model'], { watch }).seen]
    for (const body of [
      '{"file_id":1}',
      '{"a":[{"b":{"file_id":[]}}]}',
      String.raw`{"a":{"file\u005fid":1}}`,
      '{"a":{"FILE_ID":1}}',
      '{"a":{"\u017fx":0,"file_id":1}}',
    ]) {
      assert.deepEqual(seen(body), ['file_id'], body)
    }
    assert.deepEqual(seen('{"a":{"cachedContent":1},"file_id":2}').sort(), ['cachedContent', 'file_id'])
    for (const body of ['{"a":"file_id"}', String.raw`{"a":"\"file_id\":1"}`, '{"file_ids":1,"ile_id":2}', '{}']) {
      assert.deepEqual(seen(body), [], body)
    }
  })

  it('finds the elements of an array that it has scanned', () => {
    const elements = fc.array(fc.jsonValue(), { maxLength: 6 })
    fc.assert(
      fc.property(elements, fc.constantFrom(0, 2), (list, indent) => {
        const bytes = Buffer.from(JSON.stringify({ model: 'm', input: list }, null, indent))
        const span = scanTopLevel(bytes, ['input']).values.get('input')
        assert.ok(span)
        const found = elementSpans(bytes, span).map(({ start, end }) => JSON.parse(bytes.toString('utf8', start, end)))
        assert.deepEqual(found, JSON.parse(JSON.stringify(list)))
      }),
    )
  })

  it('names the fault and its byte, and never quotes the body', () => {
    const secret = 'SECRET-PROMPT'
    const cases: [string, RegExp][] = [
      [`{"${secret}`, /not closed \(byte 1\)/],
      [`{"${secret}\n":1}`, /control character stands in a string \(byte 15\)/],
      [`{"${secret}":"\\x"}`, /escape is malformed \(byte 18\)/],
      [`{"${secret}":"\\u12g4"}`, /escape is malformed \(byte 18\)/],
      [`{"${secret}" 1}`, /colon is missing \(byte 17\)/],
      [`{"${secret}":[1,]}`, /value is missing \(byte 20\)/],
      [`{"${secret}":1,}`, /key is missing \(byte 19\)/],
      [`{"${secret}":[1}`, /closing bracket is missing \(byte 19\)/],
      [`{"${secret}":01}`, /comma or the end of the object is missing \(byte 18\)/],
      [`{"${secret}":1.}`, /number is malformed \(byte 19\)/],
      [`{"${secret}":nul}`, /value is missing \(byte 17\)/],
    ]
    for (const [body, message] of cases) {
      const error = refusal(body)
      assert.match(error.message, message)
      assert.ok(!error.message.includes(secret))
    }
  })

  it('bounds the depth, and deep nesting costs no stack', () => {
    const nested = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
    assert.equal(scanTopLevel(bytesOf(nested(256)), []).isEmpty, false)
    assert.match(refusal(nested(257)).message, /more than 256 brackets are open/)
    assert.equal(scanTopLevel(bytesOf(nested(3)), [], { maxDepth: 3 }).isEmpty, false)
    assert.match(refusal(nested(4), [], 3).message, /more than 3/)
    const endless = Buffer.alloc(4_000_000, '[')
    endless.write('{"a":')
    assert.match(refusal(endless).message, /more than 256/)
    assert.equal(scanTopLevel(bytesOf(nested(100_000)), [], { maxDepth: 100_000 }).isEmpty, false)
  })

  it('leaves text that is not UTF-8 to the upstream', () => {
    const bytes = Buffer.concat([bytesOf('{"a":"'), Buffer.from([0xff, 0xc3, 0x80]), bytesOf('"}')])
    assert.deepEqual(scanTopLevel(bytes, ['a']).values.get('a'), { start: 5, end: 10 })
  })
})
