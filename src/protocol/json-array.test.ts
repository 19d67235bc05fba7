import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AppError } from '../base/errors.ts'
import { createJsonArrayScanner } from './json-array.ts'
import type { SseBlock } from './sse.ts'

function scan(chunks: readonly Buffer[], maxEventBytes?: number) {
  const scanner = createJsonArrayScanner(maxEventBytes === undefined ? {} : { maxEventBytes })
  const blocks: SseBlock[] = []
  for (const chunk of chunks) {
    scanner.feed(chunk)
    for (let block = scanner.next(); block !== null; block = scanner.next()) blocks.push(block)
  }
  const last = scanner.finish()
  if (last) blocks.push(last)
  const elements = blocks
    .filter(({ kind }) => kind === 'event')
    .map(({ data, dataStart, dataEnd }) => data.toString('utf8', dataStart, dataEnd))
  const bytes = Buffer.concat(blocks.map(({ bytes, start, end }) => bytes.subarray(start, end)))
  return { elements, bytes, blocks }
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[i % sizes.length] ?? 1)
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

const element = fc.oneof(
  fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }),
  fc.record({ text: fc.constantFrom('a "b" }', '\\', '\\"]', '{[', 'é😀\n', ''), more: fc.array(fc.integer()) }),
)
const space = fc.constantFrom('', ' ', '\n', '\r\n', '\r\n,\r\n'.slice(0, 2), '\t')

describe('the elements of a streamed JSON array', () => {
  it('are the same however the chunks are cut, and nothing is lost between them', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 })
    fc.assert(
      fc.property(fc.array(element), space, space, fc.boolean(), sizes, (elements, before, after, pretty, cuts) => {
        const texts = elements.map((value) => JSON.stringify(value, null, pretty ? 2 : undefined))
        const whole = Buffer.from(`${before}[${texts.join(`${after},${before}`)}${after}]${after}`)
        const found = scan(cut(whole, cuts))
        assert.deepEqual(found.elements, texts)
        assert.deepEqual(found.bytes, whole)
      }),
    )
  })

  it('lie in the chunk that they came in', () => {
    const chunk = Buffer.from('[{"a":1}\n,\r\n{"b":[2]}]')
    const { blocks } = scan([chunk])
    assert.ok(blocks.every(({ bytes, data }) => bytes === chunk && data === chunk))
    assert.deepEqual(
      blocks.map(({ kind, start, end }) => [kind, chunk.toString('utf8', start, end)]),
      [
        ['other', '['],
        ['event', '{"a":1}'],
        ['other', '\n,\r\n'],
        ['event', '{"b":[2]}'],
        ['other', ']'],
      ],
    )
  })

  it('are told from one that was cut off', () => {
    const { blocks } = scan([Buffer.from('[{"a":1},{"b'), Buffer.from('":')])
    assert.deepEqual(
      blocks.filter(({ kind }) => kind === 'event').map(({ isTerminated }) => isTerminated),
      [true, false],
    )
    assert.ok(scan([Buffer.from('[{"a":1}]')]).blocks.every(({ isTerminated }) => isTerminated))
  })

  it('are found in a body that is no array, such as an error', () => {
    assert.deepEqual(scan([Buffer.from('{"error":{"code":503}}\n')]).elements, ['{"error":{"code":503}}'])
  })

  it('have a limit, in one chunk and over several', () => {
    const big = Buffer.from(`[{"a":"${'x'.repeat(100)}"}]`)
    const isTooLarge = (error: unknown): boolean => error instanceof AppError && error.code === 'upstream_unavailable'
    assert.throws(() => scan([big], 50), isTooLarge)
    assert.throws(() => scan(cut(big, [10]), 50), isTooLarge)
    assert.equal(scan([big], 200).elements.length, 1)
  })

  it('give out the bytes that no block has returned yet', () => {
    const scanner = createJsonArrayScanner()
    scanner.feed(Buffer.from('[{"a":'))
    while (scanner.next());
    scanner.feed(Buffer.from('1},{"b":2}]'))
    assert.equal(scanner.next()?.kind, 'event')
    assert.equal(Buffer.concat(scanner.takeRest()).toString(), ',{"b":2}]')
    assert.equal(scanner.next(), null)
    assert.equal(scanner.finish(), null)
  })
})
