/** The guide for opencode says what the client tests do, and its configuration is one that they could run. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseProductPath } from '../../src/api/path.ts'
import { OPENCODE_VERSION } from './install.ts'

const guide = readFileSync(new URL('../../docs/guides/opencode.md', import.meta.url), 'utf8')

interface GuideConfig {
  readonly provider: Readonly<Record<string, { readonly options: { readonly baseURL: string } }>>
}

test('the guide names the version that the client tests install', () => {
  assert.ok(guide.includes(`opencode ${OPENCODE_VERSION}`))
})

test('the configuration in the guide leads each provider to its product', () => {
  const config = JSON.parse(/```json\n([\s\S]+?)```/.exec(guide)?.[1] ?? '') as GuideConfig
  const products = Object.entries(config.provider).map(([id, { options }]) => {
    const { pathname } = new URL(`${options.baseURL}/chat/completions`)
    return [id, parseProductPath(pathname)]
  })
  assert.deepEqual(products, [
    ['opencode-go', { product: 'go', tail: 'chat/completions' }],
    ['opencode', { product: 'zen', tail: 'chat/completions' }],
  ])
})
