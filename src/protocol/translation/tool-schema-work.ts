/** What the steps of normalising one schema share: the losses found, the document that references point into, limits. */
import type { Protocol } from '../../base/words.ts'
import { asObject, asText, type WireObject } from '../wire-value.ts'
import type { SchemaBudget } from './tool-schema-budget.ts'

/** A schema nested deeper is cut: no model fills it in, and walks stay off the end of the stack. */
export const MAX_DEPTH = 48
/** More paths than anyone reads. */
const MAX_LOSSES = 40

export interface SchemaWork {
  readonly target: Protocol
  readonly losses: ReadonlySet<string>
  /** References point into it. */
  document: WireObject
  lose(path: string): void
  /** The schema that a local reference names; null when there is none. */
  resolve(ref: unknown): WireObject | null
  /** What copies of parts are paid from. */
  readonly budget: SchemaBudget
}

export function createSchemaWork(document: WireObject, target: Protocol, budget: SchemaBudget): SchemaWork {
  const losses = new Set<string>()
  return {
    target,
    losses,
    document,
    budget,
    lose(path) {
      if (losses.size < MAX_LOSSES) losses.add(path)
    },
    resolve(ref) {
      const pointer = asText(ref)
      if (pointer === '#') return this.document
      return pointer?.startsWith('#/') ? schemaAt(this.document, pointer) : null
    },
  }
}

/** RFC 6901, in the fragment of a URI. */
function schemaAt(document: WireObject, pointer: string): WireObject | null {
  let value: unknown = document
  for (const token of pointer.slice(2).split('/')) {
    const key = decoded(token).replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null
    value = (value as WireObject)[key]
  }
  return asObject(value)
}

function decoded(token: string): string {
  try {
    return decodeURIComponent(token)
  } catch {
    return token
  }
}

/** Long values are told by their beginning: a hint is for the model, not for a validator. */
const MAX_HINT = 200

/** The schema with a rule that its keywords cannot carry told in its description. */
export function withHint(schema: WireObject, word: string, value: unknown): WireObject {
  const text = typeof value === 'string' ? value : jsonOf(value)
  const hint = `${word}: ${text.length > MAX_HINT ? `${text.slice(0, MAX_HINT)}…` : text}`
  const description = asText(schema.description)
  return { ...schema, description: description ? `${description} (${hint})` : `(${hint})` }
}

/** JSON text, to be read or compared; of what is nested too deeply to be written, a text of its own. */
export function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null'
  } catch {
    return '(nested too deeply)'
  }
}
