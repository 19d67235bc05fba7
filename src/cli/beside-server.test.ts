import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { createTestCommandLine, type TestCommandLine } from './test-command-line.ts'

/**
 * A process that holds and settles requests on the instance's database as fast as it can, on balance and plan in turn,
 * until its standard input ends. Prints `ready` after the first and then the number of requests.
 */
function startWriter({ dataDir, setup }: TestCommandLine): ChildProcess {
  const script = `
    import { databasePath } from ${url('../control/instance.ts')}
    import { endSample, holdSample, NOON_MS } from ${url('../control/test-instance.ts')}
    import { openDatabase } from ${url('../store/open-database.ts')}
    import { parseUsd } from ${url('../base/money.ts')}
    const db = await openDatabase({ path: databasePath(${JSON.stringify(dataDir)}) }, { nowMs: NOON_MS })
    const instance = { db, dataDir: '', setup: ${JSON.stringify(setup)} }
    const usage = { input: 7, cachedRead: 301, cacheWrite5m: 0, cacheWrite1h: 0, output: 11, reasoning: 0 }
    let count = 0
    let stopped = false
    process.stdin.on('end', () => { stopped = true }).resume()
    do {
      const sample = { id: 'req_' + count, funding: count % 2 ? 'plan' : 'balance', hold: parseUsd('0.5') }
      await holdSample(instance, sample)
      await endSample(instance, sample, { usage })
      if (count++ === 0) console.log('ready')
      await new Promise((resolve) => setImmediate(resolve))
    } while (!stopped)
    await db.close()
    console.log(count)`
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
}

function url(file: string): string {
  return JSON.stringify(new URL(file, import.meta.url).href)
}

/** Ends the writer and returns how many requests it settled. */
async function stopWriter(writer: ChildProcess): Promise<number> {
  let printed = ''
  writer.stdout?.on('data', (chunk) => {
    printed += chunk
  })
  writer.stdin?.end()
  const [code] = await once(writer, 'exit')
  assert.equal(code, 0)
  return Number(printed.trim())
}

describe('commands beside a busy server', () => {
  it('all succeed, lose nothing, and every audit in between sees sound books', { timeout: 60_000 }, async (t) => {
    const command = await createTestCommandLine(t)
    const writer = startWriter(command)
    t.after(() => writer.kill('SIGKILL'))
    await once(writer.stdout as NonNullable<ChildProcess['stdout']>, 'data')
    const rounds = 10
    let before = 0
    for (let round = 0; round < rounds; round++) {
      await command.json('credit', 'grant', '1')
      await command.json('key', 'create')
      await command.json('plan', 'seat', '--use-balance', round % 2 ? 'on' : 'off')
      await command.json('usage')
      const audit = await command.json('audit')
      assert.deepEqual(audit.differences, [])
      const { requests } = audit.checked as { requests: number }
      assert.ok(requests >= before, 'the writer went backwards')
      before = requests
    }
    const settled = await stopWriter(writer)
    assert.ok(settled > rounds, `the writer settled only ${settled} requests`)
    const { checked, differences } = (await command.json('audit')) as { checked: { requests: number }; differences: [] }
    assert.deepEqual([checked.requests, differences], [settled, []])
    const { keys } = (await command.json('key', 'list')) as { keys: [] }
    assert.equal(keys.length, rounds + 1)
    // 7 input, 301 cached and 11 output tokens cost 136,460 nano-dollars; every other request is paid by the plan.
    const { balance } = (await command.json('usage')) as { balance: { posted_nano: string; held_nano: string } }
    const spent = BigInt(Math.ceil(settled / 2)) * 136_460n
    assert.equal(balance.posted_nano, String(BigInt(5 + rounds) * 10n ** 9n - spent))
    assert.equal(balance.held_nano, '0')
  })
})
