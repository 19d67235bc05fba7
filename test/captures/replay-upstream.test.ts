/** The replaying upstream must be trusted before anything is judged by it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { closeConnections, post } from '../support/http.ts'
import { callsOf, checkForwardedBody, requestBody } from './call.ts'
import { type Case, loadCases } from './case.ts'
import { cutIntoChunks } from './chunking.ts'
import { randomFor } from './random.ts'
import { type ReplayUpstream, startReplayUpstream } from './replay-upstream.ts'
import { pathOf } from './wire.ts'

const cases = loadCases(join(import.meta.dirname, '..', 'golden'))
const seed = Math.floor(Math.random() * 2 ** 31)
let upstream: ReplayUpstream

before(async () => {
  upstream = await startReplayUpstream(cases, seed)
})

after(async () => {
  closeConnections()
  await upstream.stop()
})

async function callDirectly(replayed: Case) {
  const [call] = callsOf(replayed)
  assert(call !== undefined)
  const { family, name, stream, form } = replayed
  const path = pathOf(family, { model: name, stream, form })
  return {
    call: { ...call, replayed },
    reply: await post(`${upstream.baseUrl}${path}`, { 'x-probe': name }, requestBody(call, name)),
  }
}

test(`every case arrives byte for byte over a direct connection (seed ${seed})`, async () => {
  for (const replayed of cases) {
    const { reply } = await callDirectly(replayed)
    assert.equal(reply.status, replayed.status, replayed.name)
    assert(reply.body.equals(replayed.body), replayed.name)
  }
})

test('an answer that ended well ends well, whatever its framing', async () => {
  for (const replayed of cases.filter((one) => one.expected.terminal !== 'eof')) {
    const { reply } = await callDirectly(replayed)
    assert(reply.ended, replayed.name)
  }
})

test('what the upstream received is kept as it came', async () => {
  for (const replayed of cases.filter((one) => one.family === 'anthropic-messages')) {
    const { call } = await callDirectly(replayed)
    const received = upstream.received(replayed).at(-1)
    assert.equal(received?.headers['x-probe'], replayed.name)
    assert.deepEqual(checkForwardedBody(call, received.body), [])
  }
})

test('an unknown model is answered with an error, not with another case', async () => {
  const reply = await post(`${upstream.baseUrl}/messages`, {}, Buffer.from('{"model":"nobody"}'))
  assert.equal(reply.status, 500)
})

test('pieces put together are the body, and some cut through a character', () => {
  const body = Buffer.from('Möwen — 🕊️🚢 '.repeat(8000))
  const runs = Array.from({ length: 20 }, (_, run) => cutIntoChunks(body, randomFor(seed, `run ${run}`)))
  for (const chunks of runs) assert(Buffer.concat(chunks).equals(body), `seed ${seed}`)
  const chunks = runs.flat()
  assert(chunks.some((chunk) => chunk.length === 1))
  assert(chunks.some((chunk) => chunk.length > 65_536))
  assert(chunks.some((chunk) => chunk.toString('utf8').includes('\ufffd')))
})

test('the same seed and name cut alike, another seed does not', () => {
  const body = Buffer.alloc(20_000, 'x')
  const lengths = (from: number) => cutIntoChunks(body, randomFor(from, 'same name')).map((chunk) => chunk.length)
  assert.deepEqual(lengths(1), lengths(1))
  assert.notDeepEqual(lengths(1), lengths(2))
})
