/**
 * Puts the arguments of a function call together that come in pieces: each names by a JSON path where a piece of a
 * value belongs. Source: Google "PartialArg", RFC 9535 (names and indexes only).
 */
import { asArray, asObject, asText, type WireObject } from '../wire-value.ts'

export interface PartialArguments {
  /** Takes the `partialArgs` of one part. */
  add(partialArgs: unknown): void
  /** The arguments so far. */
  value(): WireObject
}

type Container = Record<string, unknown> | unknown[]

/** A list grows from its end: an index far behind it is a mistake in the path. */
const MAX_GAP = 16
const MAX_DEPTH = 64

export function createPartialArguments(start: WireObject): PartialArguments {
  const root: Record<string, unknown> = { ...start }
  /** Paths whose text goes on. */
  const open = new Set<string>()

  function addPiece(piece: WireObject): void {
    const path = asText(piece.jsonPath)
    const keys = path === null ? null : parsePath(path)
    if (path === null || !keys) return
    const place = placeOf(root, keys)
    if (!place) return
    const { container, key } = place
    const text = asText(piece.stringValue)
    const before = valueAt(container, key)
    if (text !== null && open.has(path) && typeof before === 'string') put(container, key, before + text)
    else {
      const value = pieceValue(piece)
      if (value !== undefined) put(container, key, value)
    }
    if (piece.willContinue === true) open.add(path)
    else open.delete(path)
  }

  return {
    add(partialArgs) {
      for (const entry of asArray(partialArgs)) {
        const piece = asObject(entry)
        if (piece) addPiece(piece)
      }
    },
    value: () => root,
  }
}

function pieceValue(piece: WireObject): unknown {
  if (typeof piece.stringValue === 'string') return piece.stringValue
  if (typeof piece.numberValue === 'number') return piece.numberValue
  if (typeof piece.boolValue === 'boolean') return piece.boolValue
  return 'nullValue' in piece ? null : undefined
}

const STEP = /\.([^.[\]]+)|\[(\d{1,6})\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y

/** `$.a.b[0]['c d']` in its steps; null for any other path, and for the root itself. */
function parsePath(path: string): (string | number)[] | null {
  if (!path.startsWith('$')) return null
  const keys: (string | number)[] = []
  STEP.lastIndex = 1
  while (STEP.lastIndex < path.length) {
    const match = STEP.exec(path)
    if (!match || keys.length === MAX_DEPTH) return null
    const [, name, index, single, double] = match
    const quoted = single ?? double
    if (index !== undefined) keys.push(Number(index))
    else keys.push(quoted === undefined ? (name as string) : quoted.replace(/\\(.)/g, '$1'))
  }
  return keys.length === 0 ? null : keys
}

/** Where the last step leads, with objects and lists made on the way; null when something else is in the way. */
function placeOf(
  root: Container,
  keys: readonly (string | number)[],
): { container: Container; key: string | number } | null {
  let container = root
  for (const [i, key] of keys.entries()) {
    if (!fits(container, key)) return null
    const next = keys[i + 1]
    if (next === undefined) return { container, key }
    let inner = valueAt(container, key)
    if (inner === undefined) {
      inner = typeof next === 'number' ? [] : {}
      put(container, key, inner)
    }
    if (typeof inner !== 'object' || inner === null) return null
    container = inner as Container
  }
  return null
}

function fits(container: Container, key: string | number): boolean {
  if (Array.isArray(container)) return typeof key === 'number' && key <= container.length + MAX_GAP
  return typeof key === 'string'
}

function valueAt(container: Container, key: string | number): unknown {
  return Object.hasOwn(container, key) ? (container as Record<string | number, unknown>)[key] : undefined
}

/** Also under names that every object has already. */
function put(container: Container, key: string | number, value: unknown): void {
  Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true })
}
