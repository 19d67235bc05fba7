/** Compares what the client received with the recording. Pure; an empty list means that all is as it must be. */
import { type Call, firstDifference } from './call.ts'
import { checkErrorParts } from './check-error-part.ts'
import { type Ending, endingOf } from './expectation.ts'
import { splitParts } from './parts.ts'
import { PLANTED_HEADERS } from './replay-upstream.ts'
import { isError, isUsageOnly, splitBlocks } from './sse-blocks.ts'

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
  error_in_band: checkRelayedError,
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
  if (!reply.ended && !breaksOff(call)) problems.push('the connection broke before the end of the reply')
  if (reply.ended && breaksOff(call)) problems.push('the reply ended as if it were whole')
  return [...problems, ...checkContentType(call, reply)]
}

const BROKEN: readonly Ending[] = ['cut', 'error_in_band', 'account_error_in_band']

/** Google's streams have no terminal event: that one failed shows in its connection alone. */
export function breaksOff({ replayed }: Call): boolean {
  return replayed.family === 'google-generate' && replayed.stream && BROKEN.includes(endingOf(replayed))
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

/** The upstream's own error; where the connection must break after it, empty lines may go before. */
function checkRelayedError(call: Call, reply: Reply): string[] {
  if (!breaksOff(call)) return checkRelayed(call, reply)
  const [expected, got] = [visibleBody(call), reply.body].map((body) => body.toString('utf8').trimEnd())
  return [...checkStatus(200, reply), ...(got === expected ? [] : [difference(visibleBody(call), reply)])]
}

/** Every whole event before the failure arrives, then one error, and nothing that looks like an end. */
function checkCut(call: Call, reply: Reply): string[] {
  const parts = splitParts(visibleBody(call), call.replayed.form)
  const failure = parts.findIndex((part) => !part.closed || isError(part))
  const good = failure === -1 ? parts : parts.slice(0, failure)
  const whole = Buffer.concat(good.map((part) => part.bytes))
  if (!reply.body.subarray(0, whole.length).equals(whole)) return [difference(whole, reply)]
  const added = splitParts(reply.body.subarray(whole.length), call.replayed.form).filter(({ data }) => data !== null)
  return [...checkStatus(200, reply), ...checkErrorParts(call, good, added), ...checkArray(call, reply)]
}

/** What a cut array lacks is its closing bracket, and nothing else. */
function checkArray({ replayed }: Call, { body }: Reply): string[] {
  if (replayed.form !== 'array') return []
  try {
    JSON.parse(`${body.toString('utf8')}]`)
    return []
  } catch (error) {
    return [`a cut array must be well formed up to there: ${error}`]
  }
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
  if (!isUnavailable(call, errorOf(reply)))
    problems.push(`expected the code upstream_unavailable, got ${shorten(reply.body)}`)
  if (call.replayed.family === 'anthropic-messages' && bodyOf(reply)?.type !== 'error')
    problems.push(`expected the Messages error shape, got ${shorten(reply.body)}`)
  return [...problems, ...checkHidden(longTexts(call.replayed.body.toString('utf8')), reply)]
}

/** Google's own `code` is the status. */
function isUnavailable({ replayed }: Call, error: Record<string, unknown> | null): boolean {
  if (replayed.family !== 'google-generate') return error?.code === 'upstream_unavailable'
  return error?.code === 503 && JSON.stringify(error.details).includes('"code":"upstream_unavailable"')
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
  const texts = body.match(/[^"<>\\]{12,}/g) ?? []
  // The names of Google's error types stand in every error of the protocol.
  return texts.filter((text) => /[a-z]{3}/i.test(text) && !text.includes('googleapis.com'))
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
