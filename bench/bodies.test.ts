/** The large body must be the same session in every protocol, or the rows of a table would not be about the same work. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROTOCOLS, type Protocol } from '../src/base/words.ts'
import { codecOf } from '../src/protocol/codecs.ts'
import type { IrBlock } from '../src/protocol/ir/block.ts'
import { asObject } from '../src/protocol/wire-value.ts'
import { buildBody, buildRequest } from './bodies.ts'
import { allDirections } from './pairs.ts'
import { isShortened, translateOnce } from './translation-time.ts'

function textsOf(blocks: readonly IrBlock[]): string[] {
  return blocks.flatMap((block) => (block.type === 'text' ? [block.text] : []))
}

/** What a body says, as the gateway reads it: texts, calls and results in their order, then the tools. */
function saidBy(protocol: Protocol, body: object): string[] {
  const wire = asObject(body) ?? {}
  const { system, messages, tools } = codecOf(protocol).decodeRequest(wire, { model: 'm', stream: false })
  const blocks = [...system, ...messages.flatMap((message) => message.blocks)].filter(
    // Google wants a signature before calls; the stand-in for it is read as an empty thought.
    ({ type }) => type !== 'thinking',
  )
  const said = blocks.map((block) => {
    if (block.type === 'text') return block.text
    if (block.type === 'tool-call') return `${block.name} ${JSON.stringify(JSON.parse(block.input))}`
    return block.type === 'tool-result' ? textsOf(block.content).join('') : block.type
  })
  return [...said, ...tools.map((tool) => (tool.type === 'function' ? `${tool.name} ${tool.description}` : tool.type))]
}

function largeBody(protocol: Protocol): object {
  return buildBody(protocol, 'bench-large', 'large')
}

const SAID = saidBy('openai-chat', largeBody('openai-chat'))

test('the session is long, calls tools in turn and offers 40', () => {
  assert.ok(SAID.length > 200, String(SAID.length))
  assert.deepEqual(
    SAID.slice(-40)
      .map((tool) => tool.split(' ')[0])
      .slice(0, 2),
    ['tool_0', 'tool_1'],
  )
})

for (const protocol of PROTOCOLS) {
  test(`${protocol}: the large body says the same as in chat and has about 400 KB`, () => {
    const body = largeBody(protocol)
    assert.deepEqual(saidBy(protocol, body), SAID)
    const bytes = Buffer.byteLength(JSON.stringify(body))
    assert.ok(bytes > 395_000 && bytes < 415_000, String(bytes))
  })
}

test('a request is its head, an empty line and exactly the body it announces', () => {
  const target = { protocol: 'google-generate', port: 1, path: '/v1beta/x?alt=sse', key: 'k', model: 'm' } as const
  const [head, body] = buildRequest(target, 'stream').toString('utf8').split('\r\n\r\n') as [string, string]
  assert.match(head, /^POST \/v1beta\/x\?alt=sse HTTP\/1\.1\r\n/)
  assert.equal(Number(/content-length: (\d+)/.exec(head)?.[1]), Buffer.byteLength(body))
})

for (const { from, to } of allDirections()) {
  test(`${from} to ${to}: what is timed is a translation that leaves nothing out`, () => {
    const body = Buffer.from(JSON.stringify(largeBody(from)))
    const { times, translated } = translateOnce(from, to, body)
    assert.deepEqual(saidBy(to, JSON.parse(translated.toString()) as object), SAID)
    const { parse, decode, encode, stringify, total } = times
    assert.ok(Math.abs(parse + decode + encode + stringify - total) < 0.001)
  })
}

test('a translation that lost a tenth is told', () => {
  const row = { from: 'openai-chat', to: 'google-generate', bodyBytes: 400_000 } as const
  const none = { count: 0, p50: 0, p99: 0, max: 0 }
  const ms = { parse: none, decode: none, encode: none, stringify: none, total: none }
  assert.equal(isShortened({ ...row, translatedBytes: 359_999, ms }), true)
  assert.equal(isShortened({ ...row, translatedBytes: 390_000, ms }), false)
})
