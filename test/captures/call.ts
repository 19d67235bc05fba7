/** One way of calling a case, the request body a client would send for it, and what the upstream must get to see. */
import { isDeepStrictEqual } from 'node:util'
import { inForm } from './answer.ts'
import type { Case, Family } from './case.ts'

export interface Call {
  readonly replayed: Case
  /** Whether a chat stream asks for usage; null where the question does not arise. */
  readonly asksUsage: boolean | null
  /** Tells the calls of one case apart in reports. */
  readonly label: string
}

/** Chat streams are called twice, with and without the usage opt-in, and Google's in both framings; all else once. */
export function callsOf(replayed: Case): Call[] {
  const label = `${replayed.family}/${replayed.name}`
  const call = { replayed, asksUsage: null, label }
  if (replayed.requestText !== null)
    return [{ ...call, asksUsage: /"include_usage"\s*:\s*true/.test(replayed.requestText) }]
  if (!replayed.stream || replayed.status !== 200) return [call]
  switch (replayed.family) {
    case 'openai-chat':
      return [
        { ...call, asksUsage: true, label: `${label} (usage asked)` },
        { ...call, asksUsage: false, label: `${label} (usage not asked)` },
      ]
    case 'google-generate':
      return [
        { ...call, replayed: inForm(replayed, 'sse'), label: `${label} (alt=sse)` },
        { ...call, replayed: inForm(replayed, 'array'), label: `${label} (array)` },
      ]
    default:
      return [call]
  }
}

const MODEL_SLOT = 'model-slot-of-the-capture-runner'

/**
 * The body as sent with a given model name. Everything else is the same bytes for every name; the white space, which
 * a relay must keep, differs from case to case.
 */
export function requestBody(call: Call, model: string): Buffer {
  const text = call.replayed.requestText ?? serialiseRequest(call)
  return Buffer.from(
    text.replace(MODEL_SLOT, () => model),
    'utf8',
  )
}

function serialiseRequest({ replayed, asksUsage }: Call): string {
  const body: Record<string, unknown> = { ...(replayed.request ?? MINIMAL[replayed.family]) }
  // Answers that the recording's own account had stored are known to no other, and none goes on in the background here.
  delete body.previous_response_id
  delete body.background
  if (replayed.family === 'google-generate') return JSON.stringify(body, null, replayed.name.length % 3)
  body.model = MODEL_SLOT
  body.stream = replayed.stream
  if (asksUsage !== true) delete body.stream_options
  else body.stream_options = { include_usage: true }
  return JSON.stringify(body, null, replayed.name.length % 3)
}

const WORDS = 'Grüße — say something.'
const MINIMAL: Readonly<Record<Family, object>> = {
  'openai-chat': { messages: [{ role: 'user', content: WORDS }] },
  'openai-responses': { input: WORDS },
  'anthropic-messages': { messages: [{ role: 'user', content: WORDS }], max_tokens: 4096 },
  'google-generate': { contents: [{ role: 'user', parts: [{ text: WORDS }] }] },
}

/** The problems in what the upstream received, against the body that the client sent. */
export function checkForwardedBody(call: Call, forwarded: Buffer): string[] {
  return checkSameBytes(requestBody(call, call.replayed.name), forwarded, call.asksUsage)
}

/** `asksUsage` false: a chat stream whose client did not ask for usage. */
export function checkSameBytes(sent: Buffer, forwarded: Buffer, asksUsage: boolean | null): string[] {
  if (asksUsage === false) return checkOptIn(sent, forwarded)
  return forwarded.equals(sent) ? [] : [firstDifference('forwarded body', sent, forwarded)]
}

/** Room for `,"stream_options":{"include_usage":true}`, and hardly more. */
const OPT_IN_LIMIT = 45

/** Where the client did not ask for usage, the gateway does, in one place and with nothing else changed. */
function checkOptIn(sent: Buffer, forwarded: Buffer): string[] {
  const before = JSON.parse(sent.toString('utf8')) as RequestWithOptions
  const after = JSON.parse(forwarded.toString('utf8')) as RequestWithOptions
  if (after.stream_options?.include_usage !== true) return ['the upstream was not asked for usage']
  const sameMembers = isDeepStrictEqual(withoutOptIn(before), withoutOptIn(after))
  const { removed, inserted } = changedSpan(sent, forwarded)
  if (sameMembers && removed.length <= 'false'.length && inserted.length <= OPT_IN_LIMIT) return []
  return [`expected only the usage opt-in to be changed, but ${show(removed)} became ${show(inserted)}`]
}

interface RequestWithOptions {
  readonly stream_options?: Readonly<Record<string, unknown>>
}

function withoutOptIn(body: RequestWithOptions): object {
  const { include_usage: _, ...options } = body.stream_options ?? {}
  return { ...body, stream_options: options }
}

/** The one stretch in which two byte strings differ. */
function changedSpan(before: Buffer, after: Buffer): { removed: Buffer; inserted: Buffer } {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && before[start] === after[start]) start++
  let tail = 0
  while (tail < shorter - start && before.at(-1 - tail) === after.at(-1 - tail)) tail++
  return { removed: before.subarray(start, before.length - tail), inserted: after.subarray(start, after.length - tail) }
}

/** Where two byte strings part, with some bytes of each from there on. */
export function firstDifference(what: string, expected: Buffer, got: Buffer): string {
  let at = 0
  while (at < expected.length && at < got.length && expected[at] === got[at]) at++
  const from = Math.max(0, at - 20)
  const around = (bytes: Buffer) => show(bytes.subarray(from, at + 80))
  return (
    `${what} differs at byte ${at} (expected ${expected.length} bytes, got ${got.length}): ` +
    `expected …${around(expected)}, got …${around(got)}`
  )
}

function show(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('utf8'))
}
