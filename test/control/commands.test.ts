/** The command line works on whichever database the servers use, and never shows how to get into it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { NO_USAGE } from '../../src/base/usage.ts'
import { type Ran, runIn } from '../../src/cli/test-command-line.ts'
import { databasePath } from '../../src/control/instance.ts'
import {
  endSample,
  holdSample,
  NOON_MS,
  setUpTestInstance,
  type TestInstance,
} from '../../src/control/test-instance.ts'
import { ALL_ENTRIES, countAuditEntries, listAuditRowsAfter } from '../../src/store/audit-log.ts'
import { type DatabasePlace, openDatabase } from '../../src/store/open-database.ts'
import { listSeats } from '../../src/store/workspace.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'

type Run = (...args: string[]) => Promise<Ran>

function emptyDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-commands-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function runner(directory: string, env: Readonly<Record<string, string>>): Run {
  return (...args) => runIn({ env, cwd: directory, clock: () => NOON_MS }, args)
}

/** An instance on that engine, and its command line. */
async function createScene(t: TestContext, engine: TestEngine): Promise<{ instance: TestInstance; run: Run }> {
  const dataDir = emptyDirectory(t)
  if (engine.name === 'sqlite') {
    const db = await openDatabase({ path: databasePath(dataDir) }, { nowMs: NOON_MS })
    t.after(() => db.close())
    const instance = await setUpTestInstance(db, { dataDir })
    return { instance, run: runner(dataDir, { ZENDO_DATA_DIR: dataDir }) }
  }
  const store = await engine.createStore(t)
  const instance = await setUpTestInstance(await store.open(), { dataDir })
  return { instance, run: runner(dataDir, { DATABASE_URL: urlOf(store.place), ZENDO_DATA_DIR: dataDir }) }
}

function urlOf(place: DatabasePlace): string {
  if (!('url' in place)) throw new Error('a file has no address')
  return place.url
}

async function answer(run: Run, ...args: string[]): Promise<Record<string, unknown>> {
  const ran = await run(...args, '--json')
  assert.equal(ran.stderr, '', args.join(' '))
  return JSON.parse(ran.stdout)
}

describe('commands', () => {
  forEachEngine((engine) => {
    it('make keys, move credit, set caps and calendars, and leave sound books', async (t) => {
      const { instance, run } = await createScene(t, engine)
      const { id } = await answer(run, 'key', 'create', '--name', 'ci')
      await answer(run, 'cap', 'set', '--key', String(id), '--day', '2.5')
      await answer(run, 'workspace', 'set', '--time-zone', 'Asia/Kathmandu', '--week-start', 'sunday')
      await answer(run, 'plan', 'seat', '--use-balance', 'on')
      await answer(run, 'credit', 'grant', '3', '--expires', '2027-01-01', '--idempotency-key', 'k')
      assert.equal(
        (await answer(run, 'credit', 'grant', '3', '--expires', '2027-01-01', '--idempotency-key', 'k')).created,
        false,
      )
      const sample = { id: 'req_1', funding: 'balance' } as const
      await holdSample(instance, sample)
      await endSample(instance, sample, { usage: { ...NO_USAGE, output: 100_000 } })
      assert.equal((await answer(run, 'credit', 'refund', 'req_1', '--note', 'cut off')).amount, '0.44')
      assert.equal((await run('credit', 'refund', 'req_1', '--note', 'cut off')).exitCode, 1)
      assert.equal((await answer(run, 'credit', 'list')).posted, '8.00')
      const [cap] = (await answer(run, 'cap', 'list')).caps as { resets_at: string; remaining: string }[]
      assert.deepEqual([cap?.remaining, cap?.resets_at], ['2.50', '2026-11-20T18:15:00.000Z'])
      const { balance } = (await answer(run, 'usage')) as { balance: { available: string } }
      assert.equal(balance.available, '8.00')
      assert.deepEqual((await answer(run, 'audit')).differences, [])
    })

    it('put each change on record, once, in a log that is whole', async (t) => {
      const { instance, run } = await createScene(t, engine)
      const { workspace, keyId, seatId } = instance.setup
      const sample = { id: 'req_1', funding: 'balance' } as const
      await holdSample(instance, sample)
      await endSample(instance, sample, { usage: { ...NO_USAGE, output: 100_000 } })
      await answer(run, 'cap', 'set', '--key', keyId, '--day', '2.5', '--week', '9')
      await answer(run, 'cap', 'remove', '--key', keyId, '--day', '--month')
      await answer(run, 'workspace', 'set', '--time-zone', 'Asia/Kathmandu')
      await answer(run, 'plan', 'seat', '--use-balance', 'on')
      await answer(run, 'plan', 'seat', 'end', seatId)
      await answer(run, 'plan', 'seat', 'add')
      for (const _ of [1, 2]) {
        await answer(run, 'credit', 'grant', '3', '--note', 'welcome', '--idempotency-key', 'k')
        await answer(run, 'credit', 'refund', 'req_1', '--note', `s3cr3t ${'x'.repeat(100)}`, '--idempotency-key', 'r')
      }
      const rows = await listAuditRowsAfter(instance.db, ALL_ENTRIES, { afterSeq: 0, limit: 100 })
      assert.deepEqual(
        rows.map(({ actorKind, action }) => `${actorKind} ${action}`),
        [
          'system instance.set_up',
          ...['shell cap.set', 'shell cap.set', 'shell cap.remove', 'shell workspace.update'],
          ...['shell seat.update', 'shell seat.end', 'shell seat.assign', 'shell credit.grant', 'shell credit.refund'],
        ],
      )
      assert.deepEqual(new Set(rows.map(({ workspaceId }) => workspaceId)), new Set([workspace.id]))
      const [grant, refund] = rows.slice(-2).map(({ after }) => JSON.parse(after ?? ''))
      assert.deepEqual([grant.amount, grant.note], ['3.00', 'welcome'])
      assert.deepEqual(refund, { request: 'req_1', amount: '0.44', note: null })
      assert.equal((await answer(run, 'audit-log', 'verify')).is_whole, true)
    })

    it('go on with a bad configuration where they need none; the others change nothing', async (t) => {
      const { instance, run: runPlain } = await createScene(t, engine)
      const { keyId, seatId } = instance.setup
      const sample = { id: 'req_1', funding: 'balance' } as const
      await holdSample(instance, sample)
      await endSample(instance, sample, { usage: { ...NO_USAGE, output: 100_000 } })
      const file = join(instance.dataDir, 'zendo.jsonc')
      writeFileSync(file, '{ "providers": 7 }')
      const run: Run = (...args) => runPlain(...args, '--config', file)
      await answer(run, 'cap', 'set', '--key', keyId, '--day', '2.5')
      await answer(run, 'cap', 'remove', '--key', keyId, '--day')
      await answer(run, 'workspace', 'set', '--week-start', 'sunday')
      await answer(run, 'credit', 'grant', '3')
      await answer(run, 'credit', 'refund', 'req_1', '--note', 'cut off')
      await answer(run, 'plan', 'seat', '--use-balance', 'on')
      const entries = await countAuditEntries(instance.db)
      const named = ['--seat', seatId, '--use-balance', 'off']
      for (const args of [
        ['plan', 'seat', 'add'],
        ['seat', 'update', ...named],
        ['key', 'create'],
        ['setting', 'list'],
      ]) {
        const ran = await run(...args)
        assert.deepEqual([ran.exitCode, /zendo\.jsonc:1:\d+: providers/.test(ran.stderr)], [1, true], ran.stderr)
      }
      assert.equal(await countAuditEntries(instance.db), entries)
      assert.equal((await listSeats(instance.db, instance.setup.workspace.id))[0]?.useBalance, true)
      await answer(run, 'plan', 'seat', 'end', seatId)
    })

    it('say what is wrong in the words of both engines', async (t) => {
      const { run } = await createScene(t, engine)
      const ran = await run('credit', 'grant', '1', '--workspace', 'nope')
      assert.deepEqual([ran.exitCode, ran.stderr], [1, 'there is no workspace nope\n'])
    })

    it('take --database-url above the environment', { skip: engine.name === 'sqlite' }, async (t) => {
      const store = await engine.createStore(t)
      const dataDir = emptyDirectory(t)
      const { setup } = await setUpTestInstance(await store.open(), { dataDir })
      const run = runner(dataDir, { DATABASE_URL: 'postgres://127.0.0.1:1/nowhere' })
      const listed = await answer(run, 'workspace', 'list', '--database-url', urlOf(store.place))
      assert.deepEqual(
        (listed.workspaces as { id: string }[]).map(({ id }) => id),
        [setup.workspace.id],
      )
    })
  })

  it('fail at once on a database that is not there, and keep its password to themselves', async (t) => {
    const run = runner(emptyDirectory(t), { DATABASE_URL: 'postgres://zendo:s3cr3t@127.0.0.1:1/zendo' })
    for (const args of [
      ['key', 'list'],
      ['audit', '--json'],
      ['credit', 'grant', '1'],
    ]) {
      const ran = await run(...args)
      assert.deepEqual([ran.exitCode, ran.stdout], [1, ''])
      assert.match(ran.stderr, /PostgreSQL/)
      assert.doesNotMatch(ran.stderr, /s3cr3t/)
    }
    const wrong = await run('key', 'list', '--database-url', 'mysql://zendo:s3cr3t@127.0.0.1/zendo')
    assert.deepEqual([wrong.exitCode, /s3cr3t/.test(wrong.stderr)], [1, false])
  })
})
