/** How strict upstreams read a body: each reader gives the value or refuses it with the place and the reason. */
import { asObject, type WireObject } from '../../../src/protocol/wire-value.ts'

/** A rule of the vendor that a request broke. */
export class Breach extends Error {
  override readonly name = 'Breach'
  readonly path: string
  /** The vendor's own code for it, where it has one. */
  readonly code: string | null

  constructor(path: string, message: string, code: string | null = null) {
    super(path === '' ? message : `${path}: ${message}`)
    this.path = path
    this.code = code
  }
}

export function refuse(path: string, message: string, code: string | null = null): never {
  throw new Breach(path, message, code)
}

export function readObject(value: unknown, path: string): WireObject {
  return asObject(value) ?? refuse(path, 'must be an object')
}

/** An object with no members but these. */
export function readOnly(value: unknown, path: string, members: readonly string[]): WireObject {
  const object = readObject(value, path)
  for (const [name, member] of Object.entries(object)) {
    if (!members.includes(name)) refuse(inside(path, name), 'unknown member')
    if (member === undefined) refuse(inside(path, name), 'has no value')
  }
  return object
}

export function readList(value: unknown, path: string): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(path, 'must be a list')
}

export function readFilledList(value: unknown, path: string): readonly unknown[] {
  const list = readList(value, path)
  return list.length > 0 ? list : refuse(path, 'must not be empty')
}

export function readText(value: unknown, path: string): string {
  return typeof value === 'string' ? value : refuse(path, 'must be a string')
}

export function readName(value: unknown, path: string): string {
  const text = readText(value, path)
  return text === '' ? refuse(path, 'must not be empty') : text
}

export function readMatch(value: unknown, path: string, pattern: RegExp): string {
  const text = readText(value, path)
  return pattern.test(text) ? text : refuse(path, `"${text}" does not match ${pattern}`)
}

export function readOneOf<const Word extends string>(value: unknown, path: string, words: readonly Word[]): Word {
  return words.includes(value as Word) ? (value as Word) : refuse(path, `must be one of ${words.join(', ')}`)
}

export function readNumber(value: unknown, path: string, min: number, max: number): number {
  if (typeof value !== 'number' || Number.isNaN(value)) return refuse(path, 'must be a number')
  return value >= min && value <= max ? value : refuse(path, `must be from ${min} to ${max}`)
}

export function readInteger(value: unknown, path: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  return Number.isInteger(value) ? readNumber(value, path, min, max) : refuse(path, 'must be a whole number')
}

export function readFlag(value: unknown, path: string): boolean {
  return typeof value === 'boolean' ? value : refuse(path, 'must be true or false')
}

/** Applies a reader when there is something to read; null is something. */
export function optional<T>(value: unknown, path: string, read: (value: unknown, path: string) => T): T | undefined {
  return value === undefined ? undefined : read(value, path)
}

export function readBase64(value: unknown, path: string): string {
  const text = readName(value, path)
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0 ? text : refuse(path, 'is not base64')
}

export function inside(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

/** Calls `visit` with every schema in a JSON schema, and its place. */
export function walkSchema(schema: WireObject, path: string, visit: (schema: WireObject, path: string) => void): void {
  visit(schema, path)
  for (const name of ['properties', '$defs', 'definitions', 'patternProperties']) {
    for (const [key, inner] of Object.entries(asObject(schema[name]) ?? {}))
      walkInner(inner, `${path}.${name}.${key}`, visit)
  }
  for (const name of ['anyOf', 'oneOf', 'allOf', 'prefixItems']) {
    const inner = schema[name]
    for (const [i, entry] of Array.isArray(inner) ? inner.entries() : [])
      walkInner(entry, `${path}.${name}[${i}]`, visit)
  }
  for (const name of ['items', 'additionalProperties', 'not']) walkInner(schema[name], `${path}.${name}`, visit)
}

function walkInner(value: unknown, path: string, visit: (schema: WireObject, path: string) => void): void {
  const schema = asObject(value)
  if (schema) walkSchema(schema, path, visit)
}
