/**
 * What is written holds against the Open Responses specification (version 2026-04-24): its required members, as a table.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { IrBlock } from '../ir/block.ts'
import { asArray, asObject, type WireObject } from '../wire-value.ts'
import { responsesCodec } from './codec.ts'
import { encodeFailure } from './encode-failure.ts'
import { contextOf, framesOf, STOPPED, writeReply } from './test-wire.ts'

/** `?` after a kind: null is allowed. */
type Kind = 'text' | 'integer' | 'number' | 'boolean' | 'list' | 'object' | 'text?' | 'integer?' | 'object?' | 'any'
type Shape = Readonly<Record<string, Kind>>

const DELTA: Shape = { sequence_number: 'integer', item_id: 'text', output_index: 'integer', delta: 'text' }
const IN_ITEM: Shape = { sequence_number: 'integer', item_id: 'text', output_index: 'integer' }
const IN_PART: Shape = { ...IN_ITEM, content_index: 'integer' }
const IN_SUMMARY: Shape = { ...IN_ITEM, summary_index: 'integer' }
const OF_RESPONSE: Shape = { sequence_number: 'integer', response: 'object' }
const OF_ITEM: Shape = { sequence_number: 'integer', output_index: 'integer', item: 'object' }

const EVENTS: Readonly<Record<string, Shape>> = {
  'response.created': OF_RESPONSE,
  'response.in_progress': OF_RESPONSE,
  'response.completed': OF_RESPONSE,
  'response.incomplete': OF_RESPONSE,
  'response.failed': OF_RESPONSE,
  'response.output_item.added': OF_ITEM,
  'response.output_item.done': OF_ITEM,
  'response.content_part.added': { ...IN_PART, part: 'object' },
  'response.content_part.done': { ...IN_PART, part: 'object' },
  'response.output_text.delta': { ...IN_PART, ...DELTA, logprobs: 'list' },
  'response.output_text.done': { ...IN_PART, text: 'text', logprobs: 'list' },
  'response.output_text.annotation.added': { ...IN_PART, annotation_index: 'integer', annotation: 'object' },
  'response.refusal.delta': { ...IN_PART, ...DELTA },
  'response.refusal.done': { ...IN_PART, refusal: 'text' },
  'response.reasoning_summary_part.added': { ...IN_SUMMARY, part: 'object' },
  'response.reasoning_summary_part.done': { ...IN_SUMMARY, part: 'object' },
  'response.reasoning_summary_text.delta': { ...IN_SUMMARY, ...DELTA },
  'response.reasoning_summary_text.done': { ...IN_SUMMARY, text: 'text' },
  'response.function_call_arguments.delta': DELTA,
  'response.function_call_arguments.done': { ...IN_ITEM, arguments: 'text' },
  // Beyond the specification: as OpenAI has it.
  'response.custom_tool_call_input.delta': DELTA,
  'response.custom_tool_call_input.done': { ...IN_ITEM, input: 'text' },
  error: { sequence_number: 'integer', error: 'object' },
}

const RESPONSE: Shape = {
  id: 'text',
  object: 'text',
  created_at: 'integer',
  completed_at: 'integer?',
  status: 'text',
  incomplete_details: 'object?',
  model: 'text',
  previous_response_id: 'text?',
  instructions: 'text?',
  output: 'list',
  error: 'object?',
  tools: 'list',
  tool_choice: 'any',
  truncation: 'text',
  parallel_tool_calls: 'boolean',
  text: 'object',
  top_p: 'number',
  presence_penalty: 'number',
  frequency_penalty: 'number',
  top_logprobs: 'integer',
  temperature: 'number',
  reasoning: 'object?',
  usage: 'object?',
  max_output_tokens: 'integer?',
  max_tool_calls: 'integer?',
  store: 'boolean',
  background: 'boolean',
  service_tier: 'text',
  metadata: 'any',
  safety_identifier: 'text?',
  prompt_cache_key: 'text?',
}

/** By `type`. */
const OBJECTS: Readonly<Record<string, Shape>> = {
  message: { id: 'text', status: 'text', role: 'text', content: 'list' },
  reasoning: { id: 'text', summary: 'list' },
  function_call: { id: 'text', call_id: 'text', name: 'text', arguments: 'text', status: 'text' },
  custom_tool_call: { id: 'text', call_id: 'text', name: 'text', input: 'text' },
  image_generation_call: { id: 'text', status: 'text', result: 'text' },
  output_text: { text: 'text', annotations: 'list' },
  refusal: { refusal: 'text' },
  summary_text: { text: 'text' },
  url_citation: { url: 'text', title: 'text', start_index: 'integer', end_index: 'integer' },
  function: { name: 'text', description: 'text?', parameters: 'object?', strict: 'boolean' },
  json_schema: { name: 'text', description: 'text?', schema: 'object', strict: 'boolean' },
  text: {},
}
const USAGE: Shape = {
  input_tokens: 'integer',
  input_tokens_details: 'object',
  output_tokens: 'integer',
  output_tokens_details: 'object',
  total_tokens: 'integer',
}
const ERROR_PAYLOAD: Shape = { type: 'text', code: 'text?', message: 'text', param: 'text?' }

const CHECKS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  integer: Number.isInteger,
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  list: Array.isArray,
  object: (value) => asObject(value) !== null,
  'text?': (value) => value === null || typeof value === 'string',
  'integer?': (value) => value === null || Number.isInteger(value),
  'object?': (value) => value === null || asObject(value) !== null,
  any: (value) => value !== undefined,
}

function check(value: unknown, shape: Shape, where: string): void {
  for (const [member, kind] of Object.entries(shape)) {
    assert.ok(CHECKS[kind](asObject(value)?.[member]), `${where}.${member} must be ${kind}`)
  }
}

function checkTyped(value: unknown, where: string): void {
  const type = String(asObject(value)?.type)
  const shape = OBJECTS[type]
  assert.ok(shape, `${where} has an unknown type: ${type}`)
  check(value, shape, `${where} (${type})`)
}

function checkItem(item: unknown, where: string): void {
  checkTyped(item, where)
  const { content, summary } = asObject(item) ?? {}
  for (const part of [...asArray(content), ...asArray(summary)]) {
    checkTyped(part, `${where} part`)
    for (const annotation of asArray(asObject(part)?.annotations)) checkTyped(annotation, `${where} annotation`)
  }
}

function checkResponse(response: WireObject | null): void {
  check(response, RESPONSE, 'response')
  for (const item of asArray(response?.output)) checkItem(item, 'output')
  for (const tool of asArray(response?.tools)) checkTyped(tool, 'tool')
  checkTyped(asObject(response?.text)?.format, 'text.format')
  check(response?.reasoning, { effort: 'text?', summary: 'text?' }, 'reasoning')
  if (response?.usage) check(response.usage, USAGE, 'usage')
  if (response?.incomplete_details) check(response.incomplete_details, { reason: 'text' }, 'incomplete_details')
  if (response?.error) check(response.error, { code: 'text', message: 'text' }, 'error')
}

/** Returns the names of the events. */
function checkStream(stream: string): string[] {
  const frames = framesOf(stream)
  for (const { name, data } of frames) {
    const shape = EVENTS[name]
    assert.ok(shape, `${name} is no event of the specification`)
    assert.equal(data.type, name)
    check(data, shape, name)
    if (data.response) checkResponse(asObject(data.response))
    if (data.item) checkItem(data.item, `${name}.item`)
    if (data.part) checkTyped(data.part, `${name}.part`)
    if (data.annotation) checkTyped(data.annotation, `${name}.annotation`)
    if (data.error) check(data.error, ERROR_PAYLOAD, name)
  }
  return frames.map(({ name }) => name)
}

const BLOCKS: readonly IrBlock[] = [
  { type: 'thinking', text: 'Hm.', signature: 'sig', mint: null },
  { type: 'redacted-thinking', data: 'data', mint: null },
  { type: 'text', text: 'Hello', citations: [{ protocol: 'google-generate', url: 'https://a.example', raw: {} }] },
  { type: 'tool-call', id: 'c1', name: 'run', kind: 'function', input: '{}' },
  { type: 'tool-call', id: 'c2', name: 'exec', kind: 'custom', input: 'let a' },
  { type: 'text', text: 'No.', isRefusal: true },
  { type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA' } },
]
const REQUESTS = [
  {},
  {
    tools: [{ type: 'function', name: 'run' }],
    text: { format: { type: 'json_schema', schema: {} } },
    reasoning: { effort: 'low' },
    include: ['reasoning.encrypted_content'],
  },
]
const FAILURE = { message: 'a', code: 'b', type: 'c', createdAtMs: 1, model: 'm', requestId: 'r' }

describe('everything that is written', () => {
  it('has the members that Open Responses requires', () => {
    const seen = new Set<string>()
    for (const request of REQUESTS) {
      for (const finish of ['stop', 'length'] as const) {
        const end = { finish, raw: null, stopSequence: null }
        const reply = { id: null, model: null, blocks: BLOCKS, finish: end, usage: STOPPED.usage }
        for (const name of checkStream(writeReply(reply, contextOf(request)))) seen.add(name)
        checkResponse(responsesCodec.encodeReply({ ...reply, cost: null }, contextOf(request)))
      }
    }
    for (const name of checkStream(encodeFailure({ sequence: 0, replyId: null }, FAILURE))) seen.add(name)
    assert.deepEqual([...seen].sort(), Object.keys(EVENTS).sort(), 'every event of the table is written')
  })
})
