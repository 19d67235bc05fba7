/** Collects what of a request the upstream does not get as it was meant. */
import type { Warning } from '../codec.ts'

export interface Notes {
  dropped(field: string, detail?: string): void
  changed(field: string, detail?: string): void
  /** The same, but only the first time that `kind` comes. */
  droppedOnce(kind: string, field: string, detail?: string): void
  add(warnings: readonly Warning[]): void
  readonly warnings: readonly Warning[]
}

export function createNotes(): Notes {
  const warnings: Warning[] = []
  const kinds = new Set<string>()
  function add(action: Warning['action'], field: string, detail: string | undefined): void {
    warnings.push({ action, field, ...(detail !== undefined && { detail }) })
  }
  return {
    dropped: (field, detail) => add('dropped', field, detail),
    changed: (field, detail) => add('changed', field, detail),
    droppedOnce(kind, field, detail) {
      if (kinds.has(kind)) return
      kinds.add(kind)
      add('dropped', field, detail)
    },
    add(more) {
      for (const warning of more) warnings.push(warning)
    },
    warnings,
  }
}
