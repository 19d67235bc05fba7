/** The audit log: who changed what, when, and what was refused. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { instant, page, pageQuery } from './shapes.ts'

const facts = z.record(z.string(), z.unknown()).nullable()

const entry = z.strictObject({
  seq: z.int().describe('One more than the entry before it; none is left out.'),
  id: z.string(),
  at: instant,
  actor: z.strictObject({ kind: z.enum(['person', 'key', 'shell', 'system']), id: z.string().nullable() }),
  workspace: z.string().nullable(),
  action: z.string().describe('The id of the operation, or what happened: `access.denied`.'),
  target: z.string().nullable(),
  before: facts,
  after: facts,
  request_id: z.string().nullable(),
})

const text = z.string().min(1).max(128)

const filter = z.strictObject({
  action: text.optional().describe('Such as `key.create`.'),
  actor: text.optional().describe('The id of a person or a key.'),
  target: text.optional().describe('The id of what was changed.'),
  since: instant.optional().describe('From this instant on.'),
  until: instant.optional().describe('Before this instant.'),
})

const listQuery = pageQuery.extend(filter.shape)
const exportQuery = filter.extend({ format: z.enum(['jsonl', 'csv']).default('jsonl') })
const STREAMS = ['application/x-ndjson', 'text/csv'] as const

export const listAuditLog = operation({
  id: 'audit_log.list',
  method: 'GET',
  path: '/api/audit-log',
  access: 'operator',
  rate: 'read',
  scope: 'read',
  summary: 'What was changed in the whole instance, newest first.',
  query: listQuery,
  reply: page(entry),
})

export const exportAuditLog = operation({
  id: 'audit_log.export',
  method: 'GET',
  path: '/api/audit-log/export',
  access: 'operator',
  rate: 'write',
  scope: 'read',
  summary: 'The same as a stream, oldest first.',
  query: exportQuery,
  reply: z.undefined(),
  streams: STREAMS,
})

export const verifyAuditLog = operation({
  id: 'audit_log.verify',
  method: 'GET',
  path: '/api/audit-log/verify',
  access: 'operator',
  rate: 'probe',
  scope: 'read',
  summary: 'Whether the audit log is whole: no entry changed, left out, put in or cut off.',
  reply: z.strictObject({
    is_whole: z.boolean(),
    entries: z.int(),
    head: z.strictObject({ seq: z.int(), hash: z.string() }),
    faults: z.array(z.strictObject({ seq: z.int(), kind: z.enum(['changed', 'missing', 'added']) })),
  }),
})

export const listWorkspaceAuditLog = operation({
  id: 'workspace.audit_log.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/audit-log',
  access: 'admin',
  rate: 'read',
  scope: 'read',
  summary: 'What was changed in a workspace, newest first.',
  query: listQuery,
  reply: page(entry),
})

export const exportWorkspaceAuditLog = operation({
  id: 'workspace.audit_log.export',
  method: 'GET',
  path: '/api/workspaces/{workspace}/audit-log/export',
  access: 'admin',
  rate: 'write',
  scope: 'read',
  summary: 'The same as a stream, oldest first.',
  query: exportQuery,
  reply: z.undefined(),
  streams: STREAMS,
})
