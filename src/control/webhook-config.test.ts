/** Signing secrets of receivers are looked up like credentials of providers, and are never shown. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { formatProblems } from '../domain/config-parse.ts'
import { loadCatalog } from './catalog-source.ts'

const directory = mkdtempSync(join(tmpdir(), 'zendo-webhook-config-'))
after(() => rmSync(directory, { recursive: true }))

const SECRET = `whsec_${Buffer.alloc(24, 's').toString('base64')}`
const path = join(directory, 'zendo.jsonc')

function load(text: string, env: Record<string, string> = {}) {
  writeFileSync(path, text)
  return loadCatalog({ configPath: path, env, simulatedBaseUrl: 'http://127.0.0.1:40001/v1' })
}

async function secretOf(reference: string, env: Record<string, string> = {}): Promise<string | undefined> {
  const loaded = await load(
    JSON.stringify({ webhooks: { ops: { url: 'https://ops.example', secret: reference } } }),
    env,
  )
  assert.ok(loaded.ok, loaded.ok ? '' : formatProblems(loaded.problems))
  assert.equal(inspect(loaded, { depth: 12 }).includes(SECRET), false)
  return loaded.snapshot.catalog.webhooks[0]?.secret
}

describe('a signing secret', () => {
  test('comes from a variable, from a file, or as it is', async () => {
    writeFileSync(join(directory, 'secret'), `${SECRET}\n`)
    assert.equal(await secretOf('env:OPS_SECRET', { OPS_SECRET: SECRET }), SECRET)
    assert.equal(await secretOf('file:secret'), SECRET)
    assert.equal(await secretOf(SECRET), SECRET)
  })

  test('that is missing or none is a problem with its line, beside those of providers, and is not shown', async () => {
    writeFileSync(join(directory, 'password'), 'p4ssw0rd\n')
    const text = [
      '{ "providers": { "zai": { "apiKey": "env:ZAI" } },',
      '  "webhooks": {',
      '    "a": { "url": "https://a.example", "secret": "env:UNSET" },',
      '    "b": { "url": "https://b.example", "secret": "env:SHORT" },',
      '    "c": { "url": "https://c.example", "secret": "file:password" },',
      '    "d": { "url": "https://d.example", "secret": "env:EMPTY" } } }',
    ].join('\n')
    const loaded = await load(text, { SHORT: 'p4ssw0rd', EMPTY: '' })
    assert.ok(!loaded.ok)
    const form = 'whsec_ and 24 to 64 random bytes in base64'
    assert.deepEqual(formatProblems(loaded.problems).replaceAll(path, 'F').split('\n'), [
      'F:1:37: providers.zai.apiKey: the environment variable ZAI is not set',
      'F:3:50: webhooks.a.secret: the environment variable UNSET is not set',
      `F:4:50: webhooks.b.secret: what this names is not a signing secret: ${form}`,
      `F:5:50: webhooks.c.secret: what this names is not a signing secret: ${form}`,
      'F:6:50: webhooks.d.secret: the environment variable EMPTY is not set',
    ])
    assert.equal(inspect(loaded).includes('p4ssw0rd'), false)
  })
})
