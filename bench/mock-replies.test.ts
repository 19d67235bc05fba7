/** The mock says the same in every protocol; an answer that says something else, or less, is told apart. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differenceFrom, endMarkOf, readAnswer } from './answer.ts'
import { isStreamed } from './bodies.ts'
import { createMessageReader } from './http-message.ts'
import type { BodyKind } from './job.ts'
import { FIRST_TOKEN_TEXT, REPLIES, SCRIPTS } from './mock-replies.ts'
import { MOCK_PROTOCOLS, type MockProtocol } from './pairs.ts'

const KINDS = Object.keys(SCRIPTS) as BodyKind[]

function bodyOf(parts: readonly Buffer[]): string {
  let body = ''
  let ends = 0
  const read = createMessageReader({
    onHead: () => {},
    onBody: (bytes, start, end) => {
      body += bytes.toString('utf8', start, end)
    },
    onEnd: () => ends++,
  })
  for (const part of parts) read(part)
  assert.equal(ends, 1)
  return body
}

function replyIn(protocol: MockProtocol, kind: BodyKind): string {
  return bodyOf(REPLIES[protocol][kind].parts)
}

for (const protocol of MOCK_PROTOCOLS) {
  test(`${protocol}: every answer says what the script says`, () => {
    for (const kind of KINDS) {
      const answer = readAnswer(protocol, isStreamed(kind), replyIn(protocol, kind))
      assert.equal(differenceFrom(SCRIPTS[kind], answer), undefined, kind)
    }
  })

  test(`${protocol}: a stream has its end mark once, and its first token in the first part only`, () => {
    for (const kind of KINDS.filter(isStreamed)) {
      assert.equal(replyIn(protocol, kind).split(endMarkOf(protocol)).length, 2, kind)
      assert.ok(REPLIES[protocol][kind].parts[0]?.includes(FIRST_TOKEN_TEXT), kind)
    }
  })

  test(`${protocol}: lost text and lost tokens are found`, () => {
    const body = replyIn(protocol, 'paced')
    const lostWord = readAnswer(protocol, true, body.replace('word8 ', ''))
    assert.match(differenceFrom(SCRIPTS.paced, lostWord) ?? '', /^text of \d+ characters/)
    const lostTokens = readAnswer(protocol, true, body.replaceAll('1024', '1023'))
    assert.match(differenceFrom(SCRIPTS.paced, lostTokens) ?? '', /cachedTokens 1023, not 1024/)
  })
}

test('no end mark has its first character twice: the search for it never goes back', () => {
  for (const protocol of [...MOCK_PROTOCOLS, 'google-generate'] as const) {
    const mark = endMarkOf(protocol)
    assert.equal(mark.lastIndexOf(mark.charAt(0)), 0, protocol)
  }
})
