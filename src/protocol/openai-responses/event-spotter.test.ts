import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createSpottedEvent, spotEvent } from './event-spotter.ts'

function spot(text: string): { type: string; deltaBytes: number } {
  const bytes = Buffer.from(text)
  const found = createSpottedEvent()
  spotEvent(bytes, 0, bytes.length, found)
  return { type: bytes.toString('utf8', found.typeStart, found.typeEnd), deltaBytes: found.deltaBytes }
}

const plainText = fc.string({ unit: 'binary' }).map((text) => text.replace(/[^\x20-\uD7FF]/g, ' '))

describe('spotEvent', () => {
  it('finds type and delta in any order, with spaces and without', () => {
    for (const text of [
      '{"type":"response.output_text.delta","delta":"abcd","logprobs":[]}',
      '{"content_index":0,"delta":"abcd","item":{"type":"x","delta":"no"},"type":"response.output_text.delta"}',
      ' { "delta" : "abcd" ,\n "type" : "response.output_text.delta" } ',
    ]) {
      assert.deepEqual(spot(text), { type: 'response.output_text.delta', deltaBytes: 4 }, text)
    }
  })

  it('counts escapes as what they stand for, and takes no text for a key', () => {
    const delta = '"type":"error" \\ é \n'
    const text = JSON.stringify({ type: 'response.refusal.delta', delta })
    assert.deepEqual(spot(text), { type: 'response.refusal.delta', deltaBytes: Buffer.byteLength(delta) })
    assert.equal(spot('{"type":"a.delta","delta":"\\u6771x"}').deltaBytes, 4)
  })

  it('finds where a delta belongs, and its bytes as they stand on the wire', () => {
    const where = (text: string): unknown[] => {
      const bytes = Buffer.from(text)
      const found = createSpottedEvent()
      spotEvent(bytes, 0, bytes.length, found)
      return [found.outputIndex, found.partIndex, bytes.toString('utf8', found.deltaStart, found.deltaEnd)]
    }
    const type = '"type":"response.output_text.delta"'
    assert.deepEqual(where(`{${type},"output_index":2,"content_index": 13 ,"delta":"a\\n"}`), [2, 13, 'a\\n'])
    assert.deepEqual(where(`{"delta":"a","summary_index":1,"output_index":0,${type}}`), [0, 1, 'a'])
    assert.deepEqual(where(`{${type},"delta":"a","output_index":null,"x":{"output_index":5}}`), [-1, -1, 'a'])
    assert.deepEqual(where(`{${type},"delta":"a","output_index":"1","content_index":-1}`), [-1, -1, 'a'])
  })

  it('counts no delta that is not text', () => {
    assert.equal(spot('{"type":"response.shell_call_output_content.delta","delta":{"stdout":"abc"}}').deltaBytes, 0)
    assert.equal(spot('{"type":"a.delta","delta":null}').deltaBytes, 0)
  })

  it('reads every event as JSON.parse does', () => {
    const event = fc.record(
      {
        type: fc.constantFrom('response.output_text.delta', 'response.completed', 'error'),
        delta: plainText,
        item: fc.object({ maxDepth: 2 }),
        text: plainText,
      },
      { requiredKeys: ['type'] },
    )
    fc.assert(
      fc.property(event, fc.boolean(), ({ type, ...rest }, isFirst) => {
        const found = spot(JSON.stringify(isFirst ? { type, ...rest } : { ...rest, type }))
        assert.equal(found.type, type)
        if (type.endsWith('.delta')) assert.equal(found.deltaBytes, Buffer.byteLength(rest.delta ?? ''))
      }),
      { numRuns: 500 },
    )
  })

  it('ends on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        spotEvent(bytes, 0, bytes.length, createSpottedEvent())
      }),
    )
    for (const text of ['{"type', '{"type":"', '{"type":"a\\', '{"delta":"a', '"']) spot(text)
  })
})
