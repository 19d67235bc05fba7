import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { endSample, holdSample } from '../control/test-instance.ts'
import { createTestCommandLine } from './test-command-line.ts'

describe('backup, restore and migrate', () => {
  it('say what they did, and what a backup does not hold', async (t) => {
    const command = await createTestCommandLine(t)
    await holdSample(command, { id: 'req_1', funding: 'balance' })
    await endSample(command, { id: 'req_1', funding: 'balance' })
    await holdSample(command, { id: 'req_2', funding: 'balance' })
    const made = await command.run('backup', 'b.sqlite')
    assert.deepEqual([made.exitCode, made.stderr], [0, ''])
    assert.match(made.stdout, /b\.sqlite: \d+ KiB, \d+ rows, 2 requests\.\nIt holds no secrets: keep .*secrets\.json/)
    const restored = await command.run('restore', 'b.sqlite', '--data-dir', 'restored')
    assert.deepEqual([restored.exitCode, restored.stderr], [0, ''])
    assert.match(
      restored.stdout,
      /^Made on 2026-11-20T12:00:00\.000Z\.\nWere under way, and are not charged: 1 request\.\n/,
    )
    assert.match(restored.stdout, /It is in place.*\nAudit: 2 requests, .* 0 differences\.\n$/s)
    const current = await command.run('migrate', '--data-dir', 'restored')
    assert.match(current.stdout, /^The database has the newest schema, \d+\.\n$/)
    const moved = await command.run('migrate', '--data-dir', 'restored', '--to', 'moved/zendo.db')
    assert.deepEqual([moved.exitCode, moved.stderr], [0, ''])
    assert.match(moved.stdout, /copied and compared\.\nAudit: .* 0 differences\.\nNow unset DATABASE_URL/s)
  })

  it('a restore with differences ends with 1, and names where the database lies', async (t) => {
    const command = await createTestCommandLine(t)
    await command.db.write((sql) => sql.run('UPDATE account SET posted = posted + 1'), { opensLedger: true })
    await command.json('backup', 'b.sqlite')
    const { exitCode, stdout } = await command.run('restore', 'b.sqlite', '--data-dir', 'restored')
    assert.equal(exitCode, 1)
    assert.match(
      stdout,
      /It is NOT in place: its audit found differences\. It lies at .*zendo\.db\.rejected-20261120T120000Z\./,
    )
    assert.match(stdout, /account_posted/)
  })

  it('find no database where there is none, and make none', async (t) => {
    const command = await createTestCommandLine(t)
    mkdirSync(join(command.dataDir, 'empty'))
    for (const words of [['backup', 'b.sqlite'], ['migrate'], ['migrate', '--to', 'new.db']]) {
      const { exitCode, stderr } = await command.run(...words, '--data-dir', 'empty')
      assert.deepEqual([exitCode, /there is no database at .*empty/.test(stderr)], [1, true], stderr)
    }
  })
})
