/** The audit log over the API: who sees which entries, that refusals stand in it, and that exports are safe to open. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { z } from 'zod'
import { auditLogRoutes } from '../../src/api/audit-log.ts'
import { serve } from '../../src/api/operation-route.ts'
import * as shapes from '../../src/contract/audit-log.ts'
import { type CallInput, type Client, createClient } from '../../src/contract/client.ts'
import { operation } from '../../src/contract/operation.ts'
import { changeOnRecord } from '../../src/control/acting.ts'
import { type ControlServer, type Credentials, startControlServer } from '../support/control-server.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'

const note = operation({
  ...({ id: 'note.create', method: 'POST', path: '/api/workspaces/{workspace}/notes', access: 'admin' } as const),
  ...({ rate: 'write', scope: 'manage', summary: 'Writes something down.' } as const),
  body: z.strictObject({ text: z.string() }),
  reply: z.strictObject({ text: z.string() }),
})

const routes = [
  ...auditLogRoutes,
  serve(note, async ({ control, acting, place }, { body }) => {
    await changeOnRecord(control.database, acting, (_, put) =>
      put({ action: note.id, workspaceId: place?.workspace.id ?? null, target: 'note_1', before: null, after: body }),
    )
    return body
  }),
]

function clientOf({ url }: ControlServer, headers: Credentials): Client {
  return createClient({ baseUrl: url, headers })
}

forEachEngine((engine) => {
  describe('the audit log', () => {
    it('shows an admin what was done in the workspace, and an operator everything', async (t) => {
      const { server, admin, operator } = await start(t, engine)
      const workspace = server.workspaceId
      await write(server, admin, 'one')
      await clientOf(server, operator).call(note, { params: { workspace }, body: { text: 'two' } })
      const { data } = await clientOf(server, admin).call(shapes.listWorkspaceAuditLog, { params: { workspace } })
      const [done, first] = [data.slice(0, -1), data.at(-1)]
      assert.deepEqual(
        done.map(({ actor, action, target, before, after }) => ({ actor, action, target, before, after })),
        [
          { actor: { kind: 'person', id: 'per_opal' }, ...of('two') },
          { actor: { kind: 'person', id: 'per_ann' }, ...of('one') },
        ],
      )
      assert.deepEqual([first?.action, first?.actor.kind, first?.request_id], ['instance.set_up', 'system', null])
      assert.ok(done.every(({ request_id: id }) => /^req_/.test(id ?? '')))
      await server.control.database.write(async (sql) => {
        await sql.run(
          "INSERT INTO workspace (id, name, time_zone, week_start, created_at) VALUES ('wrk_other', 'other', 'UTC', 1, 0)",
        )
      })
      await clientOf(server, operator).call(note, { params: { workspace: 'wrk_other' }, body: { text: 'elsewhere' } })
      const seen = await clientOf(server, admin).call(shapes.listWorkspaceAuditLog, { params: { workspace } })
      assert.equal(seen.data.length, data.length)
      const all = await clientOf(server, operator).call(shapes.listAuditLog)
      assert.equal(all.data.filter(({ action }) => action === note.id).length, 3)
    })

    it('comes in pages that neither repeat nor leave out an entry while others are written', async (t) => {
      const { server, admin, operator } = await start(t, engine)
      for (let n = 0; n < 7; n++) await write(server, admin, `n${n}`)
      const seen: string[] = []
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const query = { limit: 3, action: note.id, ...(cursor !== undefined && { cursor }) }
        const reply = await clientOf(server, operator).call(shapes.listAuditLog, { query })
        seen.push(...reply.data.map(({ after }) => String(after?.text)))
        cursor = reply.next_cursor
        await write(server, admin, 'later')
      }
      assert.deepEqual(seen, ['n6', 'n5', 'n4', 'n3', 'n2', 'n1', 'n0'])
    })

    it('finds by action, actor, target and time, and refuses what it does not know', async (t) => {
      let nowMs = Date.now()
      const { server, admin, operator } = await start(t, engine, () => nowMs)
      await write(server, admin, 'early')
      nowMs += 1000
      await write(server, operator, 'late')
      const client = clientOf(server, operator)
      const texts = async (query: NonNullable<CallInput<typeof shapes.listAuditLog>['query']>) =>
        (await client.call(shapes.listAuditLog, { query })).data.flatMap(({ after }) => after?.text ?? [])
      const at = new Date(nowMs).toISOString()
      assert.deepEqual(await texts({ actor: 'per_ann' }), ['early'])
      assert.deepEqual(await texts({ since: at }), ['late'])
      assert.deepEqual(await texts({ until: at }), ['early'])
      assert.deepEqual(await texts({ action: note.id, target: 'note_1' }), ['late', 'early'])
      assert.deepEqual(await texts({ action: 'note.%' }), [])
      const wrong = (query: object) => client.call(shapes.listAuditLog, { query: query as { limit: number } })
      for (const query of [{ cursor: 'x' }, { limit: 0 }, { since: 'today' }, { who: 'ann' }, { cursor: 'MTpgYA' }]) {
        await assert.rejects(wrong(query), { name: 'ApiProblem', status: 400 })
      }
    })

    it('is not for members, strangers, or keys that may only infer; their tries are on record', async (t) => {
      const { server, operator } = await start(t, engine)
      const { workspaceId: workspace } = server
      const member = await server.signIn('mia', { role: 'member' })
      const stranger = await server.signIn('zoe')
      const key = await server.makeKey(['inference'], 'admin')
      const ask = (who: Credentials) =>
        clientOf(server, who).call(shapes.listWorkspaceAuditLog, { params: { workspace } })
      await assert.rejects(ask(member), { status: 403 })
      await assert.rejects(ask(stranger), { status: 404 })
      await assert.rejects(ask(key), { status: 403 })
      await assert.rejects(clientOf(server, member).call(shapes.listAuditLog), { status: 403 })
      const { data } = await clientOf(server, operator).call(shapes.listAuditLog, {
        query: { action: 'access.denied' },
      })
      assert.deepEqual(
        data
          .map(({ actor, workspace: at, target, after }) => [actor.kind, actor.id, at, target, after?.code])
          .reverse(),
        [
          ['person', 'per_mia', workspace, 'workspace.audit_log.list', 'permission_denied'],
          ['person', 'per_zoe', null, 'workspace.audit_log.list', 'not_found'],
          [
            'key',
            data.find(({ actor }) => actor.kind === 'key')?.actor.id,
            workspace,
            'workspace.audit_log.list',
            'permission_denied',
          ],
          ['person', 'per_mia', null, 'audit_log.list', 'permission_denied'],
        ],
      )
    })

    it('a loop of refused requests does not fill it', async (t) => {
      const { server, operator } = await start(t, engine)
      const member = await server.signIn('mia', { role: 'member' })
      for (let n = 0; n < 30; n++) {
        await assert.rejects(clientOf(server, member).call(shapes.listAuditLog), { status: 403 })
      }
      const { data } = await clientOf(server, operator).call(shapes.listAuditLog, {
        query: { action: 'access.denied' },
      })
      assert.equal(data.length, 6)
    })

    it('an export has every entry, oldest first, and starts no formula and steers no terminal', async (t) => {
      const { server, admin, operator } = await start(t, engine)
      const nasty = [
        '=1+1',
        '@SUM(A1)',
        '+1',
        '-1',
        'a,"b"',
        '\u001b[31mred',
        'a\r\nb',
        '\u202egnp',
        '\u009b31m',
        '\u2028',
      ]
      for (const text of nasty) await write(server, admin, text)
      const read = async (format: 'jsonl' | 'csv') => {
        const response = await clientOf(server, operator).open(shapes.exportAuditLog, {
          query: { format, action: note.id },
        })
        assert.match(response.headers.get('content-disposition') ?? '', new RegExp(`\\.${format}"$`))
        return await response.text()
      }
      const jsonl = await read('jsonl')
      const texts = jsonl
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).after.text)
      assert.deepEqual(texts, nasty)
      const csv = await read('csv')
      for (const file of [jsonl, csv]) assert.doesNotMatch(file.replace(/\r?\n/g, ''), /[\p{Cc}\p{Cf}\u2028]/u)
      for (const line of csv.trimEnd().split('\r\n')) {
        assert.ok(
          line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/).every((cell) => !/^"?[=+\-@]/.test(cell)),
          line,
        )
      }
      assert.equal(csv.trimEnd().split('\r\n').length, nasty.length + 1)
    })

    it('an operator learns whether it is whole', async (t) => {
      const { server, admin, operator } = await start(t, engine)
      await write(server, admin, 'one')
      const whole = await clientOf(server, operator).call(shapes.verifyAuditLog)
      assert.deepEqual([whole.is_whole, whole.faults, whole.head.seq], [true, [], whole.entries])
    })
  })
})

function of(text: string) {
  return { action: note.id, target: 'note_1', before: null, after: { text } }
}

async function start(t: TestContext, engine: TestEngine, clock = Date.now) {
  const server = await startControlServer(t, await engine.openDatabase(t), { routes, clock })
  const admin = await server.signIn('ann', { role: 'admin' })
  return { server, admin, operator: await server.signIn('opal', { isOperator: true }) }
}

async function write(server: ControlServer, who: Credentials, text: string): Promise<void> {
  await clientOf(server, who).call(note, { params: { workspace: server.workspaceId }, body: { text } })
}
