/**
 * Ids of function calls and of their results, where the wire has none: numbered over the conversation, results matched
 * to calls by name and order. The same conversation always gives the same ids.
 */
import { asArray, asObject, type WireObject } from '../wire-value.ts'
import { camelMembers } from './wire-name.ts'

export interface CallIds {
  ofCall(wireId: string | null, name: string): string
  /** Of the call that a result answers: the oldest of its name without an answer, else the oldest at all. */
  ofResult(wireId: string | null, name: string | null): string
  /** The name that a call of this id had. */
  nameOf(id: string): string | undefined
}

export function createCallIds(taken: ReadonlySet<string>): CallIds {
  const names = new Map<string, string>()
  const answered = new Set<string>()
  const queues = new Map<string, Queue>()
  const all: Queue = { ids: [], at: 0 }
  let count = 0

  function newId(): string {
    let id = `call_${count++}`
    while (taken.has(id)) id = `call_${count++}`
    return id
  }

  return {
    ofCall(wireId, name) {
      const id = wireId ?? newId()
      names.set(id, name)
      let queue = queues.get(name)
      if (!queue) queues.set(name, (queue = { ids: [], at: 0 }))
      queue.ids.push(id)
      all.ids.push(id)
      return id
    },
    ofResult(wireId, name) {
      const queue = name === null ? undefined : queues.get(name)
      const id = wireId ?? firstOpen(queue, answered) ?? firstOpen(all, answered) ?? newId()
      answered.add(id)
      return id
    },
    nameOf: (id) => names.get(id),
  }
}

interface Queue {
  readonly ids: string[]
  at: number
}

function firstOpen(queue: Queue | undefined, answered: ReadonlySet<string>): string | undefined {
  if (!queue) return undefined
  while (queue.at < queue.ids.length && answered.has(queue.ids[queue.at] as string)) queue.at++
  return queue.ids[queue.at]
}

/** The ids that the calls of a conversation bring along. */
export function idsIn(contents: readonly WireObject[]): Set<string> {
  const ids = new Set<string>()
  for (const content of contents) {
    for (const entry of asArray(content.parts)) {
      const part = asObject(entry)
      const id = asObject(part && camelMembers(part).functionCall)?.id
      if (typeof id === 'string') ids.add(id)
    }
  }
  return ids
}
