import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatTags, mergeTags, parseTags, storedTag, tagValue } from './tags.ts'

describe('tags', () => {
  it('of a key come first, and cannot be relabelled by a request', () => {
    assert.equal(mergeTags(['team=core', 'ci'], 'team=other,ci=1,nightly,team'), ',ci,nightly,team=core,')
    assert.equal(mergeTags(['team=core'], undefined), ',team=core,')
    assert.equal(mergeTags([], 'nightly'), ',nightly,')
    assert.equal(parseTags(mergeTags(['team=core'], 'a,b,c,d,e,f,g,h,i,j,k')).length, 10)
    assert.ok(parseTags(mergeTags(['team=core'], 'a,b,c,d,e,f,g,h,i,j,k')).includes('team=core'))
  })

  it('are stored sorted and once each, so that equal sets are equal texts', () => {
    assert.equal(formatTags('team=core, nightly,team=core'), ',nightly,team=core,')
    assert.equal(formatTags('nightly,team=core'), formatTags(' team=core ,nightly,'))
    assert.deepEqual(parseTags(',nightly,team=core,'), ['nightly', 'team=core'])
  })

  it('that are none are left out, and with them nothing else', () => {
    assert.equal(formatTags('a b,ok,<script>,"x",é,a\u0000'), ',ok,')
    for (const header of [undefined, '', ' , ,', 'a b', 'x'.repeat(65)]) assert.equal(formatTags(header), null)
  })

  it('are at most ten of at most 64 characters', () => {
    const many = Array.from({ length: 1000 }, (_, index) => `tag-${String(index).padStart(4, '0')}`)
    const stored = formatTags(many.join(','))
    assert.deepEqual(parseTags(stored), many.slice(0, 10))
    const longest = 'x'.repeat(64)
    assert.equal(formatTags(longest), `,${longest},`)
  })

  it('are found whole in the stored text, never as a part of another', () => {
    const stored = formatTags('team=core-api,core')
    assert.ok(stored?.includes(storedTag('core')))
    assert.ok(!stored?.includes(storedTag('team=core')))
  })

  it('have a value by name', () => {
    const stored = formatTags('team=core,nightly,url=a=b,team=api,teams=x')
    assert.equal(tagValue(stored, 'team'), 'api,core')
    assert.equal(tagValue(stored, 'url'), 'a=b')
    assert.equal(tagValue(stored, 'nightly'), '')
    assert.equal(tagValue(stored, 'tea'), null)
    assert.equal(tagValue(null, 'team'), null)
  })
})
