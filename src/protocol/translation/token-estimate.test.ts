import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { PROTOCOLS } from '../../base/words.ts'
import type { IrBlock } from '../ir/block.ts'
import type { IrRequest } from '../ir/request.ts'
import { FULL_IMAGE, imageSize, imageTokens } from './image-tokens.ts'
import { estimateInputTokens, textTokens } from './token-estimate.ts'

const EMPTY: IrRequest = {
  source: 'openai-chat',
  model: 'm',
  stream: false,
  system: [],
  messages: [],
  tools: [],
  toolChoice: null,
  parallelTools: null,
  maxOutput: null,
  answers: 1,
  format: null,
  reasoning: null,
  settings: {},
  raw: {},
}

function asking(...blocks: readonly IrBlock[]): IrRequest {
  return { ...EMPTY, messages: [{ role: 'user', blocks }] }
}

function png(width: number, height: number): string {
  const head = Buffer.alloc(40)
  head.write('89504e470d0a1a0a0000000d49484452', 'hex')
  head.writeUInt32BE(width, 16)
  head.writeUInt32BE(height, 20)
  return head.toString('base64')
}

/** A remark of 40 bytes before the frame, as cameras write. */
function jpeg(width: number, height: number): string {
  const frame = Buffer.from('ffc0001108000000000300000000', 'hex')
  frame.writeUInt16BE(height, 5)
  frame.writeUInt16BE(width, 7)
  const remark = Buffer.concat([Buffer.from('ffe1002a', 'hex'), Buffer.alloc(40)])
  return Buffer.concat([Buffer.from('ffd8', 'hex'), remark, frame, Buffer.alloc(20)]).toString('base64')
}

/** Texts with the count of a 200,000-entry byte-pair vocabulary. */
const COUNTED: readonly (readonly [string, number])[] = [
  ['Read the file, then say which function opens the database and why it may fail when the disk is full.', 22],
  [
    'export function settle(held: NanoUsd, spent: NanoUsd): Verdict {\n  return spent > held ? over(spent) : ok()\n}\n',
    31,
  ],
  ['{"type":"object","properties":{"path":{"type":"string","description":"Absolute path"}},"required":["path"]}', 24],
  ['2026-11-02T12:03:33.104Z INFO [worker-3] GET /api/v1/items/111 200 9ms', 34],
]

describe('textTokens', () => {
  test('stays near a real tokenizer for prose, code, schemas and logs', () => {
    for (const [text, tokens] of COUNTED) {
      const ratio = textTokens(text) / tokens
      assert.ok(ratio > 0.9 && ratio < 1.25, `${ratio.toFixed(2)} for ${text}`)
    }
  })

  test('counts other scripts by the character', () => {
    const chinese = textTokens('每个请求只计费一次，即使连接中断或者客户端重试。')
    assert.ok(chinese > 12 && chinese < 26, String(chinese))
  })

  test('grows with the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        assert.ok(textTokens(`${a}\n${b}`) >= textTokens(a))
      }),
    )
  })

  test('takes half a megabyte in a few milliseconds', () => {
    const text = (COUNTED[1]?.[0] ?? '').repeat(4500)
    textTokens(text)
    const startedAt = performance.now()
    textTokens(text)
    assert.ok(performance.now() - startedAt < 50)
  })
})

describe('estimateInputTokens', () => {
  test('is never zero', () => {
    for (const protocol of PROTOCOLS) assert.ok(estimateInputTokens({ ...EMPTY, source: protocol }) >= 1)
  })

  test('counts every kind of block', () => {
    const before = estimateInputTokens(asking())
    const data = Buffer.alloc(200_000).toString('base64')
    const blocks: readonly IrBlock[] = [
      { type: 'text', text: 'word' },
      { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
      { type: 'audio', source: { type: 'data', mediaType: 'audio/wav', data } },
      { type: 'document', source: { type: 'data', mediaType: 'application/pdf', data } },
      { type: 'document', source: { type: 'text', mediaType: 'text/plain', text: 'word' } },
      { type: 'document', source: { type: 'file-id', id: 'file_1' } },
      { type: 'thinking', text: 'word', signature: null, mint: null },
      { type: 'thinking', text: '', signature: 'x'.repeat(100), mint: null },
      { type: 'redacted-thinking', data: 'x'.repeat(100), mint: null },
      { type: 'tool-call', id: 'c', name: 'read', kind: 'function', input: '{"a":1}' },
      { type: 'tool-result', id: 'c', kind: 'function', content: [{ type: 'text', text: 'word' }] },
      { type: 'opaque', protocol: 'openai-chat', kind: 'x', value: { a: 'word' } },
    ]
    for (const block of blocks)
      assert.ok(estimateInputTokens(asking(block)) > before, JSON.stringify(block).slice(0, 60))
  })

  test('images in a tool result count as images', () => {
    const image: IrBlock = { type: 'image', source: { type: 'data', mediaType: 'image/png', data: png(1568, 1568) } }
    const result = estimateInputTokens(asking({ type: 'tool-result', id: 'c', kind: 'function', content: [image] }))
    assert.ok(result > FULL_IMAGE)
  })

  test('system, tools and the format count, and Claude hides instructions for tools', () => {
    const parameters = { type: 'object', properties: { path: { type: 'string' } } }
    const tool = { type: 'function', name: 'read', description: 'Reads a file', parameters } as const
    const plain = estimateInputTokens(asking())
    assert.ok(estimateInputTokens({ ...asking(), system: [{ type: 'text', text: 'Be brief.' }] }) > plain)
    assert.ok(
      estimateInputTokens({ ...asking(), format: { type: 'json-schema', name: null, schema: parameters } }) > plain,
    )
    const withTool = { ...asking(), tools: [tool] }
    const added = estimateInputTokens(withTool) - plain
    assert.ok(added > 30 && added < 250, String(added))
    assert.ok(estimateInputTokens(withTool, 'anthropic-messages') > plain + 400)
  })
})

describe('imageTokens', () => {
  test('reads the size of PNG and JPEG', () => {
    assert.deepEqual(imageSize(png(640, 480)), { width: 640, height: 480 })
    assert.deepEqual(imageSize(jpeg(1920, 1080)), { width: 1920, height: 1080 })
    assert.equal(imageSize('AAAA'), null)
  })

  test('follows the formula between the least and a full image', () => {
    const tokens = (data: string): number => imageTokens({ type: 'data', mediaType: 'image/png', data })
    assert.equal(tokens(png(1000, 750)), 1000)
    assert.equal(tokens(png(10, 10)), 258)
    assert.equal(tokens(png(20_000, 20_000)), FULL_IMAGE)
    assert.equal(tokens('not an image at all, but long enough to be one'), FULL_IMAGE)
  })

  test('never hangs on odd bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const data = Buffer.concat([Buffer.from('ffd8', 'hex'), bytes]).toString('base64')
        assert.ok(imageTokens({ type: 'data', mediaType: 'image/jpeg', data }) >= 258)
      }),
    )
  })
})
