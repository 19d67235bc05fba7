/** The audit log: of the instance for operators, of a workspace for its admins. */
import {
  exportAuditLog,
  exportWorkspaceAuditLog,
  listAuditLog,
  listWorkspaceAuditLog,
  verifyAuditLog,
} from '../contract/audit-log.ts'
import * as log from '../control/audit-log.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import { type AuditFilter, listAuditRows } from '../store/audit-log.ts'
import { type OperationContext, type StreamReply, serve, serveStream } from './operation-route.ts'
import { type PageInput, type PageReply, readPage, toPage } from './page.ts'
import type { RouteDefinition } from './routes.ts'

export const auditLogRoutes: readonly RouteDefinition[] = [
  serve(listAuditLog, ({ control }, { query }) => listEntries(control, null, query)),
  serveStream(exportAuditLog, async ({ control }, { query }) => exportEntries(control, null, query)),
  serve(verifyAuditLog, async ({ control }) => {
    const { entries, head, faults } = await log.verifyAuditLog(control.database, control.trailKeys)
    return { is_whole: faults.length === 0, entries, head, faults: [...faults] }
  }),
  serve(listWorkspaceAuditLog, (context, { query }) => listEntries(context.control, workspaceOf(context), query)),
  serveStream(exportWorkspaceAuditLog, async (context, { query }) =>
    exportEntries(context.control, workspaceOf(context), query),
  ),
]

interface FilterInput {
  readonly action?: string | undefined
  readonly actor?: string | undefined
  readonly target?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

function workspaceOf({ place }: OperationContext): string {
  if (!place) throw new Error('an operation of a workspace was reached without one')
  return place.workspace.id
}

function filterOf(workspaceId: string | null, { action, actor, target, since, until }: FilterInput): AuditFilter {
  return {
    ...{ workspaceId, action: action ?? null, actorId: actor ?? null, target: target ?? null },
    sinceMs: since === undefined ? null : Date.parse(since),
    untilMs: until === undefined ? null : Date.parse(until),
  }
}

async function listEntries(
  { database }: ControlPlane,
  workspaceId: string | null,
  query: FilterInput & PageInput,
): Promise<PageReply<EntryReply>> {
  const { limit, after } = readPage(query)
  const place = { beforeSeq: after === undefined ? null : Number(after), limit: limit + 1 }
  const rows = await listAuditRows(database, filterOf(workspaceId, query), place)
  return toPage(rows, limit, ({ seq }) => String(seq), entryOf)
}

type ActorKind = 'person' | 'key' | 'shell' | 'system'

interface EntryReply extends Omit<log.AuditView, 'actor'> {
  readonly actor: { readonly kind: ActorKind; readonly id: string | null }
}

const ACTOR_KINDS: readonly string[] = ['person', 'key', 'shell', 'system'] satisfies ActorKind[]

function entryOf(row: Parameters<typeof log.viewEntry>[0]): EntryReply {
  const { actor, ...rest } = log.viewEntry(row)
  const kind = ACTOR_KINDS.includes(actor.kind) ? (actor.kind as ActorKind) : 'system'
  return { ...rest, actor: { kind, id: actor.id } }
}

const CONTENT_TYPES = { jsonl: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' } as const

function exportEntries(
  { database }: ControlPlane,
  workspaceId: string | null,
  { format, ...filter }: FilterInput & { readonly format: log.AuditFormat },
): StreamReply {
  return {
    contentType: CONTENT_TYPES[format],
    fileName: `zendo-audit-log.${format}`,
    pieces: log.exportAuditLog(database, filterOf(workspaceId, filter), format),
  }
}
