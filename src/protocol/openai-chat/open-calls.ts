/** The calls of one turn that wait for a result, for results that do not say which call they answer. */

interface Named {
  readonly id: string
  readonly name: string
}

export interface OpenCalls<C extends Named> {
  add(call: C): void
  /** A result came for all calls of this id. */
  answer(id: string): void
  /** The oldest one that waits. */
  first(): C | undefined
  /** The oldest one of this name that waits. */
  firstNamed(name: unknown): C | undefined
}

interface Queue<C> {
  readonly calls: C[]
  /** Those before it are answered. */
  at: number
}

export function createOpenCalls<C extends Named>(): OpenCalls<C> {
  const all: Queue<C> = { calls: [], at: 0 }
  const named = new Map<unknown, Queue<C>>()
  const answered = new Set<string>()
  return {
    add(call) {
      all.calls.push(call)
      const queue = named.get(call.name)
      if (queue) queue.calls.push(call)
      else named.set(call.name, { calls: [call], at: 0 })
    },
    answer: (id) => answered.add(id),
    first: () => firstOpen(all, answered),
    firstNamed: (name) => firstOpen(named.get(name), answered),
  }
}

function firstOpen<C extends Named>(queue: Queue<C> | undefined, answered: ReadonlySet<string>): C | undefined {
  if (!queue) return undefined
  while (answered.has(queue.calls[queue.at]?.id ?? '')) queue.at++
  return queue.calls[queue.at]
}
