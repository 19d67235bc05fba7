/** Keeps the catalogue current: reloads when the file changes, and keeps the last good snapshot when it is bad. */
import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { AppError } from '../base/errors.ts'
import { type ConfigProblem, formatProblems } from '../domain/config-parse.ts'
import {
  type CatalogSnapshot,
  type CatalogSourceOptions,
  configPathOf,
  type LoadedCatalog,
  readConfigText,
  snapshotOf,
} from './catalog-source.ts'

/** Editors and deployments change a file in several steps; this long after the last one it is read. */
const SETTLE_MS = 100

export interface CatalogWatchOptions extends CatalogSourceOptions {
  /** Called with a new snapshot and awaited before it comes into use; if it throws, the old one stays. Not called at the start. */
  readonly onChange?: (snapshot: CatalogSnapshot) => void | Promise<void>
  /** Called with what is wrong with a changed file; the last good snapshot stays in use. */
  readonly onProblems?: (problems: readonly ConfigProblem[]) => void
  /** Milliseconds without a further change before the file is read. Default 100. */
  readonly settleMs?: number
}

export interface CatalogWatch {
  /** The snapshot in use. */
  current(): CatalogSnapshot
  /** Reads the file and its secrets again, whether or not anything seems to have changed. */
  reload(): Promise<LoadedCatalog>
  /** Stops watching; no callback comes after it. */
  close(): void
}

/** @throws AppError `invalid_request` with every problem and its line when the file is bad at the start. */
export async function watchCatalog(options: CatalogWatchOptions): Promise<CatalogWatch> {
  const path = configPathOf(options)
  let isClosed = false
  let settling: NodeJS.Timeout | undefined
  let lastText: string | null | Error
  let current: CatalogSnapshot
  let queue: Promise<unknown> = Promise.resolve()

  // The watch stands before the first read, so that no change falls between the two.
  const watcher = openWatcher(path, () => {
    clearTimeout(settling)
    settling = setTimeout(() => enqueue(false), options.settleMs ?? SETTLE_MS)
    settling.unref()
  })

  async function reload(force: boolean): Promise<LoadedCatalog> {
    const text = await readConfigText(path)
    if (!force && text === lastText) return { ok: true, snapshot: current }
    lastText = text
    const loaded = await snapshotOf(text, options)
    return isClosed ? { ok: true, snapshot: current } : apply(loaded)
  }

  async function apply(loaded: LoadedCatalog): Promise<LoadedCatalog> {
    const applied = loaded.ok ? await tryChange(path, loaded.snapshot, options.onChange) : loaded
    if (applied.ok) current = applied.snapshot
    else options.onProblems?.(applied.problems)
    return applied
  }

  function enqueue(force: boolean): Promise<LoadedCatalog> {
    const result = queue.then(() => reload(force))
    queue = result.catch(() => undefined)
    return result
  }

  lastText = await readConfigText(path)
  const first = await snapshotOf(lastText, options)
  if (!first.ok) {
    watcher?.close()
    clearTimeout(settling)
    throw new AppError('invalid_request', formatProblems(first.problems))
  }
  current = first.snapshot
  if (watcher === null)
    options.onProblems?.([problem(path, 'changes of this file are not noticed: it cannot be watched')])

  return {
    current: () => current,
    reload: () => enqueue(true),
    close() {
      isClosed = true
      clearTimeout(settling)
      watcher?.close()
    },
  }
}

async function tryChange(
  path: string,
  snapshot: CatalogSnapshot,
  onChange: CatalogWatchOptions['onChange'],
): Promise<LoadedCatalog> {
  try {
    await onChange?.(snapshot)
    return { ok: true, snapshot }
  } catch {
    return { ok: false, problems: [problem(path, 'the file is good, but taking it into use failed')] }
  }
}

/**
 * Watches the directory, since a file that is replaced is another file. `..data` is what a Kubernetes volume swaps.
 * Null when the directory cannot be watched.
 */
function openWatcher(path: string, onEvent: () => void): FSWatcher | null {
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
      if (name === null || name === basename(path) || name === '..data') onEvent()
    })
    // Without a watch the last snapshot simply stays; `reload` still works.
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return null
  }
}

function problem(file: string, reason: string): ConfigProblem {
  return { file, line: 1, column: 1, path: '', reason }
}
