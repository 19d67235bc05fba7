/** `GET /api/export`: every request of a period as a stream, at the pace of its reader. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../base/errors.ts'
import { exportCsv, exportPricesCsv } from '../control/request-csv.ts'
import { closedAt, exportJsonLines } from '../control/request-export.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { RequestFilter } from '../store/request-list.ts'
import { FILTER_NAMES, invalid, readFilter, readQuery, readWord, type Viewer, viewerOf } from './query.ts'
import { baseHeaders } from './reply.ts'
import type { RouteDefinition, Visit } from './routes.ts'

export const exportRoutes: readonly RouteDefinition[] = [
  {
    method: 'GET',
    pattern: '/api/export',
    auth: 'key',
    access: 'key',
    use: null,
    rate: 'read',
    operation: null,
    protocol: null,
    handle: sendExport,
  },
]

const FORMATS = ['jsonl', 'csv'] as const
const CONTENTS = ['requests', 'prices'] as const
const CONTENT_TYPE = { jsonl: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' } as const
/** Exports of one workspace at once; each keeps a batch in memory. */
const MAX_AT_ONCE = 2
const RETRY_AFTER_SECONDS = 10

async function sendExport(visit: Visit): Promise<void> {
  const { gateway, request, response } = visit
  const viewer = viewerOf(visit)
  const question = readQuestion(visit, viewer)
  const leave = enter(gateway, viewer.workspaceId)
  try {
    const lines = linesOf(gateway, question)
    // Read before the head is sent: what fails at once is still told by a status.
    const first = request.method === 'HEAD' ? null : await lines.next()
    response.writeHead(200, [
      ...baseHeaders(visit.id),
      ...['content-type', CONTENT_TYPE[question.format]],
      ...['content-disposition', `attachment; filename="zendo-${question.what}.${question.format}"`],
    ])
    if (first === null) response.end()
    // One batch waits while the reader has not taken the last; a reader that leaves ends the reading of the database.
    else await pipeline(Readable.from(resume(first, lines), { highWaterMark: 1 }), response)
  } catch (error) {
    // Anything else cuts the answer off, so that nobody takes a part of it for the whole.
    if (!hasLeft(error)) throw error
  } finally {
    leave()
  }
}

interface Question {
  readonly format: (typeof FORMATS)[number]
  readonly what: (typeof CONTENTS)[number]
  readonly filter: RequestFilter
  readonly nowMs: number
}

function readQuestion({ gateway, query: text }: Visit, viewer: Viewer): Question {
  const query = readQuery(text, [...FILTER_NAMES, 'format', 'what'])
  const format = readWord('format', query.get('format') ?? null, FORMATS) ?? 'jsonl'
  const what = readWord('what', query.get('what') ?? null, CONTENTS) ?? 'requests'
  if (what === 'prices' && format === 'jsonl') {
    throw invalid('what', 'may be prices for format=csv alone: in JSON lines the prices stand beside the requests.')
  }
  const nowMs = gateway.clock()
  return { format, what, filter: closedAt(readFilter(query, viewer), nowMs), nowMs }
}

function linesOf({ database }: Gateway, { format, what, filter, nowMs }: Question): AsyncGenerator<string, void> {
  if (format === 'jsonl') return exportJsonLines(database, filter, nowMs)
  return what === 'prices' ? exportPricesCsv(database, filter) : exportCsv(database, filter)
}

async function* resume(
  first: IteratorResult<string, void>,
  rest: AsyncGenerator<string, void>,
): AsyncGenerator<string, void> {
  if (first.done) return
  yield first.value
  yield* rest
}

function hasLeft(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'
}

const underWay = new WeakMap<Gateway, Map<string, number>>()

/** @throws AppError rate_limited */
function enter(gateway: Gateway, workspaceId: string): () => void {
  const counts = underWay.get(gateway) ?? new Map<string, number>()
  underWay.set(gateway, counts)
  const running = counts.get(workspaceId) ?? 0
  if (running >= MAX_AT_ONCE) {
    throw new AppError(
      'rate_limited',
      `This workspace already has ${running} exports under way; ${MAX_AT_ONCE} may be.`,
      {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      },
    )
  }
  counts.set(workspaceId, running + 1)
  return () => {
    const left = (counts.get(workspaceId) ?? 1) - 1
    if (left === 0) counts.delete(workspaceId)
    else counts.set(workspaceId, left)
  }
}
