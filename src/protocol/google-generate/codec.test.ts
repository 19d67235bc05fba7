import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IrBlock } from '../ir/block.ts'
import type { IrMessage, IrRequest } from '../ir/request.ts'
import { asArray, asObject, type WireObject } from '../wire-value.ts'
import { googleCodec } from './codec.ts'

const CONTEXT = { model: 'm', stream: true }
const TARGET = { model: 'g', account: 'acc', quirks: {}, maxOutput: 100, originateCacheMarks: false }

const word = fc.stringMatching(/^[a-zA-Z_][\w-]{0,8}$/)
const object = fc
  .dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)))
const optional = <T>(members: Record<string, fc.Arbitrary<T>>) => fc.record(members, { requiredKeys: [] })
/** Members that nobody knows, and such as change nothing but must not get lost. */
const extra = optional<unknown>({ partMetadata: object, videoMetadata: object })
const signature = optional({ thoughtSignature: fc.stringMatching(/^[a-zA-Z0-9]{1,8}$/) })
const joined = (...parts: fc.Arbitrary<object>[]) =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all) as object)

const media = fc.oneof(
  joined(
    fc.record({
      inlineData: joined(
        fc.record({
          mimeType: fc.constantFrom('image/png', 'audio/wav', 'video/mp4', 'application/pdf'),
          data: fc.base64String(),
        }),
        optional({ displayName: word }),
      ),
    }),
    extra,
  ),
  fc.record({
    fileData: joined(
      fc.record({ fileUri: fc.constantFrom('https://a.test/b', 'gs://c') }),
      optional({ mimeType: word }),
    ),
  }),
)
const texts = joined(fc.record({ text: fc.string() }), extra, optional({ thought: fc.constant(false) }))
const response = fc.oneof(
  fc.record({ output: fc.oneof(fc.string(), fc.jsonValue()) }),
  fc.record({ error: fc.oneof(fc.string(), object) }),
  fc.record({ result: fc.string() }),
  object,
)
const results = joined(
  fc.record({
    functionResponse: joined(
      fc.record({ name: word }),
      optional<unknown>({
        id: word,
        response,
        scheduling: word,
        parts: fc.array(media, { minLength: 1, maxLength: 2 }),
      }),
    ),
  }),
)
const calls = joined(
  fc.record({
    functionCall: joined(fc.record({ name: word }), optional<unknown>({ id: word, args: object, later: object })),
  }),
  signature,
  extra,
)
const thoughts = joined(fc.record({ text: fc.string({ minLength: 1 }), thought: fc.constant(true) }), signature)
const opaque = joined(fc.record({ executableCode: object }), signature)
const signedText = joined(texts, signature)

const contents = fc.array(
  fc.oneof(
    joined(
      fc.record({
        role: fc.constant('user'),
        parts: fc.array(fc.oneof(texts, media, results), { minLength: 1, maxLength: 4 }),
      }),
      optional({ later: object }),
    ),
    fc.record({
      role: fc.constant('model'),
      parts: fc.array(fc.oneof(calls, signedText, thoughts, opaque), { minLength: 1, maxLength: 6 }),
    }),
  ),
  { minLength: 1, maxLength: 6 },
)
const declaration = joined(
  fc.record({ name: word }),
  optional<unknown>({ description: fc.string(), responseJsonSchema: object }),
  fc.oneof(
    fc.constant({}),
    fc.record({ parametersJsonSchema: object }),
    fc.record({ parameters: fc.record({ type: fc.constant('OBJECT'), nullable: fc.boolean(), properties: object }) }),
  ),
)
const body = joined(
  fc.record({ contents }),
  optional<unknown>({
    systemInstruction: joined(
      fc.record({ parts: fc.array(texts, { minLength: 1, maxLength: 2 }) }),
      optional({ role: word }),
    ),
    tools: fc.constant([]),
    safetySettings: fc.array(object, { minLength: 1 }),
    labels: fc.dictionary(word, word, { minKeys: 1 }),
    toolConfig: fc.record({
      functionCallingConfig: fc.oneof(
        fc.record({ mode: fc.constantFrom('AUTO', 'ANY', 'NONE', 'VALIDATED') }),
        fc.record({
          mode: fc.constantFrom('ANY', 'VALIDATED'),
          allowedFunctionNames: fc.array(word, { minLength: 1 }),
        }),
      ),
    }),
    generationConfig: optional<unknown>({
      temperature: fc.constantFrom(0, 0.5),
      stopSequences: fc.array(fc.string()),
      maxOutputTokens: fc.nat(),
      mediaResolution: word,
      thinkingConfig: optional<unknown>({
        includeThoughts: fc.boolean(),
        thinkingBudget: fc.integer({ min: -1, max: 999 }),
        thinkingLevel: fc.constantFrom('LOW', 'HIGH'),
      }),
    }),
  }),
  fc
    .array(declaration, { maxLength: 3 })
    .map((functionDeclarations) =>
      functionDeclarations.length > 0 ? { tools: [{ functionDeclarations }, { googleSearch: {} }] } : {},
    ),
).map((wire) => JSON.parse(JSON.stringify(wire)) as WireObject)

describe('any Google request', () => {
  it('is written again so that it reads the same', () => {
    fc.assert(
      fc.property(body, (wire) => {
        const request = googleCodec.decodeRequest(wire, CONTEXT)
        const { body: written, warnings } = googleCodec.encodeRequest(request, TARGET)
        assert.deepEqual(warnings, [])
        assert.deepEqual(googleCodec.decodeRequest(written, CONTEXT), request)
        // A second time nothing changes any more: the first has brought it into its usual form.
        const { body: again } = googleCodec.encodeRequest(googleCodec.decodeRequest(written, CONTEXT), TARGET)
        assert.deepEqual(again, written)
      }),
      { numRuns: 300 },
    )
  })

  it('keeps every text, call, result and signature at its place', () => {
    const partsOf = (wire: WireObject) =>
      asArray(wire.contents).flatMap((content) => asArray(asObject(content)?.parts)) as WireObject[]
    fc.assert(
      fc.property(body, (wire) => {
        const { body: written } = googleCodec.encodeRequest(googleCodec.decodeRequest(wire, CONTEXT), TARGET)
        assert.deepEqual(partsOf(written), partsOf(wire))
      }),
      { numRuns: 300 },
    )
  })
})

const foreignBlock = (id: fc.Arbitrary<string>): fc.Arbitrary<IrBlock> =>
  fc.oneof(
    fc.string().map((text): IrBlock => ({ type: 'text', text })),
    id.map((callId): IrBlock => ({ type: 'tool-call', id: callId, name: 'f', kind: 'function', input: '{}' })),
    fc.tuple(id, fc.string()).map(
      ([callId, text]): IrBlock => ({
        type: 'tool-result',
        id: callId,
        kind: 'function',
        content: [{ type: 'text', text }],
      }),
    ),
    fc.constantFrom<(string | null)[]>('acc', 'other').map(
      (account): IrBlock => ({
        type: 'thinking',
        text: 'hm',
        signature: 'S',
        mint: { protocol: 'google-generate', account },
      }),
    ),
  )
const assistantTypes = new Set(['text', 'tool-call', 'thinking'])
const foreignMessages = fc.array(
  fc
    .tuple(
      fc.constantFrom<IrMessage['role'][]>('user', 'assistant', 'system'),
      fc.array(foreignBlock(fc.constantFrom('a', 'b', 'c')), { maxLength: 5 }),
    )
    .map(([role, blocks]): IrMessage => {
      const fits = ({ type }: IrBlock): boolean =>
        role === 'assistant' ? assistantTypes.has(type) : type === 'text' || (type === 'tool-result' && role === 'user')
      const ids = new Set<string>()
      // No model calls twice under one id in a turn.
      const isNew = (block: IrBlock): boolean =>
        block.type !== 'tool-call' || (!ids.has(block.id) && Boolean(ids.add(block.id)))
      return { role, blocks: blocks.filter((block) => fits(block) && isNew(block)) }
    }),
  { maxLength: 8 },
)

const FOREIGN: Omit<IrRequest, 'messages'> = {
  ...googleCodec.decodeRequest({ contents: 'x' }, CONTEXT),
  source: 'openai-chat',
}

describe('any conversation of another protocol', () => {
  it('keeps the rules that Google has for turns, calls, answers and signatures', () => {
    fc.assert(
      fc.property(foreignMessages, (messages) => {
        const { body: written } = googleCodec.encodeRequest({ ...FOREIGN, messages }, TARGET)
        let before = ''
        let open: unknown[] = []
        for (const content of written.contents as { role: string; parts: WireObject[] }[]) {
          assert.notEqual(content.role, before)
          before = content.role
          assert.ok(content.parts.length > 0)
          assert.ok(content.parts.every(({ text, thoughtSignature }) => text !== '' || thoughtSignature !== undefined))
          const functionCalls = content.parts.filter(({ functionCall }) => functionCall)
          const answers = content.parts.flatMap(({ functionResponse }) => asObject(functionResponse)?.id ?? [])
          assert.deepEqual(answers, open)
          open = [...new Set(functionCalls.map(({ functionCall }) => asObject(functionCall)?.id))]
          assert.ok(functionCalls.length === 0 || functionCalls[0]?.thoughtSignature !== undefined)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('a large request', () => {
  it('is read and written in a moment', () => {
    const turn = [
      { role: 'user', parts: [{ text: 'x'.repeat(400) }] },
      { role: 'model', parts: [{ functionCall: { name: 'f', args: { path: 'y'.repeat(200) } } }] },
      { role: 'user', parts: [{ functionResponse: { name: 'f', response: { output: 'z'.repeat(400) } } }] },
    ]
    const wire = { contents: Array.from({ length: 2000 }, () => turn).flat() }
    const startedAt = performance.now()
    const request = googleCodec.decodeRequest(wire, CONTEXT)
    googleCodec.encodeRequest({ ...request, source: 'openai-chat' }, TARGET)
    // Some forty milliseconds; what grows with the square of the length takes many seconds.
    assert.ok(performance.now() - startedAt < 2000)
  })
})
