/**
 * Whether a request refers to content that its vendor has kept (files, stored items, templates, caches): such content
 * costs like any other, and is not in the body.
 *
 * Sources: OpenAI "Create a model response" (`item_reference`, `prompt`, `file_id`, `vector_store_ids`, `container`),
 * Anthropic "Files API" and "Code execution" (`file_id`, `container`), Google "Context caching" and "Files API".
 */
import type { Protocol } from '../base/words.ts'
import { elementSpans, type Span, scanTopLevel } from './json-scan.ts'
import { asArray, asObject, parseJson } from './wire-value.ts'

const KEYS: Readonly<Record<Protocol, readonly string[]>> = {
  'openai-chat': ['file_id'],
  'openai-responses': ['file_id', 'vector_store_ids', 'container', 'item_reference'],
  'anthropic-messages': ['file_id', 'container'],
  'google-generate': ['cachedContent', 'cached_content', 'fileUri', 'file_uri'],
}

/** Letters written as escapes, which would hide a key from a search of the bytes. */
const HIDDEN_LETTER = /\\u00[2-7]/

/** `input` is where the items of a Responses body stand. */
export function namesKeptContent(protocol: Protocol, body: Buffer, input?: Span): boolean {
  if (input && hasBareReference(body, input)) return true
  const mayName = KEYS[protocol].some((key) => body.includes(`"${key}"`))
  const mayHide = !mayName && body.includes('\\u00') && HIDDEN_LETTER.test(body.toString('latin1'))
  return (mayName || mayHide) && refers(parseJson(body), new Set(KEYS[protocol]))
}

/** An item that has nothing but an id stands for a stored one. */
function hasBareReference(body: Buffer, input: Span): boolean {
  if (body[input.start] !== 0x5b) return false
  return elementSpans(body, input).some(({ start, end }) => {
    if (body[start] !== 0x7b) return false
    const { values } = scanTopLevel(body.subarray(start, end), ['type', 'role', 'id'])
    return values.has('id') && !values.has('type') && !values.has('role')
  })
}

/** Looks through the whole value without recursing; arguments and results of tools are text and are not looked into. */
function refers(body: unknown, keys: ReadonlySet<string>): boolean {
  const waiting: unknown[] = [body]
  while (waiting.length > 0) {
    const value = waiting.pop()
    const object = asObject(value)
    for (const entry of object ? Object.entries(object) : asArray(value).entries()) {
      const [key, member] = entry
      if (typeof key === 'string' && isReference(key, member, keys)) return true
      if (typeof member === 'object' && member !== null) waiting.push(member)
    }
  }
  return false
}

function isReference(key: string, member: unknown, keys: ReadonlySet<string>): boolean {
  if (key === 'type') return member === 'item_reference' && keys.has('item_reference')
  if (!keys.has(key)) return false
  return typeof member === 'string' || (Array.isArray(member) && typeof member[0] === 'string')
}
