/**
 * The entries of `reasoning_details` and Google's `extra_content`, each packed into the one token that a thought has.
 *
 * Source: OpenRouter "Preserving reasoning" (`reasoning.text`, `reasoning.summary`, `reasoning.encrypted` with `format`,
 * `id` and `index`, to be returned unchanged), Google "OpenAI compatibility" (`extra_content.google.thought_signature`).
 * A token is the bare signature, or, when the wire says more than that, JSON of what it says besides the text. So what
 * a vendor wants back survives a client whose protocol has room for a signature only.
 */
import { asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { jsonText } from './json-depth.ts'

/** Member that holds the readable text, by the type of an entry. */
const TEXT_MEMBERS: Readonly<Record<string, string>> = { 'reasoning.text': 'text', 'reasoning.summary': 'summary' }
const PLAIN_TYPE = 'reasoning.text'
const ENCRYPTED_TYPE = 'reasoning.encrypted'

export interface DetailText {
  readonly text: string
  /** Null when the entry says nothing but its text. */
  readonly token: string | null
}

export function isEncrypted(entry: WireObject): boolean {
  return entry.type === ENCRYPTED_TYPE
}

export function textOfDetail(entry: WireObject): string {
  return asText(entry[TEXT_MEMBERS[asText(entry.type) ?? PLAIN_TYPE] ?? '']) ?? ''
}

/** What an entry says besides its text; pieces of one streamed entry are merged. An empty member says nothing. */
export function factsOfDetail(entry: WireObject, known: WireObject = {}): WireObject {
  const textMember = TEXT_MEMBERS[asText(entry.type) ?? PLAIN_TYPE]
  const facts: Record<string, unknown> = { ...known }
  for (const [key, value] of Object.entries(entry)) {
    if (key === textMember || value === null || value === undefined || value === '') continue
    facts[key] = value
  }
  return facts
}

/** The token of a readable entry. */
export function packFacts({ type, ...facts }: WireObject): string | null {
  return pack(type === PLAIN_TYPE || type === undefined ? facts : { ...facts, type }, 'signature')
}

/** The data of an encrypted entry. */
export function packEncrypted(entry: WireObject): string {
  const { type, ...facts } = factsOfDetail(entry)
  return pack(facts, 'data') ?? ''
}

export function packExtra(extra: WireObject): string {
  return jsonText({ extra_content: extra })
}

function pack(facts: WireObject, bare: string): string | null {
  const keys = Object.keys(facts).sort()
  if (keys.length === 0) return null
  const only = keys.length === 1 ? asName(facts[bare]) : null
  if (only !== null && unpack(only, bare)[bare] === only) return only
  // The order of members must not make two tokens of one.
  return jsonText(Object.fromEntries(keys.map((key) => [key, facts[key]])))
}

function unpack(token: string, bare: string): WireObject {
  if (!token.startsWith('{')) return { [bare]: token }
  try {
    return asObject(JSON.parse(token)) ?? { [bare]: token }
  } catch {
    return { [bare]: token }
  }
}

/** The `extra_content` of a token; null when it is none of those. */
export function extraOfToken(token: string | null): WireObject | null {
  return token?.startsWith('{"extra_content"') ? asObject(unpack(token, 'signature').extra_content) : null
}

/** The entry of `reasoning_details` that a thought was, or as which it can be given back. */
export function encodeDetail({ text, token }: DetailText): WireObject {
  const { type, ...facts } = token ? unpack(token, 'signature') : { type: undefined }
  const kind = asText(type) ?? PLAIN_TYPE
  const member = TEXT_MEMBERS[kind]
  return { type: kind, ...(member !== undefined && { [member]: text }), ...facts }
}

export function encodeEncrypted(data: string): WireObject {
  return { type: ENCRYPTED_TYPE, ...unpack(data, 'data') }
}
