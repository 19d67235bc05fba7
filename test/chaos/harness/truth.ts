/** The upstream's own log: what it was asked, what usage it told, and whether it finished. Nobody else writes it. */
import { closeSync, fdatasync, openSync, readFileSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Tokens } from '../../support/dialect.ts'

/** A line of the log. A usage stands in it before it is sent. */
export type TruthLine =
  | { readonly hit: number; readonly event: 'begin'; readonly id: string; readonly atMs: number }
  | { readonly hit: number; readonly event: 'usage'; readonly usage: Tokens }
  | { readonly hit: number; readonly event: 'end'; readonly finished: boolean }

/** One request as the upstream saw it. */
export interface Hit {
  readonly id: string
  readonly beganAtMs: number
  /** What it told, or was about to tell; null: nothing. */
  readonly usage: Tokens | null
  readonly finished: boolean
}

export interface TruthLog {
  /** Resolves once the line is on disk. */
  append(line: TruthLine): Promise<void>
  close(): void
}

const sync = promisify(fdatasync)

export function openTruthLog(path: string): TruthLog {
  const file = openSync(path, 'a')
  let flushing: Promise<void> | null = null
  let next: Promise<void> | null = null
  const flush = (): Promise<void> => {
    flushing = sync(file).finally(() => {
      flushing = null
    })
    return flushing
  }
  return {
    append(line) {
      writeSync(file, `${JSON.stringify(line)}\n`)
      if (flushing === null) return flush()
      // A flush that has begun may have missed this line; all that come meanwhile share the next.
      next ??= flushing.then(() => {
        next = null
        return flush()
      })
      return next
    },
    close: () => closeSync(file),
  }
}

/** The requests in a log, by their id, in the order in which they came. */
export function readTruthLog(path: string): Map<string, Hit[]> {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  return hitsOf(lines.map((line) => JSON.parse(line) as TruthLine))
}

export function hitsOf(lines: readonly TruthLine[]): Map<string, Hit[]> {
  const hits = new Map<number, Hit>()
  for (const line of lines) {
    if (line.event === 'begin') {
      hits.set(line.hit, { id: line.id, beganAtMs: line.atMs, usage: null, finished: false })
      continue
    }
    const known = hits.get(line.hit)
    if (!known) throw new Error(`the upstream ended a request that had not begun: ${line.hit}`)
    hits.set(line.hit, after(known, line))
  }
  return Map.groupBy(hits.values(), ({ id }) => id)
}

function after(hit: Hit, line: Exclude<TruthLine, { event: 'begin' }>): Hit {
  switch (line.event) {
    case 'usage':
      return { ...hit, usage: line.usage }
    case 'end':
      return { ...hit, finished: line.finished }
  }
}
