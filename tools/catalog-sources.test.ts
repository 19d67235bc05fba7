/** Reading recorded catalogues: the newest source of a model wins as a whole, and none is lost. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { readSources } from './catalog-sources.ts'

const directory = mkdtempSync(join(tmpdir(), 'zendo-catalog-sources-'))
after(() => rmSync(directory, { recursive: true }))

const facts = (id: string) => ({
  id,
  name: id,
  limit: { context: 1000, output: 100 },
  modalities: { input: ['text'], output: ['text'] },
  reasoning: false,
  tool_call: true,
  release_date: '2026-01-01',
})
const recorded = (id: string, input: number) => ({
  ...facts(id),
  npm: '@ai-sdk/anthropic',
  cost_per_1m_usd: { input, output: 1 },
  cost_tiers: [{ above_context_tokens: 500, input: 2, output: 2 }],
})
const carried = (id: string, input: number) => ({ ...facts(id), cost: { input, output: 1, cache_read: 0.5 } })

function write(name: string, content: unknown): void {
  writeFileSync(join(directory, name), JSON.stringify(content))
}

describe('recorded catalogues', () => {
  test('the newest source wins for each model and product', () => {
    write('models.json', {
      provenance: { repo: 'r', commit: '0123456789abcdef', commit_date: '2026-07-02T00:00:00Z' },
      providers: {
        opencode: { models: { old: recorded('old', 1), both: recorded('both', 1) } },
        'opencode-go': { models: { both: recorded('both', 3) } },
        elsewhere: { models: { other: recorded('other', 9) } },
      },
      newer_than_snapshot: {
        models: [
          { ...recorded('dated', 7), provider: 'opencode-go', source: { price_accessed: '2026-10-04' } },
          { ...recorded('undated', 7), provider: 'opencode-go', source: {} },
        ],
      },
    })
    write('opencode-client-snapshot.json', {
      opencode: { npm: '@ai-sdk/openai-compatible', models: { both: carried('both', 2) } },
      'opencode-go': {
        npm: '@ai-sdk/openai-compatible',
        models: { dated: carried('dated', 5), undated: carried('undated', 5) },
      },
    })
    const sources = readSources(directory, { name: 'the client', date: '2026-09-28' })
    const seen = (product: 'zen' | 'go') =>
      [...sources[product]].map(([id, known]) => [id, known.price.input, known.npm, known.source])
    assert.deepEqual(seen('zen'), [
      ['old', 1, '@ai-sdk/anthropic', 'models.dev 0123456789ab, 2026-07-02'],
      ['both', 2, '@ai-sdk/openai-compatible', 'the client, 2026-09-28'],
    ])
    assert.deepEqual(seen('go'), [
      ['both', 3, '@ai-sdk/anthropic', 'models.dev 0123456789ab, 2026-07-02'],
      ['dated', 7, '@ai-sdk/anthropic', 'models.dev, 2026-10-04'],
      ['undated', 5, '@ai-sdk/openai-compatible', 'the client, 2026-09-28'],
    ])
    assert.deepEqual(sources.zen.get('old')?.price.tiers, [{ above: 500, input: 2, output: 2 }])
  })
})
