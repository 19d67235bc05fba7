/** The comparison must pass a right gateway and catch a wrong one: every fault here is planted. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LedgerRow } from '../support/ledger.ts'
import { type Call, callsOf, checkForwardedBody, requestBody } from './call.ts'
import { type Case, loadCases } from './case.ts'
import { checkCharge, checkUsage } from './check-ledger.ts'
import { breaksOff, checkReply, type Reply, visibleBody } from './check-reply.ts'
import { endingOf } from './expectation.ts'
import { splitParts } from './parts.ts'
import { bucketsOf, costOf } from './price.ts'
import { isError, splitBlocks } from './sse-blocks.ts'

const cases = loadCases(join(import.meta.dirname, '..', 'golden'))
const CHAT_ERROR = 'data: {"error":{"type":"UpstreamError","code":"upstream_unavailable","message":"Broken off."}}\n\n'
const UNAVAILABLE = '{"type":"error","error":{"type":"UpstreamError","code":"upstream_unavailable","message":"Busy."}}'
const GOOGLE_ERROR =
  '{"error":{"message":"Busy.","code":503,"status":"UNAVAILABLE","details":[{"metadata":{"code":"upstream_unavailable"}}]}}'

function caseNamed(name: string): Case {
  const found = cases.find((one) => `${one.family}/${one.name}` === name)
  assert(found !== undefined, name)
  return found
}

function callNamed(name: string, asksUsage: boolean | null = null): Call {
  return { replayed: caseNamed(name), asksUsage, label: name }
}

/** The reply of a gateway that does everything right. */
function rightReply(call: Call): Reply {
  const { replayed } = call
  const headers = {
    'x-request-id': `req_${'0'.repeat(26)}`,
    'content-type': replayed.headers['content-type'],
    'retry-after': replayed.headers['retry-after'],
  }
  const answers: Record<ReturnType<typeof endingOf>, () => [number, Buffer]> = {
    complete: () => [200, visibleBody(call)],
    filtered: () => [200, visibleBody(call)],
    empty: () => [200, visibleBody(call)],
    error_in_band: () => [200, visibleBody(call)],
    account_error_in_band: () => [200, rightCut(call)],
    cut: () => [200, rightCut(call)],
    error_body: () => [502, unavailable],
    rejected: () => [replayed.status, replayed.expected.secrets ? unavailable : replayed.body],
    unavailable: () => [503, unavailable],
  }
  const unavailable = Buffer.from(replayed.family === 'google-generate' ? GOOGLE_ERROR : UNAVAILABLE)
  const [status, body] = answers[endingOf(replayed)]()
  const ownHeaders = body === unavailable ? { ...headers, 'content-type': 'application/json' } : headers
  return { status, headers: ownHeaders, body, ended: !breaksOff(call) }
}

/** What goes out of a stream that breaks, and the right error behind it. */
function rightCut(call: Call): Buffer {
  const { whole, error } = cutOf(call)
  return Buffer.concat([whole, Buffer.from(error)])
}

function cutOf(call: Call): { whole: Buffer; error: string } {
  const { form, family } = call.replayed
  const parts = splitParts(visibleBody(call), form)
  const good = parts.filter((part) => part.closed && !isError(part) && part.data !== '[DONE]')
  const whole = Buffer.concat(good.map((part) => part.bytes))
  switch (family) {
    case 'openai-chat':
      return { whole, error: CHAT_ERROR }
    case 'anthropic-messages':
      return { whole, error: `event: error\ndata: ${UNAVAILABLE}\n\n` }
    case 'google-generate':
      if (form === 'sse') return { whole, error: `data: ${GOOGLE_ERROR}\r\n\r\n` }
      return { whole, error: `${good.length === 0 ? '[' : ','}${GOOGLE_ERROR}` }
    case 'openai-responses':
      return { whole, error: responsesError(good.length) }
  }
}

function responsesError(sequence: number): string {
  const failed = { status: 'failed', error: { code: 'upstream_unavailable', message: 'Broken off.' } }
  const error = { type: 'error', sequence_number: sequence, code: 'upstream_unavailable', message: 'Broken off.' }
  const end = { type: 'response.failed', sequence_number: sequence + 1, response: failed }
  return [error, end].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
}

function replyWith(call: Call, change: Partial<Reply>): string[] {
  return checkReply(call, { ...rightReply(call), ...change })
}

test('the replies of a right gateway pass, for every case', () => {
  for (const call of cases.flatMap(callsOf)) assert.deepEqual(checkReply(call, rightReply(call)), [], call.label)
})

test('one changed, missing or added byte is found in every relayed reply', () => {
  const relayed = cases.flatMap(callsOf).filter((call) => ['complete', 'filtered'].includes(endingOf(call.replayed)))
  for (const call of relayed) {
    const { body } = rightReply(call)
    const changed = Buffer.from(body)
    const middle = body.length >> 1
    changed.writeUInt8(body.readUInt8(middle) ^ 1, middle)
    for (const wrong of [changed, body.subarray(1), body.subarray(0, -1), Buffer.concat([body, Buffer.from('\n')])])
      assert.notDeepEqual(replyWith(call, { body: wrong }), [], call.label)
  }
})

test('a usage chunk that was not asked for is found, and so is one that is missing', () => {
  const name = 'openai-chat/text-usage-chunk'
  const asked = callNamed(name, true)
  const unasked = callNamed(name, false)
  assert.notDeepEqual(replyWith(unasked, { body: visibleBody(asked) }), [])
  assert.notDeepEqual(replyWith(asked, { body: visibleBody(unasked) }), [])
})

test('a cut stream that ends like a success is found', () => {
  for (const name of [
    'openai-chat/cut-inside-event',
    'openai-chat/cut-between-events',
    'anthropic-messages/cut-in-text',
  ]) {
    const call = callNamed(name)
    const whole = splitBlocks(visibleBody(call)).filter((block) => block.closed)
    const relayed = Buffer.concat(whole.map((block) => block.bytes))
    const ends = ['', 'data: [DONE]\n\n', 'event: message_stop\ndata: {"type":"message_stop"}\n\n']
    for (const end of ends)
      assert.notDeepEqual(replyWith(call, { body: Buffer.concat([relayed, Buffer.from(end)]) }), [], name)
    const doneAfterError = Buffer.concat([rightReply(call).body, Buffer.from('data: [DONE]\n\n')])
    assert.notDeepEqual(replyWith(call, { body: doneAfterError }), [], name)
  }
})

test('a broken Google stream that looks whole is found, in both framings', () => {
  for (const replayed of cases.filter((one) => one.family === 'google-generate')) {
    for (const call of callsOf(replayed).filter(breaksOff)) {
      const { body } = rightReply(call)
      assert.notDeepEqual(replyWith(call, { ended: true }), [], call.label)
      if (endingOf(call.replayed) !== 'cut') continue
      assert.notDeepEqual(replyWith(call, { body: cutOf(call).whole }), [], call.label)
      const twice = Buffer.concat([cutOf(call).whole, Buffer.from(`,${cutOf(call).error}`)])
      if (call.replayed.form === 'array') assert.notDeepEqual(replyWith(call, { body: twice }), [], call.label)
      assert.notDeepEqual(replyWith(call, { body: Buffer.concat([body, Buffer.from(cutOf(call).error)]) }), [])
    }
  }
})

test('a cut Responses stream without its last event, or numbered wrong, is found', () => {
  for (const name of ['openai-responses/cut-before-completed', 'openai-responses/quota-at-start']) {
    const call = callNamed(name)
    const { whole, error } = cutOf(call)
    const [first = ''] = error.split(/(?<=\n\n)/)
    const numbered = splitParts(whole, 'sse').length
    for (const wrong of ['', first, responsesError(numbered + 1), error.replace('"failed"', '"completed"')])
      assert.notDeepEqual(replyWith(call, { body: Buffer.concat([whole, Buffer.from(wrong)]) }), [], name)
  }
})

test('an error of the upstream account that reaches the client is found', () => {
  for (const name of ['openai-chat/error-401', 'openai-chat/error-429-quota', 'anthropic-messages/error-400-billing']) {
    const call = callNamed(name)
    const { body, status } = call.replayed
    assert.notDeepEqual(replyWith(call, { status }), [], name)
    assert.notDeepEqual(replyWith(call, { body }), [], name)
    assert.notDeepEqual(replyWith(call, { body: Buffer.concat([Buffer.from(UNAVAILABLE), body]) }), [], name)
  }
})

test('secrets in a relayed error, a lost retry-after and a passed-off error body are found', () => {
  const secrets = callNamed('openai-chat/error-400-echoes-key')
  assert.notDeepEqual(replyWith(secrets, { body: secrets.replayed.body }), [])
  const limited = callNamed('openai-chat/error-429-rate')
  const { 'retry-after': _, ...headers } = rightReply(limited).headers
  assert.notDeepEqual(replyWith(limited, { headers }), [])
  assert.notDeepEqual(replyWith(callNamed('openai-chat/error-in-200-body'), { status: 200 }), [])
})

test('a leaked upstream header, a broken connection and a foreign request id are found', () => {
  const call = callNamed('anthropic-messages/text')
  const { headers } = rightReply(call)
  assert.notDeepEqual(replyWith(call, { headers: { ...headers, 'set-cookie': 'a=b' } }), [])
  assert.notDeepEqual(replyWith(call, { headers: { ...headers, 'x-request-id': 'upstream-own-id' } }), [])
  assert.notDeepEqual(replyWith(call, { ended: false }), [])
})

test('a request is forwarded unchanged but for its model and the usage opt-in', () => {
  for (const name of ['odd-request', 'odd-request-usage-declined', 'odd-request-other-stream-option', 'refusal']) {
    const call = callNamed(`openai-chat/${name}`, false)
    const sent = requestBody(call, call.replayed.name).toString('utf8')
    const optIn = sent.includes('"stream_options"')
      ? sent.replace(/"include_usage" : false|"include_obfuscation":false/, optedIn)
      : sent.replace(/\s*}\s*$/, (end) => `,"stream_options":{"include_usage":true}${end}`)
    assert.deepEqual(checkForwardedBody(call, Buffer.from(optIn)), [], name)
    for (const wrong of [sent, optIn.replace('true', 'false'), optIn.replace('"role"', '"rôle"')])
      assert.notDeepEqual(checkForwardedBody(call, Buffer.from(wrong)), [], name)
  }
})

function optedIn(option: string): string {
  return option.includes('include_usage') ? '"include_usage" : true' : `"include_usage":true,${option}`
}

test('a request reserialised with another white space is found', () => {
  const call = callNamed('openai-chat/odd-request-usage-asked', true)
  const sent = requestBody(call, call.replayed.name)
  assert.deepEqual(checkForwardedBody(call, sent), [])
  const reserialised = JSON.stringify(JSON.parse(sent.toString('utf8')))
  assert.notDeepEqual(checkForwardedBody(call, Buffer.from(reserialised)), [])
})

/** The row of a complete answer as a right meter would write it. */
function rightRow(replayed: Case): LedgerRow {
  assert(replayed.expected.usage)
  const buckets = bucketsOf(replayed.expected.usage)
  const cost = costOf(buckets)
  return {
    ...{ id: 'req_1', model: 'm', state: 'settled', outcome: 'complete', estimated: false, status: 200 },
    ...{ error_code: null, hold: 10n ** 12n, cost, charged: cost },
    ...buckets,
  }
}

test('each token bucket, the estimate mark, the outcome and the charge are looked at', () => {
  const call = callNamed('anthropic-messages/cache-writes-5m-and-1h')
  const right = rightRow(call.replayed)
  assert.deepEqual([...checkUsage(call, right), ...checkCharge(call, right)], [])
  const wrongUsage: Partial<LedgerRow>[] = [
    ...[{ input_tokens: 5 }, { cached_read_tokens: 1 }, { cache_write_5m_tokens: 3300, cache_write_1h_tokens: 0 }],
    ...[{ output_tokens: 8 }, { reasoning_tokens: 1 }, { estimated: true }, { outcome: 'upstream_cut' }],
  ]
  for (const wrong of wrongUsage)
    assert.notDeepEqual(checkUsage(call, { ...right, ...wrong }), [], JSON.stringify(wrong))
  const cost = costOf(right)
  const wrongCharge: Partial<LedgerRow>[] = [
    ...[{ charged: cost + 1n }, { charged: 0n }, { cost: cost - 1n }, { state: 'held' as const, charged: null }],
    { hold: cost - 1n },
  ]
  for (const wrong of wrongCharge) assert.notDeepEqual(checkCharge(call, { ...right, ...wrong }), [])
})

test('a charge for an error or for nothing is found', () => {
  for (const name of ['openai-chat/error-500', 'openai-chat/empty-reply', 'anthropic-messages/error-429']) {
    const row = { ...rightRow(caseNamed('openai-chat/refusal')), state: 'released' as const }
    assert.deepEqual(checkCharge(callNamed(name), { ...row, charged: 0n }), [])
    assert.notDeepEqual(checkCharge(callNamed(name), { ...row, charged: 1n }), [])
  }
})

test('a guess where the upstream counted, and a count where it did not, are found', () => {
  const unknown = callNamed('openai-chat/no-usage')
  const row = { ...rightRow(caseNamed('openai-chat/refusal')), input_tokens: 9, output_tokens: 20 }
  assert.deepEqual(checkUsage(unknown, { ...row, estimated: true }), [])
  assert.notDeepEqual(checkUsage(unknown, { ...row, estimated: false }), [])
  assert.notDeepEqual(checkUsage(unknown, { ...row, estimated: true, output_tokens: 0 }), [])
  assert.notDeepEqual(checkUsage(unknown, { ...row, estimated: true, input_tokens: 0 }), [])
})

test('the cost of a usage is the sum of its parts rounded once, halves up', () => {
  const none = bucketsOf({ input: 0, output: 0, cached_read: null, cache_write: null, reasoning: null })
  assert.equal(costOf(none), 0n)
  assert.equal(costOf({ ...none, input_tokens: 1 }), 1001n) // 1000.7
  assert.equal(costOf({ ...none, input_tokens: 2 }), 2001n) // 2001.4
  assert.equal(costOf({ ...none, cache_write_5m_tokens: 1 }), 1251n) // 1250.5
  // 100.300001 + 2000.2: each alone would be rounded down.
  assert.equal(costOf({ ...none, cached_read_tokens: 1, cache_write_1h_tokens: 1 }), 2101n)
  assert.equal(costOf({ ...none, input_tokens: 10, output_tokens: 10 }), 60_016n)
})
