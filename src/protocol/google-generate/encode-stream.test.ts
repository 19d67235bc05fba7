import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ReplyContext } from '../codec.ts'
import type { IrBlock } from '../ir/block.ts'
import { type IrReply, replyToEvents } from '../ir/reply.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import { createGoogleArrayEncoder, googleCodec } from './codec.ts'
import { decodeReply } from './decode-reply.ts'

const MINT = { protocol: 'anthropic-messages', account: 'acc' } as const

function contextOf(show: boolean, mint: ReplyContext['mint'] = MINT): ReplyContext {
  const thinkingConfig = { includeThoughts: show }
  return {
    request: googleCodec.decodeRequest(
      { contents: 'x', generationConfig: { thinkingConfig } },
      { model: 'm', stream: true },
    ),
    model: 'named',
    requestId: 'req_1',
    createdAtMs: 0,
    newId: (prefix) => `${prefix}1`,
    mint,
    includeUsage: true,
  }
}

const USAGE = { input: 3, cachedRead: 2, cacheWrite5m: 0, cacheWrite1h: 0, output: 9, reasoning: 4 }
const replyOf = (blocks: readonly IrBlock[], finish: IrReply['finish'] = null): IrReply => ({
  id: 'x',
  model: 'y',
  blocks,
  finish: finish ?? { finish: 'stop', raw: 'end_turn', stopSequence: null },
  usage: USAGE,
})

function streamed(reply: IrReply, context: ReplyContext, encoder = googleCodec.createStreamEncoder(context)): string {
  const { finish, usage } = reply
  const events = replyToEvents(reply).map((event) => encoder.encode(event))
  return (
    events.join('') +
    encoder.finish({ finish: finish ?? { finish: 'stop', raw: null, stopSequence: null }, usage, cost: null })
  )
}

const chunksOf = (body: string): WireObject[] =>
  body.split('\n\n').flatMap((frame) => (frame === '' ? [] : [JSON.parse(frame.replace(/^data: /, ''))]))

function partsOf(body: WireObject | undefined): WireObject[] {
  const [candidate] = (body?.candidates ?? []) as WireObject[]
  return (asObject(candidate?.content)?.parts ?? []) as WireObject[]
}

const text = (words: string): IrBlock => ({ type: 'text', text: words })
const thinking = (words: string, signature: string | null): IrBlock => ({
  type: 'thinking',
  text: words,
  signature,
  mint: null,
})
const call = (input: string, id = 'c1'): IrBlock => ({ type: 'tool-call', id, name: 'f', kind: 'function', input })

/** What the client gives back in its next request. */
function givenBack(parts: WireObject[]): readonly IrBlock[] {
  const contents = [{ role: 'model', parts }]
  return googleCodec.decodeRequest({ contents }, { model: 'm', stream: true }).messages[0]?.blocks ?? []
}

describe('a reply for a Google client', () => {
  it('ends with finish reason, usage, model and id, and a part in any case', () => {
    const chunks = chunksOf(streamed(replyOf([text('a')]), contextOf(false)))
    const members = { modelVersion: 'named', responseId: 'req_1' }
    assert.deepEqual(chunks, [
      { candidates: [{ content: { parts: [{ text: 'a' }], role: 'model' }, index: 0 }], ...members },
      {
        candidates: [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'STOP', index: 0 }],
        usageMetadata: {
          promptTokenCount: 5,
          candidatesTokenCount: 5,
          totalTokenCount: 14,
          cachedContentTokenCount: 2,
          thoughtsTokenCount: 4,
        },
        ...members,
      },
    ])
  })

  it('tells why it ended in Google words', () => {
    const reason = (finish: IrReply['finish'], mint: ReplyContext['mint'] = MINT) =>
      (
        googleCodec.encodeReply({ ...replyOf([], finish), cost: null }, contextOf(false, mint))
          .candidates as WireObject[]
      )[0]?.finishReason
    const ended = (finish: 'length' | 'tool_calls' | 'content_filter' | 'pause' | 'other', raw: string | null = null) =>
      reason({ finish, raw, stopSequence: null })
    assert.equal(ended('length'), 'MAX_TOKENS')
    assert.equal(ended('tool_calls', 'tool_use'), 'STOP')
    assert.equal(ended('content_filter', 'refusal'), 'SAFETY')
    assert.equal(ended('content_filter', 'RECITATION'), 'RECITATION')
    assert.equal(ended('pause'), 'OTHER')
    assert.equal(ended('other'), 'OTHER')
    assert.equal(ended('other', 'UNEXPECTED_TOOL_CALL'), 'UNEXPECTED_TOOL_CALL')
  })

  it('shows thoughts only to those who asked', () => {
    const reply = replyOf([thinking('hm', 'S'), text('a')])
    const shown = (show: boolean) =>
      chunksOf(streamed(reply, contextOf(show))).some((chunk) => partsOf(chunk).some(({ thought }) => thought === true))
    assert.deepEqual([shown(true), shown(false)], [true, false])
  })

  it('has a call in one part, with its arguments as an object', () => {
    const encoder = googleCodec.createStreamEncoder(contextOf(false))
    const deltas = ['{"a"', ':1}'].map((text) => ({ type: 'tool-call-delta', block: 0, text }) as const)
    const start = { type: 'tool-call-start', block: 0, id: 'c1', name: 'f', kind: 'function' } as const
    assert.equal([start, ...deltas].map((event) => encoder.encode(event)).join(''), '')
    const [chunk] = chunksOf(encoder.encode({ type: 'tool-call-end', block: 0 }))
    assert.deepEqual(partsOf(chunk), [{ functionCall: { id: 'c1', name: 'f', args: { a: 1 } } }])
    assert.deepEqual(encoder.position(), { sequence: 0, replyId: 'req_1' })
  })

  it('never has a call with half of its arguments', () => {
    const cut = replyOf([call('{"path": "/tm')], { finish: 'tool_calls', raw: null, stopSequence: null })
    const whole = googleCodec.encodeReply({ ...cut, cost: null }, contextOf(false))
    assert.deepEqual(partsOf(whole), [{ text: '' }])
    assert.equal((whole.candidates as WireObject[])[0]?.finishReason, 'MALFORMED_FUNCTION_CALL')
    const limited = { ...cut, finish: { finish: 'length', raw: null, stopSequence: null } as const, cost: null }
    const [candidate] = googleCodec.encodeReply(limited, contextOf(false)).candidates as WireObject[]
    assert.equal(candidate?.finishReason, 'MAX_TOKENS')
  })

  it('puts calls that came interleaved one after the other', () => {
    const encoder = googleCodec.createStreamEncoder(contextOf(false))
    const start = (block: number) =>
      ({ type: 'tool-call-start', block, id: `c${block}`, name: 'f', kind: 'function' }) as const
    const delta = (block: number, text: string) => ({ type: 'tool-call-delta', block, text }) as const
    const events = [start(0), start(1), delta(1, '{"b"'), delta(0, '{"a":0}'), delta(1, ':1}')]
    const ends = [1, 0].map((block) => ({ type: 'tool-call-end', block }) as const)
    const out = [...events, ...ends].map((event) => encoder.encode(event)).join('')
    const calls = chunksOf(out).flatMap(partsOf)
    assert.deepEqual(
      calls.map(({ functionCall }) => asObject(functionCall)?.args),
      [{ a: 0 }, { b: 1 }],
    )
  })

  it('is one JSON array for those who did not ask for events, also when it is empty', () => {
    for (const blocks of [[], [text('a'), call('{}'), text('b')]]) {
      const reply = replyOf(blocks)
      const chunks = JSON.parse(streamed(reply, contextOf(true), createGoogleArrayEncoder(contextOf(true))))
      assert.deepEqual(chunks, chunksOf(streamed(reply, contextOf(true))))
    }
  })

  it('carries its sources and the charge', () => {
    const raw = {}
    const citations = [
      { protocol: 'openai-responses', url: 'https://a.test', title: 'A', text: 'said', raw },
      { protocol: 'openai-responses', url: 'https://a.test', raw },
    ] as const
    const body = googleCodec.encodeReply(
      { ...replyOf([{ type: 'text', text: 'x', citations }]), cost: '0.1' },
      contextOf(false),
    )
    const [candidate] = body.candidates as WireObject[]
    assert.deepEqual(candidate?.groundingMetadata, {
      groundingChunks: [{ web: { uri: 'https://a.test', title: 'A' } }],
      groundingSupports: [{ segment: { text: 'said' }, groundingChunkIndices: [0] }],
    })
    assert.equal(asObject(body.usageMetadata)?.cost, '0.1')
  })

  it('has signatures as they are when Google made them', () => {
    const mint = { protocol: 'google-generate', account: 'a' } as const
    const body = googleCodec.encodeReply(
      { ...replyOf([thinking('', 'S'), call('{}')]), cost: null },
      contextOf(false, mint),
    )
    assert.equal(partsOf(body)[0]?.thoughtSignature, 'S')
  })
})

const words = fc.string({ minLength: 1 })
const thought = fc.record({ text: fc.string(), signature: fc.option(words) })
const someBlocks = fc.array(
  fc.oneof(
    words.map(text),
    thought.filter((t) => t.text !== '' || t.signature !== null).map((t) => thinking(t.text, t.signature)),
    fc.dictionary(words, fc.jsonValue(), { maxKeys: 3 }).map((args) => call(JSON.stringify(args))),
    words.map((data): IrBlock => ({ type: 'redacted-thinking', data, mint: null })),
  ),
  { maxLength: 8 },
)

/** Neighbouring texts are one: the wire knows no border between them. */
function merged(blocks: readonly IrBlock[]): IrBlock[] {
  const out: IrBlock[] = []
  for (const block of blocks) {
    const last = out.at(-1)
    if (block.type === 'text' && last?.type === 'text') out[out.length - 1] = text(last.text + block.text)
    else out.push(block)
  }
  return out
}

describe('any reply for a Google client', () => {
  it('says the same streamed and whole, and can be read back', () => {
    fc.assert(
      fc.property(someBlocks, fc.boolean(), (blocks, show) => {
        const reply = replyOf(blocks)
        const chunks = chunksOf(streamed(reply, contextOf(show)))
        const whole = googleCodec.encodeReply({ ...reply, cost: null }, contextOf(show))
        const said = (from: unknown) => decodeReply(from).blocks.filter(({ type }) => type !== 'thinking')
        const expected = blocks.filter(({ type }) => type === 'text' || type === 'tool-call')
        const parsed = (list: readonly IrBlock[]) =>
          merged(list).map((block) =>
            block.type === 'tool-call' ? { ...block, input: JSON.parse(block.input) } : block,
          )
        assert.deepEqual(parsed(said(chunks)), parsed(expected))
        assert.deepEqual(parsed(said(whole)), parsed(expected))
        assert.deepEqual(decodeReply(chunks).usage, USAGE)
      }),
    )
  })

  it('comes back in the next request with all that was thought, at its place', () => {
    fc.assert(
      fc.property(someBlocks, fc.boolean(), fc.boolean(), (blocks, show, isStreamed) => {
        const reply = replyOf(blocks)
        const bodies = isStreamed
          ? chunksOf(streamed(reply, contextOf(show)))
          : [googleCodec.encodeReply({ ...reply, cost: null }, contextOf(show))]
        const returned = givenBack(bodies.flatMap(partsOf)).filter(
          (block) => block.type !== 'text' || block.text !== '',
        )
        const expected = blocks.map((block) => ('mint' in block ? { ...block, mint: MINT } : block))
        const bare = (list: readonly IrBlock[]) =>
          merged(list).map((block) => {
            if (block.type !== 'tool-call') return block
            return { type: block.type, id: block.id, input: JSON.parse(block.input) }
          })
        assert.deepEqual(bare(returned), bare(expected))
      }),
    )
  })
})
