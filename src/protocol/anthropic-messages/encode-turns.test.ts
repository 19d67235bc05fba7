import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assistant, call, encode, result, system, thought, user } from './test-request.ts'
import { strictComplaints } from './test-strict-check.ts'

type Wire = { role: string; content: { type: string; [key: string]: unknown }[] }[]

function turns(...messages: Parameters<typeof encode>[0]['messages'] & object) {
  const { body, warnings } = encode({ messages })
  assert.deepEqual(strictComplaints(body), [])
  return { messages: body.messages as Wire, warnings: warnings.map(({ action, field }) => `${action} ${field}`) }
}

describe('the turns of another protocol', () => {
  it('have all results first in one message behind the calls', () => {
    const { messages, warnings } = turns(
      user('Go.'),
      assistant('Reading.', call('a'), call('b')),
      user('While you work:'),
      user(result('b', 'B')),
      user(result('a', 'A')),
    )
    assert.deepEqual(messages[2], {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'a', content: 'A' },
        { type: 'tool_result', tool_use_id: 'b', content: 'B' },
        { type: 'text', text: 'While you work:' },
      ],
    })
    assert.deepEqual(warnings, [])
  })

  it('get an error result for a call that has none', () => {
    const { messages, warnings } = turns(user('Go.'), assistant(call('a'), call('b')), user(result('a', 'A')))
    assert.deepEqual(messages[2]?.content[1], {
      type: 'tool_result',
      tool_use_id: 'b',
      content: 'The tool gave no result.',
      is_error: true,
    })
    assert.deepEqual(warnings, ['changed messages[1]'])
    assert.equal(turns(user('Go.'), assistant(call('a'))).messages.length, 3)
  })

  it('have a result without its call as text', () => {
    const { messages, warnings } = turns(user(result('z', 'left over')), assistant('Yes.'), user(result('y', 'late')))
    assert.deepEqual(messages[0]?.content, [{ type: 'text', text: 'Result of an earlier tool call:\nleft over' }])
    assert.deepEqual(messages[2]?.content, [{ type: 'text', text: 'Result of an earlier tool call:\nlate' }])
    assert.deepEqual(warnings, ['changed messages[0]', 'changed messages[2]'])
  })

  it('have legal ids, one for each pair, the same every time', () => {
    const conversation = [
      user('Go.'),
      assistant(call('functions.read:0')),
      user(result('functions.read:0', 'one')),
      assistant(call('functions.read:0')),
      user(result('functions.read:0', 'two')),
    ]
    const { messages } = turns(...conversation)
    assert.equal(messages[1]?.content[0]?.id, 'functions_read_0')
    assert.equal(messages[3]?.content[0]?.id, 'functions_read_0_2')
    assert.equal(messages[4]?.content[0]?.tool_use_id, 'functions_read_0_2')
    assert.equal(messages[4]?.content[0]?.content, 'two')
    assert.deepEqual(turns(...conversation).messages, messages)
    assert.equal(turns(user('Go.'), assistant(call('x'.repeat(500)))).messages.length, 3)
  })

  it('have no blank texts, no thoughts at the end, no blanks at the end, and a user first', () => {
    const { messages } = turns(assistant('Before.'), user(' \n'), assistant(thought(), 'Half a sen \n', '  '))
    assert.deepEqual(
      messages.map(({ role, content }) => [role, ...content.map(({ type, text }) => text ?? type)]),
      [
        ['user', 'Continue.'],
        ['assistant', 'Before.', 'thinking', 'Half a sen'],
      ],
    )
    assert.equal(turns(user('Go.'), assistant(thought())).messages.length, 1)
  })

  it('lose what another account thought, and say so once', () => {
    const { messages, warnings } = turns(
      user('Go.'),
      assistant(thought('other'), 'A.'),
      user('On.'),
      assistant(thought('other'), thought(), 'B.'),
      user('On.'),
    )
    assert.deepEqual(
      messages.map(({ content }) => content.length),
      [1, 1, 1, 2, 1],
    )
    assert.deepEqual(warnings, ['dropped messages[1].content[0]'])
  })

  it('tell instructions in the middle as marked user text', () => {
    const { messages, warnings } = turns(user('Go.'), system('Budget: 5.'), assistant('Yes.'))
    assert.deepEqual(messages[0]?.content[1], { type: 'text', text: '<system>\nBudget: 5.\n</system>' })
    assert.deepEqual(warnings, ['changed messages[1]'])
  })

  it('have instructions behind the user where the upstream takes them', () => {
    const messages = [user('Go.'), assistant(call('a')), system('Now.'), user(result('a', 'A')), assistant('Yes.')]
    const { body, warnings } = encode({ messages }, { midSystemMessages: true })
    assert.deepEqual(strictComplaints(body), [])
    assert.deepEqual(
      (body.messages as Wire).map(({ role }) => role),
      ['user', 'assistant', 'user', 'system', 'assistant'],
    )
    assert.deepEqual(warnings, [])
    const alone = encode({ messages: [user('Go.'), assistant('Yes.'), system('Now.')] }, { midSystemMessages: true })
    assert.deepEqual(strictComplaints(alone.body), [])
  })

  it('are the instructions when there is nothing else', () => {
    const { body } = encode({ messages: [], system: [{ type: 'text', text: 'Tell a joke.' }] })
    assert.deepEqual(strictComplaints(body), [])
    assert.equal('system' in body, false)
  })
})
