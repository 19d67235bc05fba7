/**
 * Names and values as Google's API takes them: JSON of protocol buffers, whose members may be spelled in both cases.
 *
 * Source: Google "ProtoJSON Format".
 */
import { AppError } from '../../base/errors.ts'
import { asObject, type WireObject } from '../wire-value.ts'

const SNAKE = /[a-z0-9]_[a-z0-9]/

/** The object with its own members (not those of inner objects) in camel case; the same object when all are. */
export function camelMembers(value: WireObject): WireObject {
  if (!Object.keys(value).some((key) => SNAKE.test(key))) return value
  const named: [string, unknown][] = []
  for (const [key, member] of Object.entries(value)) {
    const name = SNAKE.test(key) ? key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) : key
    // Where both spellings are there, the one that is written out wins.
    if (name === key || !Object.hasOwn(value, name)) named.push([name, member])
  }
  return Object.fromEntries(named)
}

/** The object at `key` with camel-case members; null when absent. @throws AppError invalid_request */
export function objectAt(value: WireObject, key: string, path: string): WireObject | null {
  const member = value[key]
  if (member === undefined || member === null) return null
  const object = asObject(member)
  if (!object) throw invalid(path, 'must be an object')
  return camelMembers(object)
}

/** @throws AppError invalid_request */
export function textAt(value: WireObject, key: string, path: string): string {
  const text = value[key]
  if (typeof text !== 'string') throw invalid(path, 'must be a string')
  return text
}

/** @throws AppError invalid_request */
export function nameAt(value: WireObject, key: string, path: string): string {
  const name = value[key]
  if (typeof name !== 'string' || name === '') throw invalid(path, 'must be a string that is not empty')
  return name
}

export function invalid(path: string, fault: string): AppError {
  return new AppError('invalid_request', `"${path}" ${fault}.`, { param: path })
}

/** JSON text of a value that came as JSON; null when it is nested too deeply to be written. */
export function jsonText(value: unknown): string | null {
  try {
    return JSON.stringify(value) ?? null
  } catch {
    return null
  }
}

/** @throws AppError invalid_request */
export function jsonTextAt(value: unknown, path: string): string {
  const text = jsonText(value)
  if (text === null) throw invalid(path, 'is nested too deeply')
  return text
}

/**
 * `raw` with what an inner object needs to be written again: members that differ from those that an encoder writes,
 * null for those that it shall leave out. Undefined when there is nothing.
 */
export function withInner(
  raw: WireObject | undefined,
  key: string,
  inner: WireObject | undefined,
): WireObject | undefined {
  if (!inner || Object.keys(inner).length === 0) return raw
  return { ...raw, [key]: inner }
}

/** The opposite: a part with the members of `raw` put into it. */
export function withRaw(part: WireObject, raw: WireObject | undefined): WireObject {
  if (!raw) return part
  const whole: Record<string, unknown> = { ...part, ...raw }
  for (const [key, own] of Object.entries(part)) {
    const inner = asObject(raw[key])
    const object = asObject(own)
    if (!inner || !object) continue
    const merged: Record<string, unknown> = { ...object, ...inner }
    for (const [name, member] of Object.entries(merged)) if (member === null) delete merged[name]
    whole[key] = merged
  }
  return whole
}
