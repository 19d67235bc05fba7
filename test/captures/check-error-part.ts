/** How a stream that broke must end: one error in its protocol's own form, well formed, and nothing after it. */
import type { Call } from './call.ts'
import type { Family } from './case.ts'
import { isError, jsonOf, type SseBlock } from './sse-blocks.ts'

type Wire = Readonly<Record<string, unknown>>

/** `before`: what the client had got; `added`: the events that the gateway wrote after it. */
export function checkErrorParts({ replayed }: Call, before: readonly SseBlock[], added: readonly SseBlock[]): string[] {
  if (added.length === 0) return ['a cut stream ended without an error event']
  const open = added.find((part) => !part.closed)
  if (open) return [`expected closed events after the cut, got ${shown(open)}`]
  return CHECKS[replayed.family](added, before)
}

type Check = (added: readonly SseBlock[], before: readonly SseBlock[]) => string[]

const CHECKS: Readonly<Record<Family, Check>> = {
  'openai-chat': (added) => onlyOne(added, ({ error }) => isCommonError(error)),
  'openai-responses': checkResponses,
  'anthropic-messages': (added) =>
    onlyOne(added, ({ type, error }, { event }) => event === 'error' && type === 'error' && isCommonError(error)),
  'google-generate': (added) => onlyOne(added, ({ error }) => isGoogleError(error)),
}

function onlyOne(added: readonly SseBlock[], isRight: (payload: Wire, part: SseBlock) => boolean): string[] {
  const [part, ...more] = added
  if (part === undefined || !isError(part) || !isRight(jsonOf(part) ?? {}, part))
    return [`expected an error upstream_unavailable in the protocol's form, got ${shown(part)}`]
  return more.length === 0 ? [] : [`expected nothing after the error event, got ${shown(more[0])}`]
}

/** `error`, then `response.failed`, numbered on from what went before; only a stream that had no beginning gets one. */
function checkResponses(added: readonly SseBlock[], before: readonly SseBlock[]): string[] {
  const payloads = added.map((part) => jsonOf(part) ?? {})
  const hasBegun = before.some((part) => jsonOf(part)?.type === 'response.created')
  const wanted = [...(hasBegun ? [] : ['response.created']), 'error', 'response.failed']
  const types = payloads.map(({ type }) => type)
  const problems: string[] = []
  if (types.join() !== wanted.join()) problems.push(`expected the events ${wanted}, got ${types}`)
  if (added.some((part, i) => part.event !== types[i])) problems.push('expected an event line equal to each type')
  const last = before.findLast((part) => typeof jsonOf(part)?.sequence_number === 'number')
  const from = last === undefined ? null : Number(jsonOf(last)?.sequence_number) + 1
  const numbers = payloads.map(({ sequence_number }) => sequence_number)
  if (from !== null && numbers.some((number, i) => number !== from + i))
    problems.push(`expected sequence numbers from ${from}, got ${numbers}`)
  const failed = payloads.at(-1)?.response as { error?: Wire; status?: unknown } | undefined
  if (failed?.status !== 'failed' || failed.error?.code !== 'upstream_unavailable')
    problems.push(`expected response.failed with upstream_unavailable, got ${shown(added.at(-1))}`)
  return problems
}

function isCommonError(error: unknown): boolean {
  const { type, code, message } = (error ?? {}) as Wire
  return typeof type === 'string' && typeof message === 'string' && code === 'upstream_unavailable'
}

function isGoogleError(error: unknown): boolean {
  const { code, status, message, details } = (error ?? {}) as Wire
  const names = JSON.stringify(details ?? []).includes('"code":"upstream_unavailable"')
  return code === 503 && status === 'UNAVAILABLE' && typeof message === 'string' && names
}

function shown(part: SseBlock | undefined): string {
  return JSON.stringify(part?.bytes.toString('utf8').slice(0, 300))
}
