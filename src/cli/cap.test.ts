import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUsd } from '../base/money.ts'
import { holdSample } from '../control/test-instance.ts'
import { hashKey } from '../domain/api-key.ts'
import { loadKeyOwner } from '../store/key.ts'
import { createTestCommandLine } from './test-command-line.ts'

interface Caps {
  readonly caps: readonly {
    readonly name: string
    readonly remaining: string
    readonly effective: { readonly remaining: string; readonly binding: string }
  }[]
}

describe('zendo cap', () => {
  it('sets caps of keys, members and workspaces, and lists what is left of them', async (t) => {
    const command = await createTestCommandLine(t)
    const { setup, db } = command
    const set = await command.json('cap', 'set', '--key', setup.keyId, '--day', '2', '--month', '40')
    assert.deepEqual(
      (set.caps as Caps['caps']).map(({ name }) => name),
      ['daily key cap', 'monthly key cap'],
    )
    await command.run('cap', 'set', '--member', 'admin', '--week', '1.5')
    await command.run('cap', 'set', '--workspace', 'default', '--month', '100')
    assert.equal((await loadKeyOwner(db, hashKey(setup.key)))?.caps.length, 4)
    await holdSample(command, { id: 'req_1', funding: 'balance', hold: parseUsd('0.5') })
    const { stdout } = await command.run('cap', 'list')
    assert.match(
      stdout,
      /\ndaily key cap +key_\w+ +\$0\.50 +\$2\.00 +\$1\.50 +25 % +2026-11-21 00:00 UTC \(in 12 h 0 min\) +\$1\.00 \(weekly member cap\)\n/,
    )
    assert.match(stdout, /\nweekly member cap +mem_\w+ +\$0\.50 +\$1\.50 +\$1\.00 +33 % .* \$1\.00\n/)
    assert.match(stdout, /\nmonthly workspace cap .* \$4\.50 \(balance\)\n$/)
    const caps = (await command.json('cap', 'list')).caps as Caps['caps']
    assert.deepEqual(
      caps.map(({ remaining, effective }) => [remaining, effective.remaining, effective.binding]),
      [
        ['1.50', '1.00', 'weekly member cap'],
        ['39.50', '1.00', 'weekly member cap'],
        ['1.00', '1.00', 'weekly member cap'],
        ['99.50', '4.50', 'balance'],
      ],
    )
  })

  it('removes them, and says what there was', async (t) => {
    const command = await createTestCommandLine(t)
    await command.run('cap', 'set', '--workspace', 'default', '--day', '0', '--month', '5')
    await assert.rejects(holdSample(command, { id: 'req_1', funding: 'balance' }), /daily workspace cap refuses/)
    const args = ['cap', 'remove', '--workspace', 'default', '--day', '--week']
    assert.deepEqual((await command.json(...args)).removed, ['day'])
    assert.match((await command.run(...args)).stdout, /^There was no such cap of workspace wrk_/)
    assert.match(
      (await command.run('cap', 'remove', '--workspace', 'default', '--month')).stdout,
      /the cap of a month\./,
    )
    assert.match((await command.run('cap', 'list')).stdout, /^There are no caps/)
  })

  it('is never set by a slip: whose, which and how much must be said', async (t) => {
    const { run, json } = await createTestCommandLine(t)
    for (const args of [
      ['set', '--day', '1'],
      ['set', '--workspace', 'default'],
      ['set', '--key', 'a', '--member', 'b', '--day', '1'],
      ['set', '--workspace', 'default', '--day', '-1'],
      ['set', '--workspace', 'default', '--day', 'much'],
      ['remove', '--workspace', 'default'],
      ['remove', '--day'],
    ]) {
      assert.equal((await run('cap', ...args)).exitCode, 2, args.join(' '))
    }
    assert.deepEqual((await json('cap', 'list')).caps, [])
    assert.match((await run('cap', 'set', '--key', 'key_x', '--day', '1')).stderr, /no key key_x/)
  })
})
