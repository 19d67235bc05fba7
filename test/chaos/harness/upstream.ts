/** The run's side of the upstream process. */
import { join } from 'node:path'
import { killGroup, startNode } from './children.ts'
import { type Hit, readTruthLog } from './truth.ts'
import type { UpstreamNews, UpstreamOrder } from './upstream-process.ts'

export interface Upstream {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  /** Resolves once a request has reached it, now or later. */
  begun(id: string): Promise<void>
  /** How many different requests have reached it so far. */
  count(): number
  hasBegun(id: string): boolean
  /** Lets a request with a gate go on. */
  open(id: string): void
  /** Lets all of them go on, and those to come. */
  openAll(): void
  /** What it has written down so far, by request. */
  truth(): Map<string, Hit[]>
  close(): void
}

export async function startUpstream(directory: string): Promise<Upstream> {
  const logFile = join(directory, 'upstream.jsonl')
  const child = startNode([join(import.meta.dirname, 'upstream-process.ts'), logFile], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const seen = new Map<string, PromiseWithResolvers<void>>()
  const begun = new Set<string>()
  const waiterOf = (id: string): PromiseWithResolvers<void> => {
    const known = seen.get(id) ?? Promise.withResolvers<void>()
    seen.set(id, known)
    return known
  }
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', () => reject(new Error('the upstream ended')))
    child.on('message', (news: UpstreamNews) => {
      if ('port' in news) return resolve(news.port)
      begun.add(news.begun)
      waiterOf(news.begun).resolve()
    })
  })
  const order = (what: UpstreamOrder): void => void child.send(what)
  return {
    origin: `http://127.0.0.1:${port}`,
    begun: (id) => waiterOf(id).promise,
    count: () => begun.size,
    hasBegun: (id) => begun.has(id),
    open: (id) => order({ open: id }),
    openAll: () => order({ openAll: true }),
    truth: () => readTruthLog(logFile),
    close: () => killGroup(child.pid ?? 0),
  }
}
