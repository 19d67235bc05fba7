import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Quirks } from '../../base/quirks.ts'
import type { IrBlock, IrCacheMark } from '../ir/block.ts'
import type { IrMessage, IrReasoning, IrRequest, IrTool, IrToolChoice } from '../ir/request.ts'
import type { WireObject } from '../wire-value.ts'
import { messagesCodec } from './codec.ts'
import { ACCOUNT, decode, requestOf, targetOf } from './test-request.ts'
import { strictComplaints } from './test-strict-check.ts'

const text = fc.constantFrom('', ' ', '\n', 'Yes.', 'Half \n', 'a "quote"')
const name = fc.constantFrom('read', 'write')
/** Few, so that calls meet results, and turns repeat them. */
const id = fc.constantFrom('a', 'b', 'c.1', 'c:1', 'x'.repeat(140), `${'x'.repeat(139)}y`)
const cache: fc.Arbitrary<{ cache?: IrCacheMark }> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  fc.constantFrom({ cache: { ttl: null } }, { cache: { ttl: '1h' } }),
)
/** Members of another protocol's wire. */
const raw = fc.constantFrom({}, { raw: { id: 'item_1' } })
const textBlock = fc
  .tuple(text, cache, raw)
  .map(([text, mark, rest]): IrBlock => ({ type: 'text', text, ...mark, ...rest }))
const image = cache.map(
  (mark): IrBlock => ({ type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA' }, ...mark }),
)
const file = fc
  .constantFrom('application/pdf', 'text/csv', 'application/json')
  .map((mediaType): IrBlock => ({ type: 'document', source: { type: 'data', mediaType, data: 'AA' }, name: 'F' }))
const resultBlock = fc
  .record({ id, isError: fc.boolean(), content: fc.array(fc.oneof(textBlock, image, file), { maxLength: 2 }) })
  .map((rest): IrBlock => ({ type: 'tool-result', kind: 'function', ...rest }))
const callBlock = fc
  .record({
    id,
    name,
    kind: fc.constantFrom('function', 'custom'),
    input: fc.constantFrom('', '{}', '{"a":1}', '{"a', '5'),
  })
  .map((rest): IrBlock => ({ type: 'tool-call', ...rest }))
const thought = fc
  .record({
    protocol: fc.constantFrom('anthropic-messages', 'openai-chat'),
    account: fc.constantFrom(ACCOUNT, 'other'),
  })
  .chain((mint) =>
    fc.constantFrom<IrBlock>(
      { type: 'thinking', text: 'Hm.', signature: 'sig', mint },
      { type: 'redacted-thinking', data: 'dark', mint },
    ),
  )
const opaque = fc.constant<IrBlock>({ type: 'opaque', protocol: 'google-generate', kind: 'executableCode', value: {} })

const message: fc.Arbitrary<IrMessage> = fc.oneof(
  fc
    .array(fc.oneof(textBlock, textBlock, image, file, resultBlock, resultBlock), { maxLength: 3 })
    .map((blocks): IrMessage => ({ role: 'user', blocks })),
  fc
    .array(fc.oneof(textBlock, thought, callBlock, callBlock, opaque, image), { maxLength: 4 })
    .map((blocks): IrMessage => ({ role: 'assistant', blocks })),
  textBlock.map((block): IrMessage => ({ role: 'system', blocks: [block] })),
)

const tool = fc
  .record({ name, description: text, strict: fc.boolean() })
  .chain((known) =>
    cache.map((mark): IrTool => ({ type: 'function', parameters: { type: 'object' }, ...known, ...mark })),
  )
const choice = fc.option(
  fc.constantFrom<IrToolChoice>(
    { type: 'auto' },
    { type: 'none' },
    { type: 'required' },
    { type: 'allowed', mode: 'required', names: ['read'] },
  ),
)
const reasoning = fc.option(
  fc.record<IrReasoning>(
    {
      mode: fc.constantFrom('on', 'off', 'adaptive'),
      effort: fc.constantFrom('none', 'minimal', 'low', 'high', 'max'),
      budget: fc.integer({ min: -1, max: 40_000 }),
      show: fc.boolean(),
    },
    { requiredKeys: [] },
  ),
)
const foreign: fc.Arbitrary<IrRequest> = fc
  .record({
    system: fc.array(textBlock, { maxLength: 2 }),
    messages: fc.array(message, { minLength: 1, maxLength: 8 }),
    tools: fc.array(tool, { maxLength: 3 }),
    toolChoice: choice,
    parallelTools: fc.option(fc.boolean()),
    maxOutput: fc.option(fc.integer({ min: 0, max: 40_000 })),
    reasoning,
    settings: fc.record(
      { temperature: fc.constantFrom(0, 1, 1.7), topP: fc.constantFrom(0.1, 0.96, 1), topK: fc.constant(3) },
      { requiredKeys: [] },
    ),
  })
  .map((parts) => requestOf(parts as Partial<IrRequest>))
const quirks = fc.record<Quirks>(
  {
    ownVendor: fc.boolean(),
    thinkingForm: fc.constantFrom('budget', 'adaptive', 'none'),
    midSystemMessages: fc.boolean(),
    cacheMarks: fc.constantFrom('ttl', 'plain', 'none'),
    toolResultImages: fc.boolean(),
    parallelToolCalls: fc.boolean(),
    forcedToolChoice: fc.boolean(),
  },
  { requiredKeys: [] },
)

/** A conversation of which nothing can be sent is left to the upstream to refuse. */
function saysSomething({ messages, system }: IrRequest): boolean {
  const isText = (block: IrBlock): boolean => block.type === 'text' && block.text.trim() !== ''
  return system.some(isText) || messages.some(({ blocks }) => blocks.some((block) => isText(block)))
}

describe('whatever another protocol asks', () => {
  it('is asked as Anthropic demands it', () => {
    fc.assert(
      fc.property(foreign.filter(saysSomething), quirks, fc.boolean(), (request, quirks, originateCacheMarks) => {
        const target = targetOf(quirks, { originateCacheMarks })
        const { body } = messagesCodec.encodeRequest(request, target)
        assert.deepEqual(strictComplaints(JSON.parse(JSON.stringify(body)) as WireObject), [])
      }),
      { numRuns: 400 },
    )
  })

  it('keeps every call and every word of a result', () => {
    fc.assert(
      fc.property(foreign, (drawn) => {
        const request = { ...drawn, system: [] }
        const sent = JSON.stringify(messagesCodec.encodeRequest(request, targetOf()).body.messages)
        const all = request.messages.flatMap(({ role, blocks }) => blocks.map((block) => ({ role, block })))
        const count = (part: string): number => sent.split(part).length - 1
        assert.equal(count('"type":"tool_use"'), all.filter(({ block }) => block.type === 'tool-call').length)
        const words = all.flatMap(({ block }) => (block.type === 'tool-result' ? block.content : [block]))
        const said = words.filter((block) => block.type === 'text' && block.text === 'Yes.').length
        assert.equal(count('Yes.'), said)
      }),
    )
  })
})

const mark = fc.option(fc.constantFrom({ type: 'ephemeral' }, { type: 'ephemeral', ttl: '5m' }), { nil: undefined })
const marked = (block: fc.Arbitrary<WireObject>): fc.Arbitrary<WireObject> =>
  fc.tuple(block, mark).map(([value, mark]) => (mark ? { ...value, cache_control: mark } : value))
const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)
const extra = fc.dictionary(
  fc.constantFrom('caller', 'x_new'),
  json.filter((value) => value !== null),
  { maxKeys: 1 },
)
const plainText = marked(fc.tuple(text, extra).map(([text, more]) => ({ ...more, type: 'text', text })))
const input = fc.dictionary(fc.constantFrom('a', 'cache_control', 'type'), json, { maxKeys: 2 })
const wireBlock = fc.oneof(
  plainText,
  marked(fc.constant({ type: 'image', source: { type: 'url', url: 'https://a.test/a.png' } })),
  marked(fc.constant({ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'd' }, title: 'T' })),
  fc.constant({ type: 'thinking', thinking: 'Hm.', signature: 'sig' }),
  fc.constant({ type: 'redacted_thinking', data: 'dark' }),
  marked(
    fc.tuple(id, input, extra).map(([id, input, more]) => ({ ...more, type: 'tool_use', id, name: 'read', input })),
  ),
  marked(
    fc
      .tuple(id, fc.option(fc.boolean(), { nil: undefined }), fc.array(plainText, { minLength: 2, maxLength: 3 }))
      .map(([id, error, content]) => ({
        type: 'tool_result',
        tool_use_id: id,
        content,
        ...(error !== undefined && { is_error: error }),
      })),
  ),
  marked(input.map((value) => ({ ...value, cache_control: undefined, type: 'search_result' }))).map(
    (value) => JSON.parse(JSON.stringify(value)) as WireObject,
  ),
)
const ownBody = fc
  .record(
    {
      model: fc.constant('claude-up'),
      max_tokens: fc.integer({ min: 0, max: 9999 }),
      messages: fc.array(
        fc.record({
          role: fc.constantFrom('user', 'assistant', 'system'),
          content: fc.array(wireBlock, { maxLength: 4 }),
        }),
        { maxLength: 4 },
      ),
      system: fc.array(plainText, { minLength: 1, maxLength: 2 }),
      stream: fc.constant(true),
      thinking: fc.constantFrom({ type: 'adaptive', display: 'omitted' }, { type: 'enabled', budget_tokens: 5 }),
      x_new: json.filter((value) => value !== null),
    },
    { requiredKeys: ['model', 'messages'] },
  )
  .map((body) => JSON.parse(JSON.stringify(body)) as WireObject)

describe("whatever this protocol's own client asks", () => {
  it('goes out as it came, and reads the same again', () => {
    const fourMarks = (body: WireObject): boolean => JSON.stringify(body).split('"ephemeral"').length <= 5
    fc.assert(
      fc.property(ownBody.filter(fourMarks), (body) => {
        const request = decode(body)
        const encoded = messagesCodec.encodeRequest(request, targetOf())
        assert.deepEqual(JSON.parse(JSON.stringify(encoded)), { body, warnings: [] })
        assert.deepEqual(decode(encoded.body), request)
      }),
    )
  })
})
