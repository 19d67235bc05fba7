import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parseUsd } from '../base/money.ts'
import { DAY_MS, HOUR_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { endSample, holdSample, NOON_MS } from '../control/test-instance.ts'
import { hashKey, isWellFormedKey } from '../domain/api-key.ts'
import { loadKeyOwner } from '../store/key.ts'
import { insertMember, insertWorkspace } from '../store/workspace.ts'
import { createTestCommandLine, runIn } from './test-command-line.ts'

describe('zendo', () => {
  it('with --json prints one document on stdout, wherever the option stands', async (t) => {
    const { run, setup } = await createTestCommandLine(t)
    const commands = [
      ['--json', 'key', 'list'],
      ['key', '--json', 'list'],
      ['key', 'list', '--json'],
    ] as const
    for (const args of commands) {
      const ran = await run(...args)
      assert.deepEqual([ran.exitCode, ran.stderr], [0, ''])
      assert.equal(ran.stdout.endsWith('}\n'), true)
      assert.equal(JSON.parse(ran.stdout).workspace, setup.workspace.id)
    }
  })

  it('with --json prints failures as one document on stderr', async (t) => {
    const { run } = await createTestCommandLine(t)
    const cases = [
      [['key', 'revoke', 'key_x'], 1, 'not_found'],
      [['credit', 'grant', '1', '--workspace', 'nope'], 1, 'invalid_request'],
      [['credit', 'grant', 'much'], 2, 'usage'],
      [['credit', 'grant'], 2, 'usage'],
      [['credit', 'grant', '1', '--amount', '1'], 2, 'usage'],
      [['usage', '--by', 'moon'], 2, 'usage'],
      [['usage', '--since', 'yesterday'], 2, 'usage'],
      [['usage', '--key', 'a', '--member', 'b'], 2, 'usage'],
      [['plan', 'seat', '--use-balance', 'maybe'], 2, 'usage'],
      [['plan', 'seat', '--seat', 'x'], 2, 'usage'],
      [['plan', 'seat', 'end'], 2, 'usage'],
      [['serve', '--port', '70000'], 2, 'usage'],
      [['key', 'list', '--nope'], 2, 'usage'],
      [['nope'], 2, 'usage'],
      [['key'], 2, 'usage'],
      [[], 2, 'usage'],
    ] as const
    for (const [args, exitCode, code] of cases) {
      const ran = await run(...args, '--json')
      assert.deepEqual([ran.exitCode, ran.stdout], [exitCode, ''], args.join(' '))
      const { error } = JSON.parse(ran.stderr)
      assert.equal(error.code, code, args.join(' '))
      assert.equal(typeof error.message, 'string')
      assert.notEqual(error.message, '')
    }
  })

  it('without --json prints failures as a line for people', async (t) => {
    const { run } = await createTestCommandLine(t)
    const ran = await run('key', 'list', '--workspace', 'nope')
    assert.deepEqual(ran, { exitCode: 1, stdout: '', stderr: 'there is no workspace nope\n' })
  })

  it('says to start first where there is no database, and makes none', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'zendo-cli-'))
    t.after(() => rmSync(directory, { recursive: true, force: true }))
    const place = { env: {}, cwd: directory, clock: Date.now }
    const ran = await runIn(place, ['key', 'list'])
    assert.equal(ran.exitCode, 1)
    assert.match(ran.stderr, /no database at .*data\/zendo\.db: run `npm start` first/)
    assert.equal(existsSync(join(directory, 'data')), false)
    const named = await runIn(place, ['audit', '--data-dir', 'elsewhere', '--json'])
    assert.equal(JSON.parse(named.stderr).error.code, 'no_database')
    assert.match(named.stderr, /elsewhere/)
  })

  it('--data-dir stands above ZENDO_DATA_DIR', async (t) => {
    const { dataDir, setup } = await createTestCommandLine(t)
    const place = { env: { ZENDO_DATA_DIR: '/nowhere' }, cwd: '/', clock: Date.now }
    const ran = await runIn(place, ['key', 'list', '--json', '--data-dir', dataDir])
    assert.equal(JSON.parse(ran.stdout).workspace, setup.workspace.id)
  })

  it('help is an answer, with the options that every command takes', async (t) => {
    const { run } = await createTestCommandLine(t)
    const ran = await run('key', 'create', '--help')
    assert.deepEqual([ran.exitCode, ran.stderr], [0, ''])
    assert.match(ran.stdout, /--json/)
    assert.match(ran.stdout, /--data-dir/)
  })
})

describe('zendo key', () => {
  it('create shows a key that works, and list never shows it again', async (t) => {
    const { json, run, db } = await createTestCommandLine(t)
    const made = await json('key', 'create', '--name', 'ci')
    assert.ok(isWellFormedKey(String(made.key)))
    assert.equal((await loadKeyOwner(db, hashKey(String(made.key))))?.keyId, made.id)
    assert.equal(made.created_at, '2026-11-20T12:00:00.000Z')
    const listed = await run('key', 'list')
    assert.match(listed.stdout, new RegExp(`${made.id} .*ci .*active`))
    assert.equal(listed.stdout.includes(String(made.key)), false)
    assert.match((await run('key', 'create')).stdout, /^sk-zendo-\w{34}\n/)
  })

  it('revoke ends a key, and says so when it had', async (t) => {
    const { json, run, db, setup } = await createTestCommandLine(t)
    assert.deepEqual(await json('key', 'revoke', setup.keyId), { id: setup.keyId, result: 'revoked' })
    assert.equal((await loadKeyOwner(db, hashKey(setup.key)))?.revoked, true)
    assert.equal((await json('key', 'revoke', setup.keyId)).result, 'already_revoked')
    assert.match((await run('key', 'list')).stdout, /revoked 2026-11-20 12:00 UTC/)
  })

  it('asks which workspace when there are several', async (t) => {
    const { run, db } = await createTestCommandLine(t)
    await insertWorkspace(db, { id: 'wrk_2', name: 'second' }, NOON_MS)
    await insertMember(db, { id: 'mem_2', workspaceId: 'wrk_2', name: 'bob', role: 'member' }, NOON_MS)
    assert.match((await run('key', 'create')).stderr, /several: say which with --workspace/)
    const made = await run('key', 'create', '--workspace', 'second', '--member', 'bob', '--json')
    assert.equal(JSON.parse(made.stdout).member, 'mem_2')
  })
})

describe('zendo plan', () => {
  it('list shows each plan with its windows', async (t) => {
    const { json, run } = await createTestCommandLine(t, { plans: { go: { price: 12.5 } } })
    assert.match((await run('plan', 'list')).stdout, /go {3}.*\$12\.50 a month .*5 hour .*\$12\.00 {2}5 h from/)
    const { plans } = (await json('plan', 'list')) as {
      plans: { id: string; windows: { name: string; limit: string }[] }[]
    }
    assert.deepEqual(
      plans[0]?.windows.map(({ name, limit }) => [name, limit]),
      [
        ['5 hour', '12.00'],
        ['weekly', '30.00'],
        ['monthly', '60.00'],
      ],
    )
  })

  it('seat lists, ends, adds and switches seats', async (t) => {
    const { json, run, setup, db } = await createTestCommandLine(t)
    assert.match((await run('plan', 'seat')).stdout, new RegExp(`${setup.seatId} +go +admin +off`))
    assert.equal((await json('plan', 'seat', '--use-balance', 'on')).use_balance, true)
    assert.deepEqual(await json('plan', 'seat', 'list'), await json('plan', 'seat'))
    assert.equal((await json('plan', 'seat', '--use-balance', 'off', '--seat', setup.seatId)).use_balance, false)
    assert.equal((await json('plan', 'seat', 'end', setup.seatId)).ended_at, '2026-11-20T12:00:00.000Z')
    assert.match((await run('plan', 'seat')).stdout, /no seats/)
    const added = await json('plan', 'seat', 'add', '--use-balance', 'on')
    assert.deepEqual([added.plan, added.use_balance], ['go', true])
    assert.equal((await loadKeyOwner(db, hashKey(setup.key)))?.seats[0]?.useBalance, true)
    assert.match((await run('plan', 'seat', 'add')).stderr, /has a seat on go/)
    assert.match((await run('plan', 'seat', 'add', '--plan', 'gold')).stderr, /no plan gold/)
    await insertMember(db, { id: 'mem_2', workspaceId: setup.workspace.id, name: 'bob', role: 'member' }, NOON_MS)
    const { id } = await json('plan', 'seat', 'add', '--member', 'bob')
    assert.match((await run('plan', 'seat', '--use-balance', 'off')).stderr, /several seats: say which/)
    assert.equal((await run('plan', 'seat', 'end', String(id))).exitCode, 0)
    assert.match((await run('plan', 'seat', 'end', String(id))).stderr, /no seat seat_\w+ in use/)
  })
})

describe('zendo usage', () => {
  it('shows what is left, and when it resets', async (t) => {
    const command = await createTestCommandLine(t)
    const sample = { id: 'req_1', funding: 'plan', hold: parseUsd(6) } as const
    await holdSample(command, sample)
    await endSample(command, sample, { usage: { ...NO_USAGE, output: 1_000_000 } })
    command.nowMs = NOON_MS + HOUR_MS + 30_000
    const { stdout } = await command.run('usage')
    assert.match(stdout, /^Balance of default: \$5\.00 available\n/)
    assert.match(
      stdout,
      /5 hour +\$4\.40 +\$12\.00 +\$7\.60 +36 % +2026-11-20 17:00 UTC \(in 4 h 0 min\) {2}<- tightest\n/,
    )
    assert.match(stdout, /weekly +\$4\.40 +\$30\.00 +\$25\.60 +14 % +2026-11-23 00:00 UTC \(in 2 d 11 h\)\n/)
    const json = await command.json('usage')
    assert.deepEqual(Object.keys(json), [
      'workspaceID',
      'userID',
      'as_of',
      'usage',
      'balance',
      'seats',
      'caps',
      'effective',
    ])
    assert.equal(json.userID, null)
  })

  it("of a key is its owner's, also when the key is revoked", async (t) => {
    const { json, run, setup } = await createTestCommandLine(t)
    await run('key', 'revoke', setup.keyId)
    assert.equal((await json('usage', '--key', setup.keyId)).userID, setup.memberId)
    assert.equal((await json('usage', '--member', 'admin')).userID, setup.memberId)
    assert.match((await run('usage', '--key', 'key_x')).stderr, /no key key_x/)
  })

  it('--by sums requests since a time', async (t) => {
    const command = await createTestCommandLine(t)
    for (const [id, atMs] of [
      ['req_1', NOON_MS],
      ['req_2', NOON_MS + DAY_MS],
    ] as const) {
      const sample = { id, funding: 'balance', atMs } as const
      await holdSample(command, sample)
      await endSample(command, sample, { usage: { ...NO_USAGE, input: 1000, output: 10 } })
    }
    command.nowMs = NOON_MS + 2 * DAY_MS
    const all = await command.run('usage', '--by', 'day')
    assert.match(
      all.stdout,
      /^DAY .*\n2026-11-20 +1 +1,000 .*\$0\.001444 .*\n2026-11-21 .*\ntotal +2 +2,000 +0 +0 +20 /,
    )
    const rows = async (since: string) =>
      ((await command.json('usage', '--by', 'model', '--since', since)).rows as { requests: number }[])[0]?.requests
    assert.deepEqual([await rows('7d'), await rows('30h'), await rows('2026-11-21')], [2, 1, 1])
    assert.match((await command.run('usage', '--by', 'key', '--since', '1h')).stdout, /No requests have ended/)
  })

  it('--explain shows how a charge came about', async (t) => {
    const command = await createTestCommandLine(t)
    const sample = { id: 'req_1', funding: 'plan', weightPpm: 2_000_000n } as const
    await holdSample(command, sample)
    assert.match((await command.run('usage', '--explain', 'req_1')).stdout, /Under way; \$1\.00 held/)
    await endSample(command, sample, { usage: { ...NO_USAGE, cachedRead: 301, output: 3 } })
    const { stdout } = await command.run('usage', '--explain', 'req_1')
    assert.match(stdout, /cachedRead +301 +0\.260000003 +\$0\.000078260000903\n/)
    assert.match(stdout, /Sum \$0\.000091460000903\nCost \$0\.00009146 /)
    assert.match(stdout, /Charged \$0\.00009146 of \$1\.00 held, paid by: plan\n/)
    assert.match(stdout, /Counted \$0\.00018292 in 5 hour \(weight 2, ends 2026-11-20T17:00:00\.000Z\)/)
    assert.equal((await command.json('usage', '--explain', 'req_1')).charged_nano, '91460')
    assert.equal((await command.run('usage', '--explain', 'req_2')).exitCode, 1)
  })
})

describe('zendo models', () => {
  const model = { protocol: 'openai-chat', products: ['zen', 'go'], routes: [{ provider: 'acme' }] }
  const config = {
    providers: { acme: { protocol: 'openai-chat', baseUrl: 'https://api.acme.example/v1', apiKey: 'env:ACME_KEY' } },
    models: {
      'acme-1': {
        ...model,
        price: { input: 1.4, output: 4.4, cachedRead: 0.26, tiers: [{ above: 200_000, input: 2.8, output: 8.8 }] },
        weight: { go: 2 },
      },
    },
  }

  it('lists what each product offers with price and endpoint, without needing credentials', async (t) => {
    const { run, json } = await createTestCommandLine(t, config)
    const { stdout } = await run('models')
    assert.match(stdout, /\nzen +acme-1 +\/zen\/v1\/chat\/completions +1\.40 +0\.26 +4\.40 /)
    assert.match(
      stdout,
      /\ngo +acme-1 +\/zen\/go\/v1\/chat\/completions .*counts 2x on the plan, above 200,000: 2\.80 /,
    )
    const { models } = (await json('models', '--product', 'go')) as { models: { id: string; product: string }[] }
    assert.ok(models.some(({ id }) => id === 'acme-1'))
    assert.deepEqual(new Set(models.map(({ product }) => product)), new Set(['go']))
  })

  it('needs no database', async (t) => {
    const { dataDir } = await createTestCommandLine(t)
    const env = { ZENDO_CONFIG: join(dataDir, 'zendo.jsonc') }
    const ran = await runIn({ env, cwd: '/', clock: Date.now }, ['models', '--json'])
    assert.deepEqual([ran.exitCode, ran.stderr], [0, ''])
  })
})

describe('zendo config check', () => {
  it('says what is wrong and where, with exit code 1', async (t) => {
    const { run, dataDir } = await createTestCommandLine(t)
    writeFileSync(join(dataDir, 'bad.jsonc'), '{\n  "models": {\n    "m": { "routs": [] }\n  }\n}')
    const ran = await run('config', 'check', 'bad.jsonc')
    assert.equal(ran.exitCode, 1)
    assert.match(ran.stdout, /bad\.jsonc:3:\d+: models\.m/)
    const asJson = await run('config', 'check', 'bad.jsonc', '--json')
    assert.equal(asJson.exitCode, 1)
    const { ok, problems } = JSON.parse(asJson.stdout)
    assert.deepEqual([ok, problems[0].line], [false, 3])
  })

  it('takes the file in use when none is named, with its secrets', async (t) => {
    const provider = { protocol: 'openai-chat', baseUrl: 'https://api.acme.example/v1', apiKey: 'env:NOT_SET_HERE' }
    assert.equal((await (await createTestCommandLine(t)).json('config', 'check')).ok, true)
    const { run } = await createTestCommandLine(t, { providers: { acme: provider } })
    const ran = await run('config', 'check')
    assert.equal(ran.exitCode, 1)
    assert.match(ran.stdout, /NOT_SET_HERE is not set/)
  })

  it('a bad file stops commands that need the catalogue, and no others', async (t) => {
    const { run } = await createTestCommandLine(t, { models: 5 })
    for (const args of [['models'], ['plan', 'list'], ['usage']]) {
      const ran = await run(...args)
      assert.equal(ran.exitCode, 1, args.join(' '))
      assert.match(ran.stderr, /zendo\.jsonc:1:/)
    }
    assert.equal((await run('key', 'list')).exitCode, 0)
    assert.equal((await run('audit')).exitCode, 0)
  })
})

describe('zendo audit', () => {
  it('exits with 0 on sound books and 1 with differences, and prints both as one document', async (t) => {
    const { run, db } = await createTestCommandLine(t)
    const sound = await run('audit')
    assert.equal(sound.exitCode, 0)
    assert.match(sound.stdout, /2 entries, .* 0 differences\.\n$/)
    const damage = "UPDATE account SET posted = posted + 1 WHERE kind = 'balance'"
    await db.write((sql) => sql.run(damage), { opensLedger: true })
    const damaged = await run('audit', '--json')
    assert.deepEqual([damaged.exitCode, damaged.stderr], [1, ''])
    const { differences } = JSON.parse(damaged.stdout)
    assert.deepEqual(differences[0], {
      ...{ rule: 'account_posted', expected: '5000000000', found: '5000000001' },
      subject: differences[0].subject,
    })
    assert.match((await run('audit')).stdout, /account_posted .*5000000000 +5000000001\n/)
  })
})

describe('zendo serve', () => {
  it('passes its options on as the settings they replace', async (t) => {
    const command = await createTestCommandLine(t)
    await command.run('serve', '--port', '0', '--host', '::1', '--data-dir', '/d', '--config', '/c')
    await command.run('serve')
    const [with_, without] = command.served
    const settings = ['ZENDO_PORT', 'ZENDO_HOST', 'ZENDO_DATA_DIR', 'ZENDO_CONFIG']
    assert.deepEqual(
      settings.map((name) => with_?.[name]),
      ['0', '::1', '/d', '/c'],
    )
    assert.deepEqual([without?.ZENDO_PORT, without?.ZENDO_DATA_DIR], [undefined, command.dataDir])
  })
})
