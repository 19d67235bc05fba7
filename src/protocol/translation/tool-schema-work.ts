/** What the steps of normalising one schema share: the losses found, the document that references point into, limits. */
import type { Protocol } from '../../base/words.ts'
import { asObject, asText, type WireObject } from '../wire-value.ts'

/** A schema nested deeper is cut: no model fills it in, and walks stay off the end of the stack. */
export const MAX_DEPTH = 48
/** Schemas made at most while references are inlined: definitions that double each other would grow without end. */
const MAX_INLINED = 4000
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
  /** False when too much has been inlined. */
  spend(): boolean
}

export function createSchemaWork(document: WireObject, target: Protocol): SchemaWork {
  const losses = new Set<string>()
  let left = MAX_INLINED
  return {
    target,
    losses,
    document,
    lose(path) {
      if (losses.size < MAX_LOSSES) losses.add(path)
    },
    resolve(ref) {
      const pointer = asText(ref)
      if (pointer === '#') return this.document
      return pointer?.startsWith('#/') ? schemaAt(this.document, pointer) : null
    },
    spend() {
      left -= 1
      return left >= 0
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
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const hint = `${word}: ${text.length > MAX_HINT ? `${text.slice(0, MAX_HINT)}…` : text}`
  const description = asText(schema.description)
  return { ...schema, description: description ? `${description} (${hint})` : `(${hint})` }
}
