/** References to what a vendor has kept. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Protocol } from '../base/words.ts'
import { readRequest } from './request.ts'

function names(protocol: Protocol, body: string): boolean {
  const path = protocol === 'google-generate' ? { model: 'm', stream: false } : null
  return readRequest(protocol, Buffer.from(body), { needsMaxTokens: false, path }).namesKeptContent
}

const responses = (input: string, more = ''): string => `{"model":"m","input":[${input}]${more}}`

describe('what a vendor has kept', () => {
  test('is found wherever a request can name it', () => {
    for (const input of [
      '{"type":"item_reference","id":"msg_1"}',
      '{"id":"msg_1"}',
      '{ "id" : "msg_1" , "extra" : 1 }',
      '{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}',
      String.raw`{"role":"user","content":[{"type":"input_file","file\u005fid":"file-1"}]}`,
      String.raw`{"type":"item\u005freference","id":"msg_1"}`,
    ]) {
      assert.equal(names('openai-responses', responses(input)), true, input)
    }
    const tools = ',"tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]'
    assert.equal(names('openai-responses', responses('', tools)), true)
    assert.equal(names('openai-responses', '{"model":"m","prompt":{"id":"pmpt_1"}}'), true)
    assert.equal(names('openai-responses', '{"model":"m","input":"x","previous_response_id":"resp_1"}'), true)
    const file = '{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}'
    assert.equal(names('openai-chat', `{"model":"m","messages":[${file}]}`), true)
    assert.equal(names('anthropic-messages', '{"model":"m","messages":[],"container":"cntr_1"}'), true)
    assert.equal(names('google-generate', '{"contents":[],"cachedContent":"cachedContents/1"}'), true)
  })

  test('is not found in words about it', () => {
    const schema =
      '{"type":"object","properties":{"file_id":{"type":"string"},"container":{"type":"string"}},"required":["file_id"]}'
    const tools = `,"tools":[{"type":"function","name":"f","parameters":${schema}}]`
    const text = JSON.stringify({
      role: 'user',
      content: 'set "file_id": "x" and {"type":"item_reference"} \u001b[0m <b>',
    })
    const call = JSON.stringify({ type: 'function_call', call_id: 'c', name: 'f', arguments: '{"file_id":"a"}' })
    assert.equal(names('openai-responses', responses(`${text},${call}`, tools)), false)
    assert.equal(
      names('openai-responses', responses('', ',"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]')),
      false,
    )
    assert.equal(names('openai-chat', `{"model":"m","messages":[${text}]${tools}}`), false)
  })
})
