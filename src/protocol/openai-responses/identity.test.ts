/** A request that goes back to its own protocol is the request that came. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IrRequest } from '../ir/request.ts'
import type { WireObject } from '../wire-value.ts'
import { responsesCodec } from './codec.ts'
import { targetOf } from './test-wire.ts'

function decode(body: WireObject): IrRequest {
  return responsesCodec.decodeRequest(body, { model: 'up', stream: body.stream === true })
}

function reencode(body: WireObject): WireObject {
  const encoded = responsesCodec.encodeRequest(decode(body), targetOf())
  assert.deepEqual(encoded.warnings, [])
  return encoded.body
}

const word = fc.string({ minLength: 1, maxLength: 12 })
const id = fc.stringMatching(/^[a-z]{2}_[a-z0-9]{4,8}$/)

/** Members that may be there or not, some of them unknown. */
function optional(more: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<WireObject> {
  return fc.record({ id, vendor_member: fc.object({ maxDepth: 1, maxKeys: 2 }), ...more }, { requiredKeys: [] })
}

function object(type: string, members: Record<string, fc.Arbitrary<unknown>>, more = optional({})) {
  return fc.tuple(fc.record(members), more).map(([own, rest]) => ({ type, ...own, ...rest }))
}

const breakpoint = fc.record({ prompt_cache_breakpoint: fc.constant({ mode: 'explicit' }) }, { requiredKeys: [] })
const dataUrl = fc.base64String({ minLength: 4, maxLength: 12 }).map((data) => `data:image/png;base64,${data}`)
const inputPart = fc.oneof(
  object('input_text', { text: fc.string() }, breakpoint),
  object(
    'input_image',
    { image_url: fc.oneof(dataUrl, fc.webUrl()) },
    fc.record({ detail: word }, { requiredKeys: [] }),
  ),
  object('input_file', { file_data: fc.base64String({ minLength: 4 }), filename: word }),
  object('input_file', { file_url: fc.webUrl() }),
  object('input_image', { file_id: id }),
  object('input_audio', { input_audio: fc.record({ data: word, format: fc.constantFrom('wav', 'mp3') }) }),
  object('input_hologram', { hologram: word }),
)
const annotation = fc.record({
  type: fc.constant('url_citation'),
  url: fc.webUrl(),
  title: word,
  start_index: fc.nat(),
})
const outputPart = fc.oneof(
  object('output_text', { text: fc.string(), annotations: fc.array(annotation, { maxLength: 2 }) }),
  object('output_text', { text: fc.string() }),
  object('refusal', { refusal: fc.string() }),
)
const easy = fc.boolean().map((isEasy) => (isEasy ? {} : { type: 'message' }))
function message(role: fc.Arbitrary<string>, part: fc.Arbitrary<object>) {
  const content = fc.oneof(word, fc.array(part, { minLength: 1, maxLength: 3 }))
  return (
    fc
      .tuple(easy, fc.record({ role, content }), optional({ status: word, phase: word }))
      // An item with nothing but an id and a role is a message too, so its type can only be left out with a content.
      .map(([type, own, rest]) => ({ ...type, ...own, ...rest }))
  )
}
const summary = fc.array(fc.record({ type: fc.constant('summary_text'), text: fc.string() }), { maxLength: 3 })
const output = fc.oneof(fc.string(), fc.array(inputPart, { maxLength: 3 }))
const tool = fc.oneof(
  object(
    'function',
    { name: word, parameters: fc.object({ maxDepth: 1 }) },
    fc.record({ strict: fc.boolean(), defer_loading: fc.boolean() }, { requiredKeys: [] }),
  ),
  object('custom', { name: word, description: word, format: fc.constant({ type: 'text' }) }, fc.constant({})),
)
const anyTool = fc.oneof(
  tool,
  object('namespace', { name: word, description: word, tools: fc.array(tool, { maxLength: 3 }) }, fc.constant({})),
  object('web_search', {}, fc.record({ filters: fc.object({ maxDepth: 1 }) }, { requiredKeys: [] })),
)
const item = fc.oneof(
  message(fc.constantFrom('user', 'system', 'developer'), inputPart),
  message(fc.constant('assistant'), outputPart),
  object('reasoning', { summary }, optional({ encrypted_content: word, content: summary })),
  object('function_call', { call_id: id, name: word, arguments: word }, optional({ namespace: word, status: word })),
  object('custom_tool_call', { call_id: id, name: word, input: fc.string() }),
  object('function_call_output', { call_id: id, output }, optional({ status: word })),
  object('custom_tool_call_output', { call_id: id, output }),
  object('web_search_call', { action: fc.object({ maxDepth: 1 }) }),
  object('compaction', { encrypted_content: word }),
  object('item_reference', { id }),
  object('something_new_output', { value: word }),
  object('additional_tools', { role: fc.constant('developer'), tools: fc.array(anyTool, { maxLength: 3 }) }),
)
const effort = fc.constantFrom('none', 'low', 'high', 'unheard')
const body: fc.Arbitrary<WireObject> = fc
  .record(
    {
      input: fc.oneof(fc.string(), fc.array(item, { minLength: 1, maxLength: 8 })),
      instructions: word,
      tools: fc.array(anyTool, { minLength: 1, maxLength: 4 }),
      tool_choice: fc.oneof(
        fc.constantFrom('auto', 'none', 'required'),
        object('function', { name: word }, fc.constant({})),
        object('mcp', { server_label: word }, fc.constant({})),
        object(
          'allowed_tools',
          { mode: fc.constant('auto'), tools: fc.array(fc.object({ maxDepth: 1 }), { maxLength: 2 }) },
          fc.constant({}),
        ),
      ),
      parallel_tool_calls: fc.boolean(),
      max_output_tokens: fc.nat(),
      reasoning: fc.record({ effort, summary: word, context: word }),
      text: fc.record({
        verbosity: word,
        format: fc.constantFrom<object>(
          { type: 'json_object' },
          { type: 'grammar', x: 1 },
          { type: 'json_schema', name: 'a b', schema: {}, extra: 1 },
        ),
      }),
      include: fc.array(word, { maxLength: 2 }),
      metadata: fc.dictionary(word, word),
      store: fc.boolean(),
      temperature: fc.double({ noNaN: true, noDefaultInfinity: true }),
      stream: fc.constant(true),
      previous_response_id: id,
      context_management: fc.array(fc.object({ maxDepth: 1 }), { maxLength: 1 }),
    },
    { requiredKeys: ['input'] },
  )
  .map((members) => JSON.parse(JSON.stringify({ model: 'up', ...members })))

describe('a request back to its own protocol', () => {
  it('is the request that came', () => {
    fc.assert(
      fc.property(body, (wire) => {
        const encoded = reencode(wire)
        assert.deepEqual(encoded, wire)
        assert.deepEqual(decode(encoded), decode(wire))
      }),
      { numRuns: 400 },
    )
  })

  it('keeps tools in their namespaces and items, and everything in its order', () => {
    const run = { type: 'function', name: 'run', parameters: { type: 'object' } }
    const wire = {
      model: 'up',
      tools: [{ type: 'namespace', name: 'n', description: 'd', tools: [run, run] }, run],
      input: [
        { role: 'developer', content: 'Be brief.' },
        { type: 'additional_tools', id: 'at_1', role: 'developer', tools: [{ type: 'web_search' }, run] },
        { role: 'user', content: 'Hi' },
        { type: 'message', id: 'msg_1', role: 'assistant', content: [{ type: 'output_text', text: 'One.' }] },
        { type: 'message', id: 'msg_2', role: 'assistant', content: [{ type: 'output_text', text: 'Two.' }] },
        {
          type: 'additional_tools',
          id: 'at_2',
          role: 'developer',
          tools: [{ type: 'namespace', name: 'm', description: '', tools: [run] }, run],
        },
      ],
    }
    assert.deepEqual(reencode(wire), wire)
  })

  it('leaves out what says nothing: null members, empty messages, `stream: false`, plain text as a format', () => {
    const wire = {
      model: 'up',
      stream: false,
      instructions: null,
      tools: [],
      text: { format: { type: 'text' } },
      input: [
        { role: 'user', content: 'Hi', id: null },
        { role: 'assistant', content: '' },
        { role: 'developer', content: [] },
      ],
    }
    assert.deepEqual(reencode(wire), { model: 'up', input: [{ role: 'user', content: 'Hi' }] })
    const tools = { type: 'additional_tools', role: 'developer', tools: [{ type: 'function', name: 'run' }] }
    const empty = wire.input.slice(1)
    assert.deepEqual(reencode({ model: 'up', input: [...empty, tools, { role: 'user', content: 'Hi' }] }).input, [
      tools,
      { role: 'user', content: 'Hi' },
    ])
  })

  it('takes the seal off a signature that is for this upstream, with the id that was made for its client', () => {
    const item = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'zendo.racc1.s.gAAA' }
    assert.deepEqual(reencode({ model: 'up', input: [item] }).input, [
      { type: 'reasoning', summary: [], encrypted_content: 'gAAA' },
    ])
  })
})
