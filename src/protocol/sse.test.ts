import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AppError } from '../base/errors.ts'
import { createSseScanner, type SseBlock } from './sse.ts'

interface Seen {
  readonly text: string
  readonly name: string | null
  readonly data: string | null
}

function scan(
  chunks: readonly Buffer[],
  maxEventBytes?: number,
): { events: Seen[]; bytes: Buffer; blocks: SseBlock[] } {
  const scanner = createSseScanner(maxEventBytes === undefined ? {} : { maxEventBytes })
  const blocks: SseBlock[] = []
  for (const chunk of chunks) {
    scanner.feed(chunk)
    for (let block = scanner.next(); block !== null; block = scanner.next()) blocks.push(block)
  }
  const last = scanner.finish()
  if (last) blocks.push(last)
  const pieces = blocks.map((block) => block.bytes.subarray(block.start, block.end))
  const events = blocks
    .filter((block) => block.kind === 'event')
    .map((block) => ({
      text: block.bytes.toString('latin1', block.start, block.end),
      name: block.name,
      data: block.data.toString('latin1', block.dataStart, block.dataEnd),
    }))
  return { events, bytes: Buffer.concat(pieces), blocks }
}

/** A second reading of the format, over the whole text at once: lines, then fields, then blank lines. */
function reference(text: string): { name: string | null; data: string }[] {
  const events: { name: string | null; data: string }[] = []
  let data: string[] = []
  let name: string | null = null
  const dispatch = (): void => {
    if (data.length > 0) events.push({ name, data: data.join('\n') })
    data = []
    name = null
  }
  const lines = text.replace(/^\u00ef\u00bb\u00bf/, '').split(/\r\n|\n|\r/)
  for (const line of lines) {
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (line === '') dispatch()
    else if (field === 'data') data.push(value ?? '')
    else if (field === 'event') name = value || null
  }
  dispatch()
  return events
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

const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
const line = fc.constantFrom(
  ...[
    '',
    '',
    ': comment',
    ':',
    'data: {"a":1}',
    'data:x',
    'data',
    'data:',
    'data:  two spaces',
    'event: ping',
    'event:',
  ],
  ...['event', 'id: 7', 'retry: 5', 'database: x', 'dat', 'eventful', 'garbage', ' data: x', 'data: a:b', 'data: \xff'],
)
const anyStream = fc
  .tuple(
    fc.boolean(),
    fc.array(fc.tuple(line, lineEnd), { maxLength: 14 }),
    fc.constantFrom('', 'data: end', 'x', ': y'),
  )
  .map(([mark, lines, tail]) => mark + lines.map((pair) => pair.join('')).join('') + tail)
const anySizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 })

describe('createSseScanner', () => {
  it('finds the events of the format, and gives back every byte, however the stream is cut into chunks', () => {
    fc.assert(
      fc.property(anyStream, anySizes, (text, sizes) => {
        const bytes = Buffer.from(text, 'latin1')
        for (const chunks of [[bytes], cut(bytes, sizes), cut(bytes, [1])]) {
          const seen = scan(chunks)
          assert.deepEqual(
            seen.events.map(({ name, data }) => ({ name, data })),
            reference(text),
          )
          assert.deepEqual(seen.bytes, bytes)
        }
      }),
      { numRuns: 3000 },
    )
  })

  it('finds the same blocks in every chunking; only an LF that a chunk cut off its CR stands apart', () => {
    fc.assert(
      fc.property(anyStream, anySizes, (text, sizes) => {
        const bytes = Buffer.from(text, 'latin1')
        const joined = (chunks: Buffer[]): string[] => {
          const texts: string[] = []
          for (const { kind, bytes: held, start, end } of scan(chunks).blocks) {
            const piece = held.toString('latin1', start, end)
            if (kind === 'line-end') texts.push(`${texts.pop()}${piece}`)
            else texts.push(piece)
          }
          return texts
        }
        assert.deepEqual(joined(cut(bytes, sizes)), joined([bytes]))
      }),
      { numRuns: 2000 },
    )
  })

  it('takes arbitrary bytes without throwing and gives them back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), anySizes, (raw, sizes) => {
        const bytes = Buffer.from(raw)
        assert.deepEqual(scan(cut(bytes, sizes)).bytes, bytes)
      }),
    )
  })

  it('takes what only begins like a byte order mark for the beginning of a line', () => {
    const text = '\xef\xbb: x\ndata: 1\n\n'
    for (const sizes of [[], [1], [2], [3]]) {
      assert.deepEqual(scan(cut(Buffer.from(text, 'latin1'), sizes)).events, [{ text, name: null, data: '1' }])
    }
  })

  it('copies nothing that lies inside one chunk', () => {
    const chunk = Buffer.from(': hello\n\ndata: 1\n\nevent: x\r\ndata: 2\r\n\r\n')
    const { blocks } = scan([chunk])
    assert.deepEqual(
      blocks.map(({ kind }) => kind),
      ['other', 'other', 'event', 'event'],
    )
    for (const block of blocks) assert.equal(block.bytes, chunk)
  })

  it('hands on comments and events at once, without waiting for what comes next', () => {
    const scanner = createSseScanner()
    for (const text of [': ping\n', '\n', 'data: 1\r\n\r', '\ndata: 2\n\n', ':x\r']) {
      scanner.feed(Buffer.from(text))
      let end = 0
      for (let block = scanner.next(); block !== null; block = scanner.next()) end = block.end
      assert.equal(end, text.length, JSON.stringify(text))
    }
  })

  it('counts the last event of a body that ends without a blank line', () => {
    for (const text of ['data: 1', 'data: 1\n', 'data: 1\r']) {
      const { events, blocks } = scan([Buffer.from(text)])
      assert.deepEqual(events, [{ text, name: null, data: '1' }])
      assert.equal(blocks.at(-1)?.isTerminated, false)
    }
  })

  it('joins the lines of multi-line data', () => {
    const { events } = scan(cut(Buffer.from('event: a\ndata: {\ndata:"x":\ndata\ndata:  1}\n\n'), [3]))
    assert.deepEqual(events[0]?.data, '{\n"x":\n\n 1}')
  })

  it('bounds the size of an event, the longest allowed one included', () => {
    const event = Buffer.from(`data: ${'x'.repeat(92)}\n\n`)
    assert.equal(event.length, 100)
    for (const sizes of [[], [1], [33]]) {
      assert.equal(scan(cut(event, sizes), 100).events.length, 1)
      assert.throws(
        () => scan(cut(event, sizes), 99),
        (error) => error instanceof AppError && error.code === 'upstream_unavailable' && /99 bytes/.test(error.message),
      )
    }
  })

  it('takes 32 MiB by default, in small chunks in linear time', () => {
    const piece = Buffer.alloc(1024, 'x')
    const scanner = createSseScanner()
    const feed = (chunk: Buffer): SseBlock | null => {
      scanner.feed(chunk)
      return scanner.next()
    }
    feed(Buffer.from('data: '))
    for (let i = 0; i < 32767; i++) assert.equal(feed(piece), null)
    assert.equal(feed(Buffer.from('\n\n'))?.end, 32767 * 1024 + 8)
    feed(Buffer.from('data: '))
    for (let i = 0; i < 32767; i++) feed(piece)
    assert.throws(() => feed(piece), AppError)
  })

  it('gives back what no block has returned', () => {
    const scanner = createSseScanner()
    scanner.feed(Buffer.from('data: 1\n\ndata'))
    scanner.next()
    assert.deepEqual(Buffer.concat(scanner.takeRest()).toString(), 'data')
    assert.equal(scanner.next(), null)
  })
})
