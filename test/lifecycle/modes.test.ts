/** Who may read what an instance keeps: its owner alone, whatever the system gives to new files. */
import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { startGateway } from '../support/gateway.ts'
import { runZendo, temporaryDirectory } from './world.ts'

/** Made by whoever runs the instance. */
const OPERATORS_OWN = ['zendo.jsonc']

it('what a server writes, a backup and what is restored of it are readable by their owner alone', async (t) => {
  const earlier = process.umask(0o022)
  t.after(() => process.umask(earlier))
  const gateway = await startGateway({ config: {} })
  t.after(() => gateway.remove())
  const response = await fetch(`${gateway.baseUrl}/zen/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim/echo', messages: [{ role: 'user', content: 'hi' }] }),
  })
  assert.equal(response.status, 200)
  await response.arrayBuffer()
  const beside = temporaryDirectory(t)
  const backup = join(beside, 'backup.db')
  assert.equal((await runZendo(['backup', backup], { dataDir: gateway.dataDir })).code, 0)
  const serving = filesBelow(gateway.dataDir)
  for (const name of ['zendo.db', 'zendo.db-wal', 'zendo.db-shm', 'secrets.json', 'spill-0.bin']) {
    assert.ok(
      serving.some((path) => path.endsWith(`/${name}`)),
      name,
    )
  }
  const restored = join(beside, 'restored')
  const { code, stderr } = await runZendo(['restore', backup], { dataDir: restored })
  assert.equal(code, 0, stderr)
  const open = [...serving, ...filesBelow(beside)].filter((path) => (statSync(path).mode & 0o077) !== 0)
  assert.deepEqual(open, [])
})

function filesBelow(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && !OPERATORS_OWN.includes(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}
