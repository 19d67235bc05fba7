import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { newId } from '../base/ids.ts'
import { DAY_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { endSample, holdSample, NOON_MS } from '../control/test-instance.ts'
import { createTestCommandLine, type TestCommandLine } from './test-command-line.ts'

async function addRequests(command: TestCommandLine, times: readonly number[]): Promise<string[]> {
  const ids: string[] = []
  for (const atMs of times) {
    const sample = { id: newId('req', atMs), funding: 'balance', atMs } as const
    await holdSample(command, sample)
    await endSample(command, sample, { usage: { ...NO_USAGE, input: 7 } })
    ids.push(sample.id)
  }
  return ids
}

const types = (stdout: string): string[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).type)

describe('zendo usage export', () => {
  it('prints the export and nothing else, also with --json', async (t) => {
    const command = await createTestCommandLine(t)
    await addRequests(command, [NOON_MS - DAY_MS, NOON_MS])
    for (const more of [[], ['--json']]) {
      const { exitCode, stdout, stderr } = await command.run('usage', 'export', ...more)
      assert.deepEqual([exitCode, stderr], [0, ''])
      assert.deepEqual(types(stdout), ['export', 'price_version', 'request', 'request', 'end'])
    }
  })

  it('has all there is, or the period, the member and the key that are named', async (t) => {
    const command = await createTestCommandLine(t)
    const ids = await addRequests(command, [NOON_MS - 90 * DAY_MS, NOON_MS - 2 * DAY_MS, NOON_MS])
    const exported = async (...args: string[]): Promise<string[]> => {
      const { stdout } = await command.run('usage', ...args, 'export', '--format', 'csv')
      return stdout
        .trimEnd()
        .split('\r\n')
        .slice(1)
        .map((row) => row.split(',')[0] ?? '')
    }
    assert.deepEqual(await exported(), ids)
    assert.deepEqual(await exported('--since', '7d'), ids.slice(1))
    assert.deepEqual(await exported('--since', '7d', '--until', '1d'), ids.slice(1, 2))
    assert.deepEqual(await exported('--member', 'admin'), ids)
    assert.deepEqual(await exported('--key', 'key_other'), [])
  })

  it('prints the prices of the requests as CSV', async (t) => {
    const command = await createTestCommandLine(t)
    await addRequests(command, [NOON_MS])
    const { stdout } = await command.run('usage', 'export', '--what', 'prices')
    assert.match(stdout, /^version,above,input,.*\r\nglm-5\.2@1,,1400000000,260000003,/)
  })

  it('refuses forms that are none', async (t) => {
    const command = await createTestCommandLine(t)
    assert.equal((await command.run('usage', 'export', '--format', 'xml')).exitCode, 2)
    assert.equal((await command.run('usage', '--by', 'day', '--zone', 'Mars')).exitCode, 2)
  })
})
