/** The config reference and the published JSON Schema say what the code does. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { formatProblems, parseConfig } from '../src/domain/config-parse.ts'
import {
  CONFIG_PAGE,
  configKeyRows,
  configPageParts,
  SCHEMA_FILE,
  schemaText,
  withParts,
} from '../tools/config-reference.ts'

const REMEDY = 'run: node tools/config-reference.ts'
const page = readFileSync(CONFIG_PAGE, 'utf8')

describe('docs/reference/config.md', () => {
  test('lists every key with type, default and meaning, and every built-in provider, and no other', () => {
    assert.equal(withParts(page, configPageParts()), page, REMEDY)
  })

  test('explains every key', () => {
    const rows = configKeyRows()
    assert.ok(rows.length > 80)
    for (const row of rows) assert.ok(row.type.length > 0 && row.meaning.length > 8, row.key)
    assert.equal(new Set(rows.map((row) => row.key)).size, rows.length)
  })

  test('its example is accepted', () => {
    const example = /```jsonc\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
    const parsed = parseConfig(example, 'example')
    assert.equal(parsed.ok ? '' : formatProblems(parsed.problems), '')
  })

  test('its sample of a refusal is what the code says', () => {
    const text = '{ "models": { "acme-large": { "routes": [] } } }'
    const parsed = parseConfig(text, '/srv/zendo/zendo.jsonc')
    const reason = parsed.ok ? '' : (parsed.problems[0]?.reason ?? '')
    assert.ok(reason.length > 0 && page.includes(`models.acme-large: ${reason}`), reason)
  })
})

describe('docs/reference/zendo.schema.json', () => {
  test('is the schema of the code', () => {
    assert.equal(readFileSync(SCHEMA_FILE, 'utf8'), schemaText(), REMEDY)
  })
})
