import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUsd } from '../base/money.ts'
import { DAY_MS, HOUR_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { endSample, holdSample, NOON_MS } from '../control/test-instance.ts'
import { loadBalance } from '../store/account.ts'
import { createTestCommandLine, type TestCommandLine } from './test-command-line.ts'

const posted = async ({ db, setup }: TestCommandLine) => (await loadBalance(db, setup.workspace.id))?.posted

/** A request that costs $4.40. */
async function charge(command: TestCommandLine): Promise<void> {
  const sample = { id: 'req_1', funding: 'balance', hold: parseUsd(5) } as const
  await holdSample(command, sample)
  await endSample(command, sample, { usage: { ...NO_USAGE, output: 1_000_000 } })
}

describe('zendo credit grant', () => {
  it('adds the exact amount, as argument or option', async (t) => {
    const command = await createTestCommandLine(t)
    const granted = await command.json('credit', 'grant', '2.000000001', '--note', 'for tests')
    assert.equal(granted.amount_nano, '2000000001')
    assert.deepEqual(granted.balance, {
      ...{ available: '7.000000001', available_nano: '7000000001', posted: '7.000000001' },
    })
    const { stdout } = await command.run('credit', 'grant', '--amount', '1')
    assert.match(stdout, /^Granted \$1\.00 to default; \$8\.000000001 is available\.\n$/)
    assert.equal(await posted(command), 8_000_000_001n)
  })

  it('grants once for one idempotency key, and says so', async (t) => {
    const { json, run } = await createTestCommandLine(t)
    const args = ['credit', 'grant', '3', '--idempotency-key', 'invoice 7']
    assert.equal((await json(...args)).created, true)
    const again = await json(...args)
    assert.deepEqual([again.created, (again.balance as { posted: string }).posted], [false, '8.00'])
    assert.match((await run(...args)).stdout, /nothing was added/)
    const other = await run('credit', 'grant', '4', '--idempotency-key', 'invoice 7')
    assert.deepEqual([other.exitCode, /already granted \$3\.00, not \$4\.00/.test(other.stderr)], [1, true])
  })

  it('takes a source, an expiry and a priority', async (t) => {
    const command = await createTestCommandLine(t)
    const args = ['credit', 'grant', '1', '--source', 'promotion', '--expires', '2026-12-24', '--priority', '5']
    const granted = await command.json(...args)
    assert.deepEqual(
      [granted.source, granted.expires_at, granted.priority],
      ['promotion', '2026-12-24T00:00:00.000Z', 5],
    )
    const instant = ['credit', 'grant', '1', '--expires', '2026-11-20T15:00:00+02:00']
    assert.match((await command.run(...instant)).stdout, /^Granted \$1\.00 to default until 2026-11-20 13:00 UTC; /)
    command.nowMs = NOON_MS + HOUR_MS
    assert.match((await command.run('usage')).stdout, /^Balance of default: \$6\.00 available/)
    assert.match((await command.run(...instant)).stderr, /expired at/)
  })

  it('does not take times, numbers and sources that are none', async (t) => {
    const { run } = await createTestCommandLine(t)
    for (const option of [
      ['--expires', '2026-02-30'],
      ['--expires', 'tomorrow'],
      ['--expires', '2026-12-24T12:00'],
      ['--priority', '1001'],
      ['--priority', '-1'],
      ['--priority', '1.5'],
      ['--source', 'demo'],
    ]) {
      assert.equal((await run('credit', 'grant', '1', ...option)).exitCode, 2, option.join(' '))
    }
  })
})

describe('zendo credit refund', () => {
  it('gives back a part or all that is left, and never more', async (t) => {
    const command = await createTestCommandLine(t)
    await charge(command)
    const part = await command.run('credit', 'refund', 'req_1', '--amount', '1', '--note', 'cut off')
    assert.equal(
      part.stdout,
      'Gave back $1.00 of req_1, which was charged $4.40 and has $3.40 of it left; $1.60 is available.\n',
    )
    const over = await command.run('credit', 'refund', 'req_1', '--amount', '3.41', '--note', 'cut off')
    assert.deepEqual([over.exitCode, /\$3\.40 is left/.test(over.stderr)], [1, true])
    const rest = await command.json('credit', 'refund', 'req_1', '--note', 'cut off')
    assert.deepEqual([rest.amount, rest.refunded, rest.charged, rest.source], ['3.40', '4.40', '4.40', 'refund'])
    assert.equal(await posted(command), 5_000_000_000n)
    assert.deepEqual((await command.json('audit')).differences, [])
  })

  it('happens once for one idempotency key, and says so', async (t) => {
    const command = await createTestCommandLine(t)
    await charge(command)
    const args = ['credit', 'refund', 'req_1', '--note', 'cut off', '--idempotency-key', 'ticket 9']
    assert.equal((await command.json(...args)).created, true)
    assert.equal((await command.json(...args)).created, false)
    assert.match((await command.run(...args)).stdout, /had given back \$4\.40 before; nothing was added/)
    assert.equal(await posted(command), 5_000_000_000n)
  })

  it('needs a reason and a request', async (t) => {
    const { run } = await createTestCommandLine(t)
    assert.equal((await run('credit', 'refund', 'req_1')).exitCode, 2)
    const unknown = await run('credit', 'refund', 'req_9', '--note', 'x')
    assert.deepEqual([unknown.exitCode, unknown.stderr], [1, 'there is no request req_9\n'])
  })
})

describe('zendo credit list', () => {
  it('shows what is left in the order in which it is spent', async (t) => {
    const command = await createTestCommandLine(t)
    await command.run('credit', 'grant', '2', '--note', 'welcome back', '--expires', '2026-12-24')
    const { stdout } = await command.run('credit', 'list')
    assert.match(
      stdout,
      /^CREDIT .*\ngrant_\w+ +operator +\$2\.00 +\$2\.00 +100 +2026-12-24 00:00 UTC +welcome back\ngrant_\w+ +demo .* never /,
    )
    const { lots, posted_nano } = (await command.json('credit', 'list')) as { lots: object[]; posted_nano: string }
    assert.deepEqual([lots.length, posted_nano], [2, '7000000000'])
    command.nowMs = NOON_MS + 60 * DAY_MS
    assert.equal(((await command.json('credit', 'list')) as { lots: object[] }).lots.length, 1)
  })
})
