/** What a client leaves running is ended, and nothing else. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { endLeftovers, RUN_MARK } from './leftover.ts'

const WAITS = ['-e', 'process.stdout.write("up"); setInterval(() => {}, 60_000)']

// Systems without /proc cannot tell; there only the client itself is ended.
if (existsSync('/proc')) {
  test('members of the session and marked strays are ended, others stay', async () => {
    const [member, stray, other] = [start('one'), start('two'), start('three')]
    const children = [member, stray, other]
    const ends = children.map((child) => once(child, 'exit'))
    await Promise.all(children.map((child) => child.stdout && once(child.stdout, 'data')))
    assert.equal(endLeftovers(member.pid ?? -1, 'two'), 2)
    await Promise.all(ends.slice(0, 2))
    assert.equal(other.exitCode ?? other.signalCode, null)
    other.kill('SIGKILL')
    await ends[2]
  })
}

function start(mark: string): ChildProcess {
  const env = { [RUN_MARK]: mark }
  return spawn(process.execPath, WAITS, { detached: true, env, stdio: ['ignore', 'pipe', 'ignore'] })
}
