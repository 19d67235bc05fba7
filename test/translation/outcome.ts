/** What becomes of a field of a request on its way to an upstream of another protocol, found out by trying. */
import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../../src/base/errors.ts'
import type { Quirks } from '../../src/base/quirks.ts'
import type { Protocol } from '../../src/base/words.ts'
import type { UpstreamTarget, Warning } from '../../src/protocol/codec.ts'
import { codecOf } from '../../src/protocol/codecs.ts'
import { translateRequest } from '../../src/protocol/translate-request.ts'
import type { WireObject } from '../../src/protocol/wire-value.ts'
import type { SampleBodies } from './samples.ts'

export type Outcome =
  /** It stands in the body as it came. */
  | { readonly type: 'kept' }
  /** It is said in other words: the paths that differ because of it. */
  | { readonly type: 'mapped'; readonly paths: readonly string[] }
  /** It is said, but less or not quite: with the warning. */
  | { readonly type: 'changed'; readonly paths: readonly string[]; readonly warnings: readonly Warning[] }
  | { readonly type: 'dropped'; readonly warnings: readonly Warning[] }
  | { readonly type: 'refused'; readonly code: string; readonly message: string }
  /** It is lost, and nobody is told. */
  | { readonly type: 'silent' }

/** The vendor of the protocol itself, and one that is compatible with it. */
export const OWN_VENDOR: Quirks = { ownVendor: true }
export const COMPATIBLE: Quirks = {}

function target(quirks: Quirks): UpstreamTarget {
  return { model: 'upstream-model', account: 'a1', quirks, maxOutput: 32_000, originateCacheMarks: false }
}

interface Translated {
  readonly body: WireObject
  readonly warnings: readonly Warning[]
}

function translate(body: WireObject, from: Protocol, to: Protocol, quirks: Quirks): Translated | AppError {
  const stream = body.stream === true
  const model = typeof body.model === 'string' ? body.model : 'gemini-3.8-flash'
  try {
    const request = codecOf(from).decodeRequest(body, { model, stream })
    return from === to
      ? codecOf(to).encodeRequest(request, target(quirks))
      : translateRequest(request, to, target(quirks))
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

/** Tries the field: what differs with and without it? */
export function observe(sample: SampleBodies, from: Protocol, to: Protocol, quirks: Quirks = OWN_VENDOR): Outcome {
  // What its object cannot be without is compared with the body without that object.
  const bare = translate(sample.without, from, to, quirks)
  const plain = bare instanceof AppError ? translate(sample.base, from, to, quirks) : bare
  const tried = translate(sample.body, from, to, quirks)
  if (tried instanceof AppError) return { type: 'refused', code: tried.code, message: tried.message }
  if (plain instanceof AppError) return { type: 'mapped', paths: differences({}, tried.body) }
  const known = new Set(plain.warnings.map(textOf))
  const warnings = tried.warnings.filter((warning) => !known.has(textOf(warning)))
  if (from === to && warnings.length === 0 && isDeepStrictEqual(valueAt(tried.body, sample.place), sample.value)) {
    return { type: 'kept' }
  }
  const paths = differences(plain.body, tried.body)
  if (warnings.length === 0) {
    if (paths.length > 0) return { type: 'mapped', paths }
    const told = toldOfObject(sample, plain, from, to, quirks)
    return told.length > 0 ? { type: 'dropped', warnings: told } : { type: 'silent' }
  }
  const isDropped = paths.length === 0 && warnings.every((warning) => warning.action === 'dropped')
  return isDropped ? { type: 'dropped', warnings } : { type: 'changed', paths, warnings }
}

/** Warnings for an object that the field stands in: what is lost as a whole takes its members with it. */
function toldOfObject(
  sample: SampleBodies,
  plain: Translated,
  from: Protocol,
  to: Protocol,
  quirks: Quirks,
): readonly Warning[] {
  const around = translate(sample.base, from, to, quirks)
  const known = new Set(around instanceof AppError ? [] : around.warnings.map(textOf))
  const objects = sample.place.slice(0, -1).filter((key) => typeof key === 'string')
  return plain.warnings.filter((warning) => {
    const { action, field, detail } = warning
    const isOfObject =
      objects.some((name) => field.endsWith(name)) || /\[\d+\]$/.test(field) || sample.kinds.includes(detail ?? '')
    return action === 'dropped' && isOfObject && !known.has(textOf(warning))
  })
}

function textOf({ action, field, detail }: Warning): string {
  return `${action} ${field} ${detail ?? ''}`
}

function valueAt(body: unknown, place: readonly (string | number)[]): unknown {
  let value = body
  for (const key of place) value = (value as Record<string | number, unknown> | undefined | null)?.[key]
  return value
}

/** Paths at which two bodies differ, indices left out: `messages[].content[].text`. */
export function differences(before: unknown, after: unknown, path = ''): string[] {
  if (isDeepStrictEqual(before, after)) return []
  if (Array.isArray(before) && Array.isArray(after)) {
    const found = after.flatMap((value, i) => differences(before[i], value, `${path}[]`))
    return [...new Set(found.length > 0 ? found : [`${path}[]`])]
  }
  const [old, now] = [before, after].map((value) => (isPlain(value) ? value : null))
  if (!old || !now) return [path]
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])]
  return [...new Set(keys.flatMap((key) => differences(old[key], now[key], path === '' ? key : `${path}.${key}`)))]
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
