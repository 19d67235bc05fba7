/** What Google's protocol has in the URL. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { countedBody, readGoogleTarget } from './google-path.ts'
import { parseProductPath } from './path.ts'

describe('a Google path', () => {
  test('names model, action and framing', () => {
    assert.deepEqual(readGoogleTarget('models/gemini-3:generateContent', ''), {
      model: 'gemini-3',
      action: 'generateContent',
      form: 'array',
    })
    assert.equal(readGoogleTarget('models/gemini-3:streamGenerateContent', 'alt=sse&key=x').form, 'sse')
    assert.equal(readGoogleTarget('models/gemini-3:streamGenerateContent', 'alt=json').form, 'array')
    assert.equal(readGoogleTarget('models/sim/echo:countTokens', '').model, 'sim/echo')
    assert.equal(readGoogleTarget('models/sim%2Fecho%3AgenerateContent', '').model, 'sim/echo')
  })

  test('that asks for anything else is refused by name', () => {
    for (const tail of [
      'models/gemini-3',
      'models/:generateContent',
      'models/m:predict',
      'models/m:generateContent/x',
    ]) {
      assert.throws(() => readGoogleTarget(tail, ''), { code: 'route_not_found' }, tail)
    }
    assert.throws(() => readGoogleTarget('models/%E0%A4%A:generateContent', ''), { code: 'invalid_request' })
  })

  test('is found below both versions, doubled and missing ones too', () => {
    const tail = 'models/m:generateContent'
    for (const path of ['/zen/v1beta/', '/zen/v1/', '/zen/', '/zen/v1/v1beta/', '/zen/v1beta/v1beta/']) {
      const place = parseProductPath(path + tail)
      assert.equal(place?.tail, tail, path)
      assert.equal(place?.isBeta, path.includes('beta'), path)
    }
    assert.deepEqual(parseProductPath('/zen/go/v1beta/models'), { product: 'go', isBeta: true, tail: 'models' })
  })
})

describe('what is to be counted', () => {
  test('is the body, or the whole request that it wraps', () => {
    const plain = Buffer.from('{"contents":[]}')
    assert.equal(countedBody(plain), plain)
    assert.equal(countedBody(Buffer.from('{"generateContentRequest":{"contents":[1]}}')).toString(), '{"contents":[1]}')
    const broken = Buffer.from('{')
    assert.equal(countedBody(broken), broken)
  })
})
