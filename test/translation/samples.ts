/** The samples of all protocols, and the bodies they make. */
import type { Protocol } from '../../src/base/words.ts'
import { asArray, asObject, type WireObject } from '../../src/protocol/wire-value.ts'
import { MESSAGES_SAMPLES } from './samples/anthropic-messages.ts'
import { GOOGLE_SAMPLES } from './samples/google-generate.ts'
import { CHAT_SAMPLES } from './samples/openai-chat.ts'
import { RESPONSES_SAMPLES } from './samples/openai-responses.ts'
import type { Samples } from './samples/sample.ts'

export const SAMPLES: Readonly<Record<Protocol, Samples>> = {
  'openai-chat': CHAT_SAMPLES,
  'openai-responses': RESPONSES_SAMPLES,
  'anthropic-messages': MESSAGES_SAMPLES,
  'google-generate': GOOGLE_SAMPLES,
}

/** Every path that has a sample, in alphabetical order. */
export function samplePaths(protocol: Protocol): string[] {
  const { values, wholes } = SAMPLES[protocol]
  return [...new Set([...Object.keys(values), ...Object.keys(wholes)])].sort(byPath)
}

function byPath(a: string, b: string): number {
  return a < b ? -1 : 1
}

export interface SampleBodies {
  /** A valid body with the field. */
  readonly body: WireObject
  /** The same without it. */
  readonly without: WireObject
  /** The same without anything around the field that is not needed for others: for members that cannot be left out. */
  readonly base: WireObject
  /** Where in the body the field stands. */
  readonly place: readonly (string | number)[]
  readonly value: unknown
  /** The types of the objects it stands in. */
  readonly kinds: readonly string[]
}

/** The bodies for a field of `samples`. @throws Error for a path without a sample. */
export function sampleBodies(samples: Samples, path: string): SampleBodies {
  const own: WireObject = { ...samples.values, ...samples.wholes }
  if (!Object.hasOwn(own, path)) throw new Error(`no sample for ${path}`)
  const all: WireObject = { ...own, ...Object.assign({}, ...entriesFor(samples.around ?? {}, path)), [path]: own[path] }
  const start: Record<string, unknown> = structuredClone(entriesFor(samples.contexts, path).at(-1) ?? samples.base)
  const value = structuredClone(all[path])
  const base = structuredClone(start)
  const { parent, place } = enter(start, segmentsOf(path).slice(0, -1), all)
  const last = segmentsOf(path).at(-1) as Segment
  const list = parent[last.name]
  const without = last.isList ? list : undefined
  parent[last.name] = last.isList ? [...asArray(list), value] : value
  const [root] = segmentsOf(path)
  const after = entriesFor(samples.after ?? {}, path).at(-1)
  if (root && after) start[root.name] = [...asArray(start[root.name]), ...after]
  const body = structuredClone(start)
  if (without === undefined) delete parent[last.name]
  else parent[last.name] = without
  const index = last.isList ? [asArray(list).length] : []
  const kinds = [...path.matchAll(/<([^>]+)>/g)].map((match) => match[1] as string)
  return { body, without: start, base, place: [...place, last.name, ...index], value, kinds }
}

/** The entries of all paths that `path` begins with, the shortest first. */
function entriesFor<T>(entries: Readonly<Record<string, T>>, path: string): T[] {
  const prefixes = Object.keys(entries).filter((prefix) => path.startsWith(prefix))
  return prefixes.sort((a, b) => a.length - b.length).map((prefix) => entries[prefix] as T)
}

interface Segment {
  readonly name: string
  readonly isList: boolean
  /** The path up to here. */
  readonly path: string
}

function segmentsOf(path: string): Segment[] {
  let done = ''
  return path.split('.').map((text) => {
    done = done === '' ? text : `${done}.${text}`
    const name = /^\w+/.exec(text)?.[0] ?? ''
    return { name, isList: text.includes('[]'), path: done }
  })
}

/** Goes down to the object that holds the field, putting samples of what is on the way into the body. */
function enter(
  body: Record<string, unknown>,
  segments: readonly Segment[],
  all: WireObject,
): { parent: Record<string, unknown>; place: (string | number)[] } {
  let parent = body
  const place: (string | number)[] = []
  for (const { name, isList, path } of segments) {
    const sample = structuredClone(all[path])
    const existing = asArray(parent[name])
    place.push(name, ...(isList ? [existing.length] : []))
    const next = asObject(sample) ?? (isList ? {} : asObject(parent[name])) ?? {}
    parent[name] = isList ? [...existing, next] : next
    parent = next as Record<string, unknown>
  }
  return { parent, place }
}
