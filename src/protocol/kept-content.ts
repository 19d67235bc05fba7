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
  'openai-responses': ['file_id', 'vector_store_ids', 'container'],
  'anthropic-messages': ['file_id', 'container'],
  'google-generate': ['cachedContent', 'cached_content', 'fileUri', 'file_uri'],
}

/** Keys to be watched for while the body is scanned. */
export function keptContentKeys(protocol: Protocol): readonly string[] {
  return KEYS[protocol]
}

export interface SeenInBody {
  /** The watched keys that stand anywhere in it. */
  readonly seen: ReadonlySet<string>
  /** Responses: where the items stand. */
  readonly input?: Span | undefined
}

export function namesKeptContent(protocol: Protocol, body: Buffer, { seen, input }: SeenInBody): boolean {
  if (input && hasStoredItem(body, input)) return true
  return (
    KEYS[protocol].some((key) => seen.has(key)) && refers(parseJson(body), new Set(KEYS[protocol].map(inLowerCase)))
  )
}

/** A reference to an item, or one that has nothing but an id and stands for a stored one. */
function hasStoredItem(body: Buffer, input: Span): boolean {
  if (body[input.start] !== 0x5b) return false
  return elementSpans(body, input).some(({ start, end }) => {
    if (body[start] !== 0x7b) return false
    const item = body.subarray(start, end)
    const { values } = scanTopLevel(item, ['type', 'role', 'id'])
    const type = values.get('type')
    if (type) return parseJson(item, type.start, type.end) === 'item_reference'
    return values.has('id') && !values.has('role')
  })
}

/** Looks through the whole value without recursing; arguments and results of tools are text and are not looked into. */
function refers(body: unknown, keys: ReadonlySet<string>): boolean {
  const waiting: unknown[] = [body]
  while (waiting.length > 0) {
    const value = waiting.pop()
    const object = asObject(value)
    const members: Iterable<readonly [unknown, unknown]> = object ? Object.entries(object) : asArray(value).entries()
    for (const [key, member] of members) {
      if (typeof key === 'string' && keys.has(inLowerCase(key)) && isReference(member)) return true
      if (typeof member === 'object' && member !== null) waiting.push(member)
    }
  }
  return false
}

function inLowerCase(key: string): string {
  return key.toLowerCase()
}

function isReference(member: unknown): boolean {
  return typeof member === 'string' || (Array.isArray(member) && typeof member[0] === 'string')
}
