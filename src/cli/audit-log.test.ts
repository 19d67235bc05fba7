import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createTestCommandLine } from './test-command-line.ts'

it('zendo audit-log verify ends with 1 when the log is not whole, and says where', async (t) => {
  const command = await createTestCommandLine(t)
  await command.json('secrets', 'rewrap')
  const whole = await command.run('audit-log', 'verify')
  assert.deepEqual([whole.exitCode, /is whole +yes/.test(whole.stdout)], [0, true], whole.stdout)
  await command.db.run('DROP TRIGGER audit_log_is_kept')
  await command.db.run("UPDATE audit_log SET target = 'another' WHERE seq = 1")
  const changed = await command.run('audit-log', 'verify', '--json')
  assert.equal(changed.exitCode, 1)
  const { is_whole: isWhole, faults } = JSON.parse(changed.stdout)
  assert.deepEqual([isWhole, faults], [false, [{ seq: 1, kind: 'changed' }]])
  assert.equal((await command.run('audit-log', 'verify')).exitCode, 1)
})
