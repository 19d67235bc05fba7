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
