/** The model behind the agents leads each protocol's conversation through its steps, and is not easily satisfied. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Protocol } from '../../src/base/words.ts'
import { type AgentTask, type ScriptedUpstream, startScriptedUpstream } from './scripted-upstream.ts'

const TASK: AgentTask = { file: '/tmp/note.txt', content: 'word 1', finalText: 'All done.' }
const schema = { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] }

interface Spoken {
  readonly path: string
  body(tools: readonly string[], results: readonly string[]): object
}

const SPOKEN: Readonly<Record<Protocol, Spoken>> = {
  'openai-chat': {
    path: '/chat/completions',
    body: (tools, results) => ({
      model: 'm',
      messages: results.map((content, i) => ({ role: 'tool', tool_call_id: `call_${i}`, content })),
      tools: tools.map((name) => ({ type: 'function', function: { name, parameters: schema } })),
    }),
  },
  'anthropic-messages': {
    path: '/messages',
    body: (tools, results) => ({
      model: 'm',
      messages: results.map((content, i) => ({
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: `call_${i}`, content }],
      })),
      tools: tools.map((name) => ({ name, input_schema: schema })),
    }),
  },
  'openai-responses': {
    path: '/responses',
    body: (tools, results) => ({
      model: 'm',
      input: results.map((output, i) => ({ type: 'function_call_output', call_id: `call_${i}`, output })),
      tools: [{ type: 'namespace', name: 'n', tools: tools.map((name) => ({ name, parameters: schema })) }],
    }),
  },
  'google-generate': {
    path: '/models/m:generateContent',
    body: (tools, results) => ({
      contents: results.map((output) => ({
        role: 'user',
        parts: [{ functionResponse: { name: 'x', response: { output } } }],
      })),
      tools: [{ functionDeclarations: tools.map((name) => ({ name, parametersJsonSchema: schema })) }],
    }),
  },
}

async function ask(upstream: ScriptedUpstream, protocol: Protocol, body: object) {
  const response = await fetch(upstream.baseUrls[protocol] + SPOKEN[protocol].path, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  return { status: response.status, text: await response.text() }
}

for (const protocol of Object.keys(SPOKEN) as Protocol[]) {
  test(`${protocol}: it writes, reads, and is done when what it reads is what was written`, async () => {
    const upstream = await startScriptedUpstream()
    const { body } = SPOKEN[protocol]
    const tools = ['list', 'write', 'read']
    upstream.begin(TASK, { protocol, cutFirst: false })
    assert.match((await ask(upstream, protocol, body(tools, []))).text, /"name": ?"write"/)
    assert.match((await ask(upstream, protocol, body(tools, ['written']))).text, /"name": ?"read"/)
    assert.ok(!(await ask(upstream, protocol, body(tools, ['written', 'nothing']))).text.includes(TASK.finalText))
    assert.ok((await ask(upstream, protocol, body(tools, ['written', 'word 1']))).text.includes(TASK.finalText))
    const ids = upstream.exchanges().map(({ id }) => id)
    assert.equal(new Set(ids).size, 4)
    await upstream.close()
  })

  test(`${protocol}: results that do not come back, tools that are not there and broken rules are breaches`, async () => {
    const upstream = await startScriptedUpstream()
    const { body } = SPOKEN[protocol]
    upstream.begin(TASK, { protocol, cutFirst: false })
    await ask(upstream, protocol, body(['write'], []))
    assert.equal((await ask(upstream, protocol, body(['write'], []))).status, 400)
    assert.equal((await ask(upstream, protocol, body(['list'], ['written']))).status, 400)
    const other = protocol === 'openai-chat' ? 'google-generate' : 'openai-chat'
    upstream.begin(TASK, { protocol: other, cutFirst: false })
    assert.equal((await ask(upstream, protocol, body(['write'], []))).status, 400)
    assert.equal(upstream.breaches().length, 3)
    await upstream.close()
  })
}

test('the first answer with tools breaks off when it is to be cut, and is given again', async () => {
  const upstream = await startScriptedUpstream()
  const body = { ...SPOKEN['openai-chat'].body(['write'], []), stream: true }
  upstream.begin(TASK, { protocol: 'openai-chat', cutFirst: true })
  await assert.rejects(ask(upstream, 'openai-chat', body))
  assert.match((await ask(upstream, 'openai-chat', body)).text, /"name":"write"[\s\S]*\[DONE\]/)
  assert.deepEqual(
    upstream.exchanges().map(({ turn }) => turn.isCut ?? false),
    [true, false],
  )
  await upstream.close()
})

test('a side call that demands JSON gets what fits its schema', async () => {
  const upstream = await startScriptedUpstream()
  const properties = { choice: { type: 'string', enum: ['small', 'large'] }, score: { type: 'integer', minimum: 3 } }
  const response_format = {
    type: 'json_schema',
    json_schema: { name: 'route', schema: { type: 'object', properties, required: ['choice', 'score'] } },
  }
  upstream.begin(TASK, { protocol: 'openai-chat', cutFirst: false })
  const { text } = await ask(upstream, 'openai-chat', { model: 'm', messages: [], response_format })
  assert.deepEqual(JSON.parse(JSON.parse(text).choices[0].message.content), { choice: 'small', score: 3 })
  await upstream.close()
})
