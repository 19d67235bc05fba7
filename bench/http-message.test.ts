/** The message reader must see the same messages however the bytes are cut; a lost byte would be blamed on a gateway. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMessageReader } from './http-message.ts'

const STREAM = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' +
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;note=1\r\n0123456789\r\n0\r\nx-end: 1\r\n\r\n' +
    'HTTP/1.1 204 No Content\r\n\r\n' +
    'HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nok',
)

test('every cut of the bytes gives the same messages', () => {
  const expected = ['200:hello', '200:abc0123456789', '204:', '200:ok']
  for (let first = 0; first <= STREAM.length; first++) {
    for (const size of [1, 7, STREAM.length]) assert.deepEqual(readCut(first, size), expected, `cut ${first}/${size}`)
  }
})

test('a wrong chunk size is an error, not silence', () => {
  const read = createMessageReader({ onHead: () => {}, onBody: () => {}, onEnd: () => {} })
  assert.throws(
    () => read(Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n')),
    /not a chunk size/,
  )
})

function readCut(first: number, size: number): string[] {
  const messages: string[] = []
  let current = ''
  const read = createMessageReader({
    onHead: (head) => {
      current = `${head.split(' ')[1]}:`
    },
    onBody: (bytes, start, end) => {
      current += bytes.toString('latin1', start, end)
    },
    onEnd: () => messages.push(current),
  })
  if (first > 0) read(STREAM.subarray(0, first))
  for (let at = first; at < STREAM.length; at += size) read(STREAM.subarray(at, at + size))
  return messages
}
