import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ensureInstanceSecrets } from '../control/instance.ts'
import { deriveSecrets } from '../control/key-encryption.ts'
import { endSample, holdSample } from '../control/test-instance.ts'
import { insertCredential, sealContext } from '../store/credential.ts'
import { createTestCommandLine } from './test-command-line.ts'

function madeDirectory(parent: string, name: string): string {
  const directory = join(parent, name)
  mkdirSync(directory)
  return directory
}

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

  it('a restore warns where the secrets that its rows need are not there, or are others', async (t) => {
    const command = await createTestCommandLine(t)
    const { sealer } = deriveSecrets([ensureInstanceSecrets(command.dataDir, randomBytes).addressSalt])
    const place = { id: 'cred_1', workspaceId: command.setup.workspace.id, provider: 'p', baseUrl: null }
    const sealed = sealer.seal('sk-1', sealContext(place))
    await insertCredential(command.db, { ...place, mode: 'own_only', sealed, preview: '…', checkedAtMs: null }, 1)
    await command.json('secrets', 'rewrap')
    await command.json('backup', 'b.sqlite')
    const without = await command.run('restore', 'b.sqlite', '--data-dir', 'without')
    assert.deepEqual([without.exitCode, without.stderr], [0, ''])
    assert.match(without.stdout, /WARNING: .* holds no secrets of this instance/)
    ensureInstanceSecrets(madeDirectory(command.dataDir, 'other'), randomBytes)
    const other = await command.run('restore', 'b.sqlite', '--data-dir', 'other')
    assert.match(
      other.stdout,
      /WARNING: .*: 1 own key of workspaces cannot be opened, \d+ entr(y|ies) of the audit log/,
    )
    const right = madeDirectory(command.dataDir, 'right')
    copyFileSync(join(command.dataDir, 'secrets.json'), join(right, 'secrets.json'))
    const { secrets } = await command.json('restore', 'b.sqlite', '--data-dir', 'right')
    assert.deepEqual(secrets, { own_keys_closed: 0, audit_entries_unverified: 0, unchecked: null })
    const again = await command.run('restore', 'b.sqlite', '--data-dir', 'right', '--force')
    assert.equal(again.stdout.includes('WARNING'), false, again.stdout)
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
