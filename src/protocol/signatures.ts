/** Finds what an upstream signed in relayed replies and events: only its own account can read it again. */
import type { Protocol } from '../base/words.ts'
import { asArray, asName, asObject, type WireObject } from './wire-value.ts'

const MARKERS: Readonly<Record<Protocol, readonly Buffer[]>> = {
  'openai-chat': [Buffer.from('"reasoning_details"')],
  'openai-responses': [Buffer.from('"encrypted_content"')],
  'anthropic-messages': [Buffer.from('"signature'), Buffer.from('redacted_thinking')],
  'google-generate': [Buffer.from('"thoughtSignature"')],
}

/** An event or a reply without any of these holds no signature. */
export function signatureMarkers(protocol: Protocol): readonly Buffer[] {
  return MARKERS[protocol]
}

const FINDERS: Readonly<Record<Protocol, (event: WireObject) => unknown[]>> = {
  'openai-chat': inChat,
  'openai-responses': inResponses,
  'anthropic-messages': inMessages,
  'google-generate': inGoogle,
}

/** Of an event, or of a whole reply. */
export function signaturesIn(protocol: Protocol, event: unknown): string[] {
  const wire = asObject(event)
  if (!wire) return []
  return FINDERS[protocol](wire).filter((token) => asName(token) !== null) as string[]
}

function inChat(event: WireObject): unknown[] {
  const details = asArray(event.choices).flatMap((choice) => {
    const wire = asObject(choice)
    return asArray((asObject(wire?.delta) ?? asObject(wire?.message))?.reasoning_details)
  })
  return details.flatMap((detail) => [asObject(detail)?.signature, asObject(detail)?.data])
}

/** Of an item that is done: while it is being made, its value is another one. */
function inResponses(wire: WireObject): unknown[] {
  if (wire.type === 'response.output_item.done') return [asObject(wire.item)?.encrypted_content]
  return wire.object === 'response' ? asArray(wire.output).map((item) => asObject(item)?.encrypted_content) : []
}

function inMessages(wire: WireObject): unknown[] {
  const whole = asArray(wire.content).flatMap((block) => [asObject(block)?.signature, asObject(block)?.data])
  return [asObject(wire.delta)?.signature, asObject(wire.content_block)?.data, ...whole]
}

function inGoogle(event: WireObject): unknown[] {
  return asArray(event.candidates).flatMap((candidate) =>
    asArray(asObject(asObject(candidate)?.content)?.parts).map((part) => asObject(part)?.thoughtSignature),
  )
}

/** Members of a request that hold what an upstream signed, and those that name a call of it. */
const TOKEN_KEYS: Readonly<Record<Protocol, readonly string[]>> = {
  'openai-chat': ['"signature"', '"thought_signature"', '"tool_call_id"'],
  'openai-responses': ['"encrypted_content"', '"call_id"'],
  'anthropic-messages': ['"signature"', '"tool_use_id"'],
  'google-generate': ['"thoughtSignature"', '"id"'],
}

const MAX_TOKEN_BYTES = 1024 * 1024

/** What stands last under each of those members in a request's bytes. */
export function lastTokens(protocol: Protocol, body: Buffer): string[] {
  return TOKEN_KEYS[protocol].flatMap((key) => lastText(body, key) ?? [])
}

/** The last non-empty text that follows the key; what holds escapes is none of ours. */
function lastText(body: Buffer, key: string): string | null {
  for (let at = body.lastIndexOf(key); at >= 0; at = at === 0 ? -1 : body.lastIndexOf(key, at - 1)) {
    const head = /^\s*:\s*"/.exec(body.toString('latin1', at + key.length, at + key.length + 16))
    if (!head) continue
    const start = at + key.length + head[0].length
    const end = body.indexOf('"', start)
    if (end > start && end - start <= MAX_TOKEN_BYTES) return body.toString('latin1', start, end)
  }
  return null
}

const SIGNATURE_KEYS: Readonly<Record<Protocol, readonly string[]>> = {
  'openai-chat': ['reasoning_details', 'thought_signature'],
  'openai-responses': ['encrypted_content'],
  // `data` is that of redacted thinking, but of images too.
  'anthropic-messages': ['signature', 'data'],
  'google-generate': ['thoughtSignature', 'thought_signature'],
}

/** Keys under which a request may give back what an upstream signed. */
export function signatureKeys(protocol: Protocol): readonly string[] {
  return SIGNATURE_KEYS[protocol]
}
