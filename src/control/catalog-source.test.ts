/** Loading the config file: from real files, with real secrets, and with every way either can be missing. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { formatProblems } from '../domain/config-parse.ts'
import { loadCatalog } from './catalog-source.ts'

const directory = mkdtempSync(join(tmpdir(), 'zendo-catalog-source-'))
after(() => rmSync(directory, { recursive: true }))

const simulatedBaseUrl = 'http://127.0.0.1:40001/v1'
let files = 0

function writeConfig(text: string): string {
  const path = join(directory, `zendo-${files++}.jsonc`)
  writeFileSync(path, text)
  return path
}

function load(configPath: string | null, env: Record<string, string> = {}) {
  return loadCatalog({ configPath, env, simulatedBaseUrl })
}

async function keyOf(apiKey: string, env: Record<string, string> = {}): Promise<string | undefined> {
  const loaded = await load(writeConfig(JSON.stringify({ providers: { zai: { apiKey } } })), env)
  assert.ok(loaded.ok, loaded.ok ? '' : formatProblems(loaded.problems))
  return loaded.snapshot.catalog.providers.get('zai')?.apiKey
}

async function refusal(text: string, env: Record<string, string> = {}): Promise<string> {
  const path = writeConfig(text)
  const loaded = await load(path, env)
  assert.ok(!loaded.ok, 'accepted')
  return formatProblems(loaded.problems).replaceAll(path, 'F')
}

describe('the file', () => {
  test('absent where none was asked for, it means the built-in catalogue and default server settings', async () => {
    const before = process.cwd()
    process.chdir(directory)
    try {
      const loaded = await load(null)
      assert.ok(loaded.ok)
      assert.equal(loaded.snapshot.configPath, null)
      assert.deepEqual([...loaded.snapshot.catalog.providers.keys()], ['sim'])
      assert.deepEqual(loaded.snapshot.server, { trustedProxies: [], maxBodyBytes: 33_554_432 })
    } finally {
      process.chdir(before)
    }
  })

  test('at ./zendo.jsonc it is found without being named', async () => {
    const home = join(directory, 'home')
    mkdirSync(home)
    writeFileSync(join(home, 'zendo.jsonc'), '{ "server": { "maxBodyBytes": 1000 } }')
    const before = process.cwd()
    process.chdir(home)
    try {
      const loaded = await load(null)
      assert.ok(loaded.ok)
      assert.deepEqual(loaded.snapshot.server, { trustedProxies: [], maxBodyBytes: 1000 })
      assert.match(loaded.snapshot.configPath ?? '', /home\/zendo\.jsonc$/)
    } finally {
      process.chdir(before)
    }
  })

  test('absent where it was named, it is a problem', async () => {
    const path = join(directory, 'absent.jsonc')
    const loaded = await load(path)
    assert.ok(!loaded.ok)
    assert.equal(formatProblems(loaded.problems), `${path}:1:1: there is no such file`)
  })

  test('unreadable, it is a problem', async () => {
    const loaded = await load(directory)
    assert.ok(!loaded.ok)
    assert.match(formatProblems(loaded.problems), /cannot be read \(EISDIR\)/)
  })

  test('with a mistake, it is refused with the line', async () => {
    assert.equal(await refusal('{\n  "modles": {}\n}'), 'F:2:3: modles: there is no such key')
  })
})

describe('secrets', () => {
  test('come from a variable, from a file without its line end, or as they are', async () => {
    writeFileSync(join(directory, 'key'), 'sk-from-file\r\n')
    assert.equal(await keyOf('env:ZAI_API_KEY', { ZAI_API_KEY: 'sk-from-env' }), 'sk-from-env')
    assert.equal(await keyOf(`file:${join(directory, 'key')}`), 'sk-from-file')
    assert.equal(await keyOf('file:key'), 'sk-from-file')
    assert.equal(await keyOf('sk-literal'), 'sk-literal')
  })

  test('that are missing are problems with file, line and reason', async () => {
    const text = [
      '{ "providers": {',
      '  "zai": { "apiKey": "env:ZAI_API_KEY" },',
      '  "openai": { "apiKey": "env:EMPTY" },',
      '  "xai": {',
      '    "apiKey": "file:no/such/file" }',
      '} }',
    ].join('\n')
    assert.deepEqual((await refusal(text, { EMPTY: '' })).split('\n'), [
      'F:2:22: providers.zai.apiKey: the environment variable ZAI_API_KEY is not set',
      'F:3:25: providers.openai.apiKey: the environment variable EMPTY is not set',
      'F:5:15: providers.xai.apiKey: there is no file no/such/file',
    ])
  })

  test('that cannot stand in a header are refused without being shown', async () => {
    writeFileSync(join(directory, 'two-lines'), 'sk-SECRET\nsk-SECRET\n')
    const text = '{"providers":{"zai":{"apiKey":"env:A"},"xai":{"apiKey":"file:two-lines"}}}'
    const message = await refusal(text, { A: 'sk-SECRET\r\nx-evil: 1' })
    assert.equal(message.split('\n').length, 2)
    assert.equal(message.includes('SECRET'), false)
  })

  test('do not show in a dump of what was loaded', async () => {
    const path = writeConfig('{"providers":{"zai":{"apiKey":"sk-SECRET"}}}')
    assert.equal(inspect(await load(path), { depth: 12 }).includes('SECRET'), false)
  })
})
