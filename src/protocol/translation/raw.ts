/** Members that the IR has no word for: kept for the same protocol, disclosed to every other. */
import type { Protocol } from '../../base/words.ts'
import type { Warning } from '../codec.ts'
import type { IrRequest } from '../ir/request.ts'
import { asArray, type WireObject } from '../wire-value.ts'
import { droppedMembers } from './raw-members.ts'
import { setAt } from './settings.ts'

/** The members of a wire object that are not in `known`; undefined when there are none. Null members count as absent. */
export function unknownMembers(value: WireObject, known: ReadonlySet<string>): WireObject | undefined {
  const rest: [string, unknown][] = []
  for (const [key, member] of Object.entries(value)) {
    if (known.has(key) || member === null || member === undefined) continue
    rest.push([key, member])
  }
  // Not assigned one by one: a member may be called `__proto__`.
  return rest.length === 0 ? undefined : Object.fromEntries(rest)
}

/** The same over nested configuration objects: paths of `nested` (`generationConfig`) are looked into, one level deep. */
export function unknownPaths(
  body: WireObject,
  known: ReadonlySet<string>,
  nested: readonly string[] = [],
): Record<string, unknown> {
  const found: [string, unknown][] = []
  for (const [key, member] of Object.entries(body)) {
    if (member === null || member === undefined) continue
    if (nested.includes(key) && typeof member === 'object' && !Array.isArray(member)) {
      for (const [inner, value] of Object.entries(member)) {
        if (value !== null && value !== undefined && !known.has(`${key}.${inner}`))
          found.push([`${key}.${inner}`, value])
      }
    } else if (!known.has(key)) found.push([key, member])
  }
  return Object.fromEntries(found)
}

/** Writes a request's own unknown members again, or says that they are dropped. */
export function encodeRaw(request: IrRequest, target: Protocol, body: Record<string, unknown>): Warning[] {
  if (request.source === target) {
    for (const [path, value] of Object.entries(request.raw)) setAt(body, path, value)
    return []
  }
  const members = Object.entries(request.raw)
    .filter(([path, value]) => !isGivenAnyway(request.source, path, value))
    .map(([field]): Warning => ({ action: 'dropped', field }))
  return members.concat(droppedMembers(request, target))
}

/** Sealed reasoning is in answers of every upstream for who asks for it. */
function isGivenAnyway(source: Protocol, path: string, value: unknown): boolean {
  const isInclude = source === 'openai-responses' && path === 'include'
  return isInclude && asArray(value).every((entry) => entry === 'reasoning.encrypted_content')
}
