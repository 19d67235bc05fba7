/** The guide to rehearsals names every simulated model, and its requests work as printed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { SIMULATED_MODELS } from './scenarios.ts'
import { exchange, provide } from './test-client.ts'

const guide = readFileSync(new URL('../../../docs/guides/rehearsals.md', import.meta.url), 'utf8')
const GATEWAY = 'http://127.0.0.1:7070/zen/v1'
const CURL = /curl (?:-N )?(http:\/\/\S+) -H \S+ [^\n]*\n {2}--json '(.*)'\n/g

test('the guide lists the models that exist, each once', () => {
  const listed = [...guide.matchAll(/^\| `sim\/([\w-]+)` \|/gm)].map((row) => row[1])
  assert.deepEqual(listed, SIMULATED_MODELS)
})

test('the requests of the guide are accepted', async (t) => {
  const { baseUrl } = await provide(t)
  const commands = [...guide.matchAll(CURL)]
  assert.equal(commands.length, guide.match(/^curl /gm)?.length)
  for (const [, url = '', body = ''] of commands) {
    assert.ok(url.startsWith(GATEWAY), url)
    const reply = await exchange(url.replace(GATEWAY, baseUrl), body.replace('"sim/', '"'))
    assert.equal(reply.status, 200, reply.text)
    assert.match(reply.text, /simulated/)
  }
})
