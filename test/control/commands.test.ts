/** The command line works on whichever database the servers use, and never shows how to get into it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
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
import { type DatabasePlace, openDatabase } from '../../src/store/open-database.ts'
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
