/** Finds what an upstream signed in the events of a relayed stream: only its own account can read it again. */
import type { Protocol } from '../base/words.ts'
import { asArray, asName, asObject, type WireObject } from './wire-value.ts'

const MARKERS: Readonly<Record<Protocol, readonly Buffer[]>> = {
  'openai-chat': [Buffer.from('"reasoning_details"')],
  'openai-responses': [Buffer.from('"encrypted_content"')],
  'anthropic-messages': [Buffer.from('signature_delta'), Buffer.from('redacted_thinking')],
  'google-generate': [Buffer.from('"thoughtSignature"')],
}

/** An event without any of these holds no signature. */
export function signatureMarkers(protocol: Protocol): readonly Buffer[] {
  return MARKERS[protocol]
}

const FINDERS: Readonly<Record<Protocol, (event: WireObject) => unknown[]>> = {
  'openai-chat': inChat,
  'openai-responses': inResponses,
  'anthropic-messages': inMessages,
  'google-generate': inGoogle,
}

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
function inResponses(event: WireObject): unknown[] {
  return event.type === 'response.output_item.done' ? [asObject(event.item)?.encrypted_content] : []
}

function inMessages(event: WireObject): unknown[] {
  return [asObject(event.delta)?.signature, asObject(event.content_block)?.data]
}

function inGoogle(event: WireObject): unknown[] {
  return asArray(event.candidates).flatMap((candidate) =>
    asArray(asObject(asObject(candidate)?.content)?.parts).map((part) => asObject(part)?.thoughtSignature),
  )
}
