/** Makes what goes to an upstream of a call: relayed bytes with the little that must change, or a translated body. */
import { AppError } from '../base/errors.ts'
import type { Quirks } from '../base/quirks.ts'
import type { Protocol } from '../base/words.ts'
import { quirksOf } from '../domain/catalog.ts'
import type { EncodedRequest, UpstreamTarget, Warning } from '../protocol/codec.ts'
import { codecOf } from '../protocol/codecs.ts'
import type { StreamForm } from '../protocol/event-readers.ts'
import type { IrRequest } from '../protocol/ir/request.ts'
import { capOutput, smallestCap } from '../protocol/output-cap.ts'
import { adaptRelayedBody } from '../protocol/relay-quirks.ts'
import { type RequestFields, readRequest, rewriteRequest, withoutMembers } from '../protocol/request.ts'
import { smallestTranslatedCap, translateRequest } from '../protocol/translate-request.ts'
import { holdsSeal } from '../protocol/translation/seal.ts'
import { valueAt } from '../protocol/translation/settings.ts'
import {
  hasForeignThoughts,
  lacksThoughts,
  type Recall,
  restoreThoughts,
  signedBy,
} from '../protocol/translation/thoughts.ts'
import { asObject, parseJson, type WireObject } from '../protocol/wire-value.ts'
import { upstreamHeaders, withAllowedBetas } from '../upstream/headers.ts'
import type { RequestSize } from './admission.ts'
import type { Call } from './call.ts'
import type { Destination } from './destination.ts'
import type { Gateway } from './gateway.ts'
import { placeOf, scopeOf } from './scope.ts'

export interface Dispatch extends Destination, RequestSize {
  readonly body: readonly Uint8Array[]
  /** Below the provider's endpoint. */
  readonly path: string
  readonly headers: readonly string[]
  /** How the upstream frames a streamed answer. */
  readonly form: StreamForm
  /** What the upstream does not get as it was meant. */
  readonly warnings: readonly Warning[]
  /** Whether answers must be brought back into the client's protocol. */
  readonly isTranslated: boolean
  /** Chat: the gateway asked for usage that the client did not. */
  readonly stripsUsage: boolean
  readonly quirks: Quirks
}

/** @throws AppError unsupported_feature, invalid_request (of what only a translation looks at) */
export function prepareDispatch(
  gateway: Gateway,
  call: Call,
  destination: Destination,
  /** Fewer output tokens than the client asked for, per answer, because more cannot be paid for. */
  clampedOutput: number | null = null,
): Dispatch {
  const { request, fields } = call
  const { route, protocol } = destination
  const quirks = quirksOf(route, protocol)
  const isTranslated = protocol !== request.protocol
  const made = isTranslated
    ? translated(gateway, call, destination, quirks, clampedOutput)
    : relayed(gateway, call, destination, quirks, clampedOutput)
  const forwarded = isTranslated ? translatedHeaders(fields) : withAllowedBetas(request.forwardHeaders, quirks.betas)
  const warnings = [...made.warnings, ...forwarded.warnings]
  if (request.strict && warnings.length > 0) throw strictRefusal(warnings)
  const form = isTranslated ? 'sse' : request.form
  return {
    ...destination,
    body: made.body,
    bytes: made.body.reduce((sum, piece) => sum + piece.length, 0),
    maxOutput: made.maxOutput,
    smallestCap: made.smallestCap,
    path: pathOf(protocol, route.upstreamModel, fields.stream, form),
    headers: upstreamHeaders(protocol, route.provider, forwarded.headers),
    form,
    warnings: call.ownKeyFailure === null ? warnings : [unusedKey(call.ownKeyFailure), ...warnings],
    isTranslated,
    stripsUsage:
      protocol === 'openai-chat' && !isTranslated && fields.stream && !fields.asksUsage && !request.includeCost,
    quirks,
  }
}

function unusedKey(failure: string): Warning {
  return { action: 'unused', field: `own key: ${failure}` }
}

function pathOf(protocol: Protocol, model: string, stream: boolean, form: StreamForm): string {
  switch (protocol) {
    case 'openai-chat':
      return '/chat/completions'
    case 'openai-responses':
      return '/responses'
    case 'anthropic-messages':
      return '/messages'
    case 'google-generate': {
      const path = googleModelPath(model)
      if (!stream) return `${path}:generateContent`
      return `${path}:streamGenerateContent${form === 'sse' ? '?alt=sse' : ''}`
    }
  }
}

export function googleModelPath(model: string): string {
  return `/models/${model.split('/').map(encodeURIComponent).join('/')}`
}

function translatedHeaders(fields: RequestFields): { headers: readonly string[]; warnings: readonly Warning[] } {
  return { headers: ['accept', fields.stream ? 'text/event-stream' : 'application/json'], warnings: [] }
}

function strictRefusal(warnings: readonly Warning[]): AppError {
  const what = warnings.map(({ action, field }) => `${field} (${action})`).join(', ')
  return new AppError(
    'unsupported_feature',
    `This model cannot be asked without a loss, and x-zendo-strict forbids one: ${what.slice(0, 1000)}.`,
  )
}

interface Made {
  readonly body: readonly Uint8Array[]
  /** The cap on output that is sent. */
  readonly maxOutput: number | null
  readonly smallestCap: number
  readonly warnings: readonly Warning[]
}

function translated(
  gateway: Gateway,
  call: Call,
  destination: Destination,
  quirks: Quirks,
  clampedOutput: number | null,
): Made {
  const decoded = decodeCall(call)
  const known = restoreThoughts(decoded, recallFor(gateway, call, decoded))
  const { body, warnings } = translateRequest(
    known,
    destination.protocol,
    targetOf(call, destination, quirks),
    clampedOutput,
  )
  const dropped = (quirks.dropFields ?? []).filter((name) => name in body)
  const kept =
    dropped.length === 0 ? body : Object.fromEntries(Object.entries(body).filter(([name]) => !dropped.includes(name)))
  const written = Buffer.from(JSON.stringify(kept))
  return {
    body: [written],
    maxOutput: sentCap(destination.protocol, kept),
    smallestCap: smallestTranslatedCap(known, destination.protocol, written),
    warnings: [...warnings, ...dropped.map((field) => ({ action: 'dropped', field }) as const)],
  }
}

const CAP_PATHS: Readonly<Record<Protocol, readonly string[]>> = {
  'openai-chat': ['max_tokens', 'max_completion_tokens'],
  'openai-responses': ['max_output_tokens'],
  'anthropic-messages': ['max_tokens'],
  'google-generate': ['generationConfig.maxOutputTokens'],
}

function sentCap(protocol: Protocol, body: WireObject): number | null {
  const caps = CAP_PATHS[protocol].map((path) => valueAt(body, path)).filter((cap) => typeof cap === 'number')
  return caps.length === 0 ? null : Math.max(...caps)
}

const decodedCalls = new WeakMap<Call, IrRequest>()

/** A call is decoded once, however many upstreams it is written for. @throws AppError invalid_request */
export function decodeCall(call: Call): IrRequest {
  let decoded = decodedCalls.get(call)
  if (!decoded) {
    const { model, stream } = call.fields
    const body = asObject(parseJson(call.request.body)) ?? {}
    decoded = codecOf(call.request.protocol).decodeRequest(body, { model, stream })
    decodedCalls.set(call, decoded)
  }
  return decoded
}

export function targetOf(call: Call, { route }: Destination, quirks: Quirks): UpstreamTarget {
  const { model, request } = call
  return {
    model: route.upstreamModel,
    account: route.provider.tag,
    quirks,
    maxOutput: model.maxOutput,
    originateCacheMarks: model.originateCacheMarks && request.protocol !== 'anthropic-messages',
  }
}

function recallFor(gateway: Gateway, call: Call, decoded: IrRequest): Recall {
  const place = placeOf(call.request, decoded)
  const nowMs = gateway.clock()
  return (callId) => (place ? gateway.thoughts.recall(place, callId, nowMs) : null)
}

function relayed(
  gateway: Gateway,
  call: Call,
  destination: Destination,
  quirks: Quirks,
  clampedOutput: number | null,
): Made {
  const { protocol, route } = destination
  const looked = needsLook(gateway, call, destination, quirks)
    ? lookedThrough(gateway, call, destination, quirks)
    : null
  const seen = looked ? Buffer.from(JSON.stringify(looked.body)) : call.request.body
  const adapted = adaptRelayedBody(protocol, seen, quirks)
  const capped = clampedOutput === null ? adapted.body : capOutput(protocol, adapted.body, clampedOutput, quirks)
  // Last: what the vendor refuses must not come back with the cap.
  const { body, dropped } = withoutMembers(capped, quirks.dropFields ?? [])
  const fields = body === call.request.body ? call.fields : fieldsOf(call, body)
  return {
    body: rewriteRequest(body, fields, { model: route.upstreamModel, askUsage: asksUsage(call, protocol) }),
    maxOutput: fields.maxOutput,
    smallestCap: call.model.free ? 1 : smallestCap(protocol, body),
    warnings: [
      ...(looked?.warnings ?? []),
      ...adapted.warnings,
      ...dropped.map((field): Warning => ({ action: 'dropped', field })),
    ],
  }
}

/** Metering needs the usage that chat upstreams only stream when asked. */
function asksUsage({ fields }: Call, protocol: Protocol): boolean {
  return protocol === 'openai-chat' && fields.stream
}

function fieldsOf(call: Call, bytes: Buffer): RequestFields {
  return readRequest(call.request.protocol, bytes, { needsMaxTokens: false, path: call.request.path })
}

const TOOL_RESULT = Buffer.from('"tool_call_id"')

/** Bodies go as they came, unless they may hold what another account signed or lack what this one insists on. */
function needsLook(gateway: Gateway, call: Call, destination: Destination, quirks: Quirks): boolean {
  const { body } = call.request
  if (quirks.reasoningRequired === true && body.includes(TOOL_RESULT)) return true
  if (!call.fields.givesSignature) return false
  if (holdsSeal(body)) return true
  const signed = gateway.thoughts.accountOf(scopeOf(call.request), gateway.clock())
  return signed !== null && !(signed.isOnly && signed.account === destination.route.provider.tag)
}

/**
 * The body without what another account signed and with what was dropped; null when it may go as it came, or when it
 * says what only its upstream can judge.
 */
function lookedThrough(gateway: Gateway, call: Call, destination: Destination, quirks: Quirks): EncodedRequest | null {
  try {
    return withoutForeignThoughts(gateway, call, destination, quirks)
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}

function withoutForeignThoughts(
  gateway: Gateway,
  call: Call,
  destination: Destination,
  quirks: Quirks,
): EncodedRequest | null {
  const decoded = decodeCall(call)
  const scope = scopeOf(call.request)
  const nowMs = gateway.clock()
  const signed = signedBy(decoded, (token) => gateway.thoughts.signer(scope, token, nowMs))
  const known = quirks.reasoningRequired === true ? restoreThoughts(signed, recallFor(gateway, call, decoded)) : signed
  const isComplete = known === signed && (quirks.reasoningRequired !== true || !lacksThoughts(known))
  const target = targetOf(call, destination, quirks)
  if (isComplete && !hasForeignThoughts(known, destination.protocol, target.account)) return null
  return codecOf(destination.protocol).encodeRequest(known, target)
}
