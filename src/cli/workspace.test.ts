import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hashKey } from '../domain/api-key.ts'
import { loadKeyOwner } from '../store/key.ts'
import { createTestCommandLine } from './test-command-line.ts'

describe('zendo workspace', () => {
  it('lists and shows workspaces with their calendars', async (t) => {
    const { run, json, setup } = await createTestCommandLine(t)
    assert.match((await run('workspace', 'list')).stdout, /\nwrk_\w+ +default +UTC +monday\n/)
    const { workspaces } = await json('workspace', 'list')
    assert.deepEqual(workspaces, [{ id: setup.workspace.id, name: 'default', time_zone: 'UTC', week_start: 'monday' }])
    const shown = await json('workspace', 'show')
    assert.deepEqual(shown.members, [{ id: setup.memberId, name: 'admin', role: 'admin' }])
    assert.match((await run('workspace', 'show')).stdout, /: days in UTC, weeks from monday\.\n\nMEMBER /)
  })

  it('changes the calendar, each part by itself, for every process', async (t) => {
    const { run, json, db, setup } = await createTestCommandLine(t)
    assert.deepEqual(await json('workspace', 'set', '--time-zone', 'europe/berlin'), {
      ...{ id: setup.workspace.id, name: 'default', time_zone: 'Europe/Berlin', week_start: 'monday' },
    })
    const { stdout } = await run('workspace', 'set', '--week-start', 'Sunday')
    assert.match(stdout, /days in Europe\/Berlin, weeks from sunday/)
    const owner = await loadKeyOwner(db, hashKey(setup.key))
    assert.deepEqual([owner?.timeZone, owner?.weekStart], ['Europe/Berlin', 7])
  })

  it('does not take zones and days that do not exist', async (t) => {
    const { run, json } = await createTestCommandLine(t)
    for (const zone of [
      'Europe/Berlinn',
      '+02:00',
      '',
      'GMT+1',
      'x'.repeat(100),
      '../../etc',
      'Europe/Berlin[u-ca=hebrew]',
    ]) {
      const ran = await run('workspace', 'set', '--time-zone', zone)
      assert.deepEqual([ran.exitCode, /not a name like Europe\/Berlin/.test(ran.stderr)], [1, true], zone)
    }
    assert.equal((await run('workspace', 'set', '--week-start', 'someday')).exitCode, 2)
    assert.equal((await run('workspace', 'set')).exitCode, 2)
    assert.equal((await json('workspace', 'show')).time_zone, 'UTC')
  })
})
