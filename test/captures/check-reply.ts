/** Compares what the client received with the recording. Pure; an empty list means that all is as it must be. */
import { type Call, firstDifference } from './call.ts'
import { type Ending, endingOf } from './expectation.ts'
import { PLANTED_HEADERS } from './replay-upstream.ts'
import { isError, isUsageOnly, jsonOf, type SseBlock, splitBlocks } from './sse-blocks.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** False when the connection broke before the body's end. */
  readonly ended: boolean
}

export function checkReply(call: Call, reply: Reply): string[] {
  return [...checkHeaders(call, reply), ...replyChecks[endingOf(call.replayed)](call, reply)]
}

const replyChecks: Record<Ending, (call: Call, reply: Reply) => string[]> = {
  complete: checkRelayed,
  filtered: checkRelayed,
  empty: checkRelayed,
  error_in_band: checkRelayed,
  account_error_in_band: checkCut,
  cut: checkCut,
  error_body: checkErrorBody,
  rejected: checkRejected,
  unavailable: checkUnavailable,
}

/** The recording as this client may see it: without the usage chunk that it did not ask for. */
export function visibleBody(call: Call): Buffer {
  if (call.asksUsage !== false) return call.replayed.body
  const blocks = splitBlocks(call.replayed.body).filter((block) => !isUsageOnly(block))
  return Buffer.concat(blocks.map((block) => block.bytes))
}

function checkHeaders(call: Call, reply: Reply): string[] {
  const problems: string[] = []
  const requestId = String(reply.headers['x-request-id'])
  if (!/^req_[0-9a-z]{26}$/.test(requestId)) problems.push(`expected an x-request-id of the gateway, got ${requestId}`)
  for (const name of Object.keys(PLANTED_HEADERS))
    if (reply.headers[name] !== undefined) problems.push(`the upstream's header ${name} reached the client`)
  if (!reply.ended) problems.push('the connection broke before the end of the reply')
  return [...problems, ...checkContentType(call, reply)]
}

/** The upstream's own type where its body is relayed. */
function checkContentType({ replayed }: Call, reply: Reply): string[] {
  const got = reply.headers['content-type']
  const ownWords = ['unavailable', 'error_body'].includes(endingOf(replayed)) || replayed.expected.secrets !== undefined
  const wanted = ownWords ? 'application/json' : replayed.headers['content-type']
  const same = wanted === undefined || got === wanted || (ownWords && String(got).startsWith(wanted))
  return same ? [] : [`expected content type ${wanted}, got ${got}`]
}

function checkRelayed(call: Call, reply: Reply): string[] {
  const expected = visibleBody(call)
  return [...checkStatus(200, reply), ...(reply.body.equals(expected) ? [] : [difference(expected, reply)])]
}

/** Every whole event before the failure arrives, then one error event, and nothing that looks like an end. */
function checkCut(call: Call, reply: Reply): string[] {
  const blocks = splitBlocks(visibleBody(call))
  const failure = blocks.findIndex((block) => !block.closed || isError(block))
  const good = failure === -1 ? blocks : blocks.slice(0, failure)
  const whole = Buffer.concat(good.map((block) => block.bytes))
  if (!reply.body.subarray(0, whole.length).equals(whole)) return [difference(whole, reply)]
  const added = splitBlocks(reply.body.subarray(whole.length))
  const [error, ...more] = added
  if (error === undefined) return ['a cut stream ended without an error event']
  const problems = [...checkStatus(200, reply), ...checkErrorEvent(call, error)]
  if (more.length > 0) problems.push(`expected nothing after the error event, got ${more[0]?.data}`)
  return problems
}

function checkErrorEvent(call: Call, block: SseBlock): string[] {
  const shown = JSON.stringify(block.bytes.toString('utf8').slice(0, 300))
  if (!block.closed || !isError(block)) return [`expected a closed error event after the cut, got ${shown}`]
  const payload = jsonOf(block) ?? {}
  if (call.replayed.family === 'openai-chat') return checkErrorMembers(payload.error, shown)
  const framed = block.event === 'error' && payload.type === 'error'
  return framed ? checkErrorMembers(payload.error, shown) : [`expected "event: error", got ${shown}`]
}

function checkErrorMembers(error: unknown, shown: string): string[] {
  const { type, code, message } = error as Record<string, unknown>
  const wellFormed = typeof type === 'string' && typeof message === 'string'
  return wellFormed && code === 'upstream_unavailable' ? [] : [`expected code upstream_unavailable, got ${shown}`]
}

/** A 200 that holds only an error is not passed off as an answer. */
function checkErrorBody(_call: Call, reply: Reply): string[] {
  const error = errorOf(reply)
  if (reply.status < 400 || error === null)
    return [`expected an error status for an error body, got ${reply.status} ${shorten(reply.body)}`]
  return []
}

/** The upstream's own words, unless they are no JSON or hold secrets. */
function checkRejected(call: Call, reply: Reply): string[] {
  const { status, body, headers, expected } = call.replayed
  const secrets = expected.secrets ?? []
  const problems = [...checkStatus(status, reply), ...checkHidden(secrets, reply)]
  if (errorOf(reply) === null && secrets.length > 0) problems.push(`expected an error body, got ${shorten(reply.body)}`)
  if (secrets.length === 0 && !reply.body.equals(body)) problems.push(difference(body, reply))
  const retryAfter = headers['retry-after']
  if (retryAfter !== undefined && reply.headers['retry-after'] !== retryAfter)
    problems.push(`expected retry-after ${retryAfter}, got ${reply.headers['retry-after']}`)
  return problems
}

/** The operator's trouble: the gateway's own words in the caller's shape, none of the upstream's. */
function checkUnavailable(call: Call, reply: Reply): string[] {
  const problems = checkStatus(503, reply)
  const error = errorOf(reply)
  if (error?.code !== 'upstream_unavailable')
    problems.push(`expected error.code upstream_unavailable, got ${shorten(reply.body)}`)
  if (call.replayed.family === 'anthropic-messages' && bodyOf(reply)?.type !== 'error')
    problems.push(`expected the Messages error shape, got ${shorten(reply.body)}`)
  return [...problems, ...checkHidden(longTexts(call.replayed.body.toString('utf8')), reply)]
}

function checkHidden(texts: readonly string[], reply: Reply): string[] {
  const seen = texts.filter((text) => reply.body.includes(text))
  return seen.map((text) => `the client must not see ${JSON.stringify(text)}`)
}

function errorOf(reply: Reply): Record<string, unknown> | null {
  const error = bodyOf(reply)?.error
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : null
}

function bodyOf(reply: Reply): Record<string, unknown> | null {
  try {
    return JSON.parse(reply.body.toString('utf8')) as Record<string, unknown>
  } catch {
    return null
  }
}

/** The quoted or tagged texts of a body that are too long to be there by chance. */
function longTexts(body: string): string[] {
  return (body.match(/[^"<>\\]{12,}/g) ?? []).filter((text) => /[a-z]{3}/i.test(text))
}

function checkStatus(expected: number, reply: Reply): string[] {
  return reply.status === expected ? [] : [`expected status ${expected}, got ${reply.status} ${shorten(reply.body)}`]
}

function difference(expected: Buffer, reply: Reply): string {
  return firstDifference('reply', expected, reply.body)
}

function shorten(body: Buffer): string {
  return JSON.stringify(body.toString('utf8', 0, 200))
}
