import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readChatError } from './error.ts'

describe('an error of a chat upstream', () => {
  it('is read in every shape that vendors give it', () => {
    const message = 'Too warm.'
    const error = { type: 'bad_input', code: null, message, status: null }
    assert.deepEqual(readChatError({ error: { message, type: 'bad_input' } }), error)
    assert.deepEqual(readChatError({ object: 'error', message, type: 'bad_input' }), error)
    assert.deepEqual(readChatError({ error: message, type: 'bad_input' }), error)
    const flat = { type: 'Bad Request', code: '400', message, status: 400 }
    assert.deepEqual(readChatError({ code: 400, message, type: 'Bad Request' }), flat)
  })

  it('is not seen in an answer, whatever else that says', () => {
    const choices = [{ index: 0, message: { role: 'assistant', content: 'Warm.' } }]
    assert.equal(readChatError({ choices, message: 'served', type: 'bad_input' }), null)
    assert.equal(readChatError({ choices: [], type: 'chunk' }), null)
    assert.equal(readChatError({ type: 'ping', message: '' }), null)
  })
})
